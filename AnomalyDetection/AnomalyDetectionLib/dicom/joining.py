"""Join DICOM images of one series that carry several series UIDs, as some anonymisers and scanners leave them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from ..errors import InputError
from .headers import Instance
from .parts import SortedImages, sort_images
from .stack import stack


def joined(groups: Sequence[Sequence[Instance]]) -> tuple[tuple[SortedImages, int], ...]:
    """The series made up of groups of images, each group with one UID: its sorted images, and its number of UIDs.

    Groups with the same patient, day, number, name and sequence are one series if all their images together form
    one volume, or if each has a single image.
    """
    alike: dict[frozenset[object], list[list[list[Instance]]]] = {}
    for group in groups:
        found_alike = alike.setdefault(frozenset(map(_shared_attributes, group)), [])
        same = next((each for each in found_alike if _same_times(each[0][0], group[0])), [])
        if not same:
            found_alike.append(same)
        same.append(list(group))
    found: list[tuple[SortedImages, int]] = []
    for same in chain.from_iterable(alike.values()):
        together = None if len(same) == 1 else _together(same)
        if together is not None:
            found.append((together, len(same)))
        else:
            found += [(sort_images(_in_order(group)), 1) for group in same]
    return tuple(found)


def _together(groups: Sequence[Sequence[Instance]]) -> SortedImages | None:
    """The images of several groups as one series; None if they are not one."""
    made = sort_images(_in_order([instance for group in groups for instance in group]))
    frames = [frame for instance in made.instances for frame in instance.frames]
    try:
        stack(frames, "-")
    except InputError:
        alone = all(len(group) == 1 and len(group[0].frames) == 1 for group in groups)
        studies = {group[0].identity.study for group in groups}
        return made if alone and len(studies) in (1, len(groups)) else None
    return made


def _shared_attributes(instance: Instance) -> object:
    """The attributes that images of one series share. The study UID is left out: it may be damaged too; so are times,
    whose last digits may differ (see `_same_times`)."""
    no_times: dict[str, Any] = dict.fromkeys(_TIMES)
    taken = replace(instance.sequence, acquired_at=None, contrast_agent="", **no_times)
    identity = replace(instance.identity, study="")
    size = {(frame.rows, frame.columns) for frame in instance.frames}
    return identity, instance.number, instance.sop_class, instance.modality, taken, frozenset(size)


_TIMES = ("echo_time", "repetition_time", "inversion_time")


def _same_times(one: Instance, other: Instance) -> bool:
    """Whether echo, repetition and inversion time differ by no more than rounding: 0.5 ms or 1 %."""
    pairs = ((getattr(one.sequence, name), getattr(other.sequence, name)) for name in _TIMES)
    return all(
        a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=0.01, abs_tol=0.5))
        for a, b in pairs
    )


def _in_order(instances: Sequence[Instance]) -> list[Instance]:
    return sorted(instances, key=lambda instance: (instance.instance_number, str(instance.file)))
