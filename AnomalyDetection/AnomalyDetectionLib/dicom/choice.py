"""Choose the best of several series of one kind, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..grid import Grid
from .kind import SeriesClassification
from .sequence import MrSequence
from .series_names import words_of

Role = Literal["T1", "FLAIR"]

#: Extent (mm) that covers a brain in each direction; more has no advantage.
WHOLE_BRAIN = 130.0
#: From this relative difference in coverage or resolution, one series is better than another.
CLEARLY = 0.15
#: Words in a name or body part for a scan of the neck, which may show a part of the brain, and those for one of the head as well.
_NECK, _HEAD = {"neck", "hals", "larynx", "thyroid", "parotid"}, {"head", "brain", "kopf"}
#: Words in Siemens' image type for images corrected for coil sensitivity and for distortion.
_CORRECTED = {"NORM", "DIS2D", "DIS3D"}


@dataclass(frozen=True)
class SeriesCandidate:
    """A series that could be chosen: its classification, its grid, and the sequence of its first image."""

    classification: SeriesClassification
    grid: Grid
    sequence: MrSequence | None = None


def best(candidates: Sequence[SeriesCandidate], role: Role) -> tuple[tuple[int, ...], str]:
    """Index of the best candidate, with the reason; or indices of several equally good ones. There is at least one.

    Series without contrast medium are preferred to post-contrast ones, original to derived ones, those classified by
    attributes to those classified by name, and others to those of the neck; then the one that covers more of the
    brain; then the one with the higher resolution; then, within one acquisition, the one corrected for coil
    sensitivity or distortion.
    """
    if len(candidates) == 1:
        return (0,), f"the only {role}"
    for place, one in enumerate(candidates):
        reasons = [_advantage(one, other) for other in candidates if other is not one]
        if all(reasons):
            others = "the other" if len(reasons) == 1 else f"{len(reasons)} other"
            return (place,), f"preferred to {others} {role}: {', '.join(dict.fromkeys(reasons))}"
    # Candidates that no other is preferred to; small advantages may form a cycle, and then all are equal.
    unbeaten = [n for n, one in enumerate(candidates) if not any(_advantage(o, one) for o in candidates)]
    return tuple(unbeaten or range(len(candidates))), ""


def _advantage(one: SeriesCandidate, other: SeriesCandidate) -> str:
    """Why the first is preferred to the second; "" if it is not."""
    mine, its = one.classification, other.classification
    for attribute, words in (
        ("after_contrast", "no contrast medium named"),
        ("derived", "original, not derived"),
        ("by_name", "its attributes say it, not its name alone"),
    ):
        if getattr(mine, attribute) != getattr(its, attribute):
            return words if getattr(its, attribute) else ""
    if _is_of_neck(one) != _is_of_neck(other):
        return "" if _is_of_neck(one) else "not of the neck"
    for value, its_value, words, unit, more in (
        (_covered(one.grid), _covered(other.grid), "covers more of the brain", "mm", True),
        (max(one.grid.spacing), max(other.grid.spacing), "finer", "mm", False),
        (one.grid.voxel_ml * 1000, other.grid.voxel_ml * 1000, "finer", "mm³", False),
    ):
        if abs(value - its_value) > CLEARLY * max(value, its_value):
            better = (value > its_value) == more
            return f"{words} ({value:.3g} {unit} against {its_value:.3g} {unit})" if better else ""
    return _corrections(one, other)


def _is_of_neck(one: SeriesCandidate) -> bool:
    if one.sequence is None:
        return False
    words = words_of(one.sequence.description)
    return bool({*words, one.sequence.body_part.lower()} & _NECK) and not words & _HEAD


def _corrections(one: SeriesCandidate, other: SeriesCandidate) -> str:
    """The corrections of the first, if both are of one acquisition and the second has fewer; "" otherwise."""
    a, b = one.sequence, other.sequence
    if a is None or b is None or a.acquired_at is None or a.acquired_at != b.acquired_at:
        return ""
    mine, its = ({*taken.image_type, *taken.private_image_type} & _CORRECTED for taken in (a, b))
    return f"corrected ({', '.join(sorted(mine - its))})" if its < mine else ""


def _covered(grid: Grid) -> float:
    """Extent (mm) along the shortest axis, up to what covers a brain."""
    return min(WHOLE_BRAIN, *(count * mm for count, mm in zip(grid.size, grid.spacing, strict=True)))
