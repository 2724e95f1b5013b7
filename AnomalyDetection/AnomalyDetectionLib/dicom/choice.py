"""Choose the best of several series of one kind, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..grid import Grid
from .kind import SeriesClassification
from .sequence import MrSequence

Role = Literal["T1", "FLAIR"]

#: mm that cover a brain in each direction; larger coverage has no advantage.
WHOLE_BRAIN = 130.0

#: Relative difference in coverage or resolution that makes one series better than another.
CLEARLY = 0.15


#: What Siemens writes into its image type for a corrected image: of coil sensitivity, and of distortion.
_CORRECTED = {"NORM", "DIS2D", "DIS3D"}


@dataclass(frozen=True)
class SeriesCandidate:
    """A series that could be chosen: its classification, its grid, and the sequence of its first image."""

    classification: SeriesClassification
    grid: Grid
    sequence: MrSequence | None = None


def best(candidates: Sequence[SeriesCandidate], role: Role) -> tuple[tuple[int, ...], str]:
    """Index of the best candidate, with the reason; or indices of several equally good ones.

    One that names no contrast medium goes before post-contrast, original before derived, one whose attributes say what
    it is before one whose name does; then the one that covers more of the brain; then the finer one; then, of one
    acquisition, the one that is corrected for coil sensitivity or distortion.

    Args:
        candidates: at least one, all of that kind.
    """
    if len(candidates) == 1:
        return (0,), f"the only {role}"
    for place, one in enumerate(candidates):
        reasons = [_advantage(one, other) for other in candidates if other is not one]
        if all(reasons):
            others = "the other" if len(reasons) == 1 else f"{len(reasons)} other"
            return (place,), f"preferred to {others} {role}: {', '.join(dict.fromkeys(reasons))}"
    # Candidates that no other beats; small advantages may form a cycle, and then all are equal.
    unbeaten = [
        n for n, one in enumerate(candidates) if not any(_advantage(other, one) for other in candidates)
    ]
    return tuple(unbeaten or range(len(candidates))), ""


def _advantage(one: SeriesCandidate, other: SeriesCandidate) -> str:
    """Why one is preferred to the other; "" if it is not."""
    mine, its = one.classification, other.classification
    for attribute, words in (
        ("after_contrast", "no contrast medium named"),
        ("derived", "original, not derived"),
        ("by_name", "its attributes say it, not its name alone"),
    ):
        if getattr(mine, attribute) != getattr(its, attribute):
            return words if getattr(its, attribute) else ""
    for measure, words, unit, more in (
        (_covered, "covers more of the brain", "mm", True),
        (_coarsest, "finer", "mm", False),
        (_voxel, "finer", "mm³", False),
    ):
        value, its_value = measure(one.grid), measure(other.grid)
        if abs(value - its_value) > CLEARLY * max(value, its_value):
            better = (value > its_value) == more
            return f"{words} ({value:.3g} {unit} against {its_value:.3g} {unit})" if better else ""
    return _corrections(one, other)


def _corrections(one: SeriesCandidate, other: SeriesCandidate) -> str:
    """Which corrections one has, where both are of one acquisition and the other has fewer; "" otherwise."""
    if one.sequence is None or other.sequence is None or one.sequence.acquired_at is None:
        return ""
    if one.sequence.acquired_at != other.sequence.acquired_at:
        return ""
    mine, its = (
        {*taken.image_type, *taken.private_image_type} & _CORRECTED
        for taken in (one.sequence, other.sequence)
    )
    return f"corrected ({', '.join(sorted(mine - its))})" if its < mine else ""


def _covered(grid: Grid) -> float:
    """mm along the shortest axis, as far as it matters."""
    return min(WHOLE_BRAIN, *(count * mm for count, mm in zip(grid.size, grid.spacing, strict=True)))


def _coarsest(grid: Grid) -> float:
    return max(grid.spacing)


def _voxel(grid: Grid) -> float:
    return grid.voxel_ml * 1000
