"""Remove images of a DICOM series that are not part of its volume (phase images, duplicates), with a note."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from ..errors import InputError
from .headers import Frame, Instance
from .pixels import read_pixels
from .sequence import COMPLEX_PARTS


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
    whose pixels differ.

    Args:
        instances: at least one.
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
    """File and index of the frames that equal an earlier frame in position, scale and pixels.

    Empty if images at one position differ: then they are not a volume, and there is no need to read on.
    """
    alike: dict[Frame, list[Frame]] = {}
    files: dict[Path, list[Frame]] = {}
    for frame in frames:
        files.setdefault(frame.file, []).append(frame)
        if frame.position is not None:
            alike.setdefault(replace(frame, file=Path(), index=0, instance=""), []).append(frame)
    digests: dict[tuple[Path, int], bytes] = {}
    copies: set[tuple[Path, int]] = set()
    for group in alike.values():
        if len(group) == 1:
            continue
        places = [(frame.file, frame.index) for frame in group]
        for file in {file for file, place in places if (file, place) not in digests}:
            digests |= _digests(files[file])
        if len({digests.get(place) for place in places}) > 1 or places[0] not in digests:
            return set()
        copies |= set(places[1:])
    return copies


def _digests(frames: Sequence[Frame]) -> dict[tuple[Path, int], bytes]:
    """Digests of the pixels of frames of one file; empty if they cannot be read."""
    try:
        pixels, _ = read_pixels(frames, "-")
    except (InputError, OSError):  # reported when the series is read
        return {}
    return {
        (frame.file, frame.index): sha256(values.tobytes()).digest()
        for frame, values in zip(frames, pixels, strict=True)
    }
