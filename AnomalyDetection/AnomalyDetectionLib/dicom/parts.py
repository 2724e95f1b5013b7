"""Remove images of a DICOM series that are not part of its volume (phase images, duplicates), with a note."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from ..errors import InputError
from .headers import Frame, Instance
from .pixels import read_pixels
from .sequence import COMPLEX_PARTS
from .stack import SAME_DIRECTION, SAME_SPACING

_ROUNDED_MM = 0.06  # positions that some programs write with one digit

_LINE = (0.415, 0.331, 0.847)


@dataclass(frozen=True)
class SortedImages:
    """The images of a volume, and which others were left out.

    Attributes:
        instances: at least one, with the frames that belong to the volume.
        notes: what was left out, and why, in words.
        beside: number of images left out because they show another part or do not belong to a volume.
    """

    instances: tuple[Instance, ...]
    notes: tuple[str, ...] = ()
    beside: int = 0


def sort_images(instances: Sequence[Instance]) -> SortedImages:
    """Leave out the parts of a complex image other than the magnitude, localisers and the like among the images, and
    identical copies.

    A series that consists of such images only, such as phase images, is kept as it is; so are images at the same place
    whose pixels differ. `instances`: at least one.
    """
    kept, notes = _kept(instances, lambda frame: not frame.part), []
    parts = Counter(frame.part for instance in instances for frame in instance.frames if frame.part)
    if kept and parts:
        found = ", ".join(f"{count} {part}" for part, count in parts.items())
        magnitude = " (the magnitude is taken)" if {*parts} & {*COMPLEX_PARTS} else ""
        notes.append(f"images left out: {found}{magnitude}")
        instances = kept
    copies = _copies([frame for instance in instances for frame in instance.frames])
    if copies:
        instances = _kept(instances, lambda frame: (frame.file, frame.index) not in copies)
        notes.append(f"equal copies of images left out: {len(copies)}")
    return SortedImages(tuple(instances), tuple(notes), parts.total() if kept else 0)


def _kept(instances: Sequence[Instance], counts: Callable[[Frame], bool]) -> tuple[Instance, ...]:
    """The instances with the frames that belong to the volume; instances without any are left out."""
    left = (replace(each, frames=tuple(filter(counts, each.frames))) for each in instances)
    return tuple(instance for instance in left if instance.frames)


def _copies(frames: Sequence[Frame]) -> set[tuple[Path, int]]:
    """File and index of the frames that equal an earlier frame in position (but for rounding), scale and pixels.

    Empty if images at one position differ: then they are not a volume, and there is no need to read on.
    """
    files: dict[Path, list[Frame]] = {}
    for frame in frames:
        files.setdefault(frame.file, []).append(frame)
    digests: dict[tuple[Path, int], bytes] = {}
    copies: set[tuple[Path, int]] = set()
    for group in _at_one_place(frames):
        if len(group) == 1:
            continue
        places = [(frame.file, frame.index) for frame in group]
        for file in {file for file, place in places if (file, place) not in digests}:
            digests |= _digests(files[file])
        if len({digests.get(place) for place in places}) > 1 or places[0] not in digests:
            return set()
        copies |= set(places[1:])
    return copies


def _at_one_place(frames: Sequence[Frame]) -> Iterator[list[Frame]]:
    """The frames that say the same of themselves, those at one place together and in order."""
    alike: dict[Frame, list[int]] = {}
    for number, frame in enumerate(frames):
        if frame.position is not None:
            slope, intercept = frame.scale
            neither = replace(frame, file=Path(), index=0, instance="", slope=slope, intercept=intercept)
            alike.setdefault(replace(neither, position=None, axes=None, spacing=None), []).append(number)
    for numbers in alike.values():
        # Along any line that is not parallel to the slices, those at one place follow one another.
        numbers.sort(key=lambda number: np.dot(frames[number].position or (), _LINE))
        groups = [[numbers[0]]]
        for number in numbers[1:]:
            if _same_place(frames[groups[-1][0]], frames[number]):
                groups[-1].append(number)
            else:
                groups.append([number])
        yield from ([frames[each] for each in sorted(group)] for group in groups)


def _same_place(one: Frame, other: Frame) -> bool:
    compared = (
        (one.position, other.position, _ROUNDED_MM),
        (one.axes, other.axes, SAME_DIRECTION),
        (one.spacing, other.spacing, SAME_SPACING),
    )
    return all(
        a == b or (a is not None and b is not None and np.allclose(a, b, rtol=0, atol=within))
        for a, b, within in compared
    )


def _digests(frames: Sequence[Frame]) -> dict[tuple[Path, int], bytes]:
    """Digests of the pixels of frames of one file; empty if they cannot be read."""
    try:
        pixels, _ = read_pixels(frames, "-")
    except (InputError, OSError):  # reported when the series is read
        return {}
    places = ((frame.file, frame.index) for frame in frames)
    return {place: sha256(values.tobytes()).digest() for place, values in zip(places, pixels, strict=True)}
