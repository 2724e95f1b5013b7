"""Sort slices in space, check that they form one volume, and find its grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files.text import display_path
from ..grid import Grid
from .headers import Frame

#: Largest difference in direction cosines within one orientation, and from a right angle.
SAME_DIRECTION = 1e-3

#: Largest relative difference of in-plane spacings.
SAME_SPACING = 1e-3


@dataclass(frozen=True)
class Tolerances:
    """How far slices may deviate from an even, straight stack.

    Attributes:
        step: by how much the distance of two neighbours may differ from the usual distance, and by how much they may be
            displaced sideways, as shares of the usual distance.
        place: by how much any slice may be off its position in an even stack, as a share of the usual distance; None:
            not checked, so that small steps may add up, sideways to a hundredth of the volume's length.
    """

    step: float
    place: float | None = None


#: For reading a volume; and for referring to the images of a volume that another program may have read.
TO_READ, TO_REFER = Tolerances(step=0.1), Tolerances(step=0.25, place=0.25)


@dataclass(frozen=True)
class Stack:
    """Slices of one volume.

    Attributes:
        frames: along the normal of the slices (row times column), evenly spaced, one for each position.
        grid: of the volume, LPS mm; its third axis is that normal.
    """

    frames: tuple[Frame, ...]
    grid: Grid


def stack(frames: Sequence[Frame], name: str, tolerances: Tolerances = TO_READ) -> Stack:
    """The slices in order.

    Args:
        frames: at least one.
        name: of the series, for messages: "The FLAIR series 'x' in folder".
        tolerances: how far they may deviate from an even, straight stack.

    Raises:
        InputError: if they differ in size, orientation or spacing, if one is missing or duplicated, if their positions
            are missing or sheared, if a required attribute cannot be read, or if only some tell their scale.
    """
    if len({(frame.rows, frame.columns) for frame in frames}) > 1:
        sizes = sorted({f"{frame.columns} x {frame.rows}" for frame in frames})
        raise InputError(
            f"{name} has slices of different sizes ({', '.join(sizes)} pixels): export one volume as a series."
        )
    if broken := next((frame for frame in frames if frame.broken), None):
        raise InputError(
            f"{name} has an attribute that cannot be read ({broken.broken[0]} in {display_path(broken.file.name)}), "
            "so its voxels or their places are not known: export it again from the scanner."
        )
    placed = [frame for frame in frames if frame.position and frame.axes and frame.spacing]
    if len(placed) < len(frames) or not frames[0].rows or not frames[0].columns:
        raise InputError(f"{name} does not say where its slices lie: export it again from the scanner.")
    positions = np.array([frame.position for frame in frames])
    cosines = np.array([frame.axes for frame in frames])
    spacings = np.array([frame.spacing for frame in frames])
    row, column, normal = _axes(cosines[0], name)
    if np.abs(cosines - cosines[0]).max() > SAME_DIRECTION:
        raise InputError(
            f"{name} holds slices of different orientations (a localiser?): choose another series."
        )
    if spacings.min() <= 0 or np.ptp(spacings, axis=0).max() > SAME_SPACING * spacings.min():
        raise InputError(f"{name} has slices of different pixel spacings: export one volume as a series.")
    order = np.argsort(positions @ normal, kind="stable")
    ordered, positions = [frames[k] for k in order], positions[order]
    spacing = _slice_spacing(ordered, positions, normal, name, tolerances) if len(ordered) > 1 else 1.0
    _check_scale(frames, name)
    grid = Grid(
        size=(frames[0].columns, frames[0].rows, len(frames)),
        spacing=(float(spacings[0, 1]), float(spacings[0, 0]), spacing),
        origin=tuple(float(v) for v in positions[0]),  # type: ignore[arg-type]
        direction=tuple(float(v) for v in np.column_stack([row, column, normal]).ravel()),
    )
    return Stack(tuple(ordered), grid)


def _check_scale(frames: Sequence[Frame], name: str) -> None:
    """Refuse frames without a slope or an intercept among others that have one."""
    for keyword, what, neutral in (("RescaleSlope", "slope", 1.0), ("RescaleIntercept", "intercept", 0.0)):
        without = next((frame for frame in frames if getattr(frame, what) is None), None)
        if without and any(getattr(frame, what) not in (None, neutral) for frame in frames):
            raise InputError(
                f"{name} has slices whose values cannot be compared: {keyword} is missing in "
                f"{display_path(without.file.name)} and not in others; export it again from the scanner."
            )


def _axes(cosines: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors at right angles along a row, along a column, and across the slice."""
    cosines = np.where(np.abs(cosines) < 1e-12, 0.0, cosines)  # ITK cannot invert matrices with tiny elements
    row, column = cosines[:3], cosines[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if np.abs(np.subtract(lengths, 1)).max() > 0.01 or abs(row @ column) > 0.01:
        raise InputError(
            f"{name} has rows and columns that are not at right angles: export it again from the scanner."
        )
    row = row / lengths[0]
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return row, column, np.cross(row, column)


def _slice_spacing(
    frames: Sequence[Frame], positions: np.ndarray, normal: np.ndarray, name: str, tolerances: Tolerances
) -> float:
    """mm between the slices, which must be evenly spaced, aligned and without duplicates."""
    steps = np.diff(positions, axis=0)
    along = steps @ normal
    usual = float(np.median(along))
    most = tolerances.step * usual
    twice = along < max(most, 1e-3)
    if twice.any():
        raise InputError(
            f"{name} holds several images of the same slice ({_why_twice(frames, np.flatnonzero(twice))}): export "
            "a series with one image a slice."
        )
    uneven = np.abs(along - usual)
    if uneven.max() > most:
        where = int(np.argmax(uneven))
        raise InputError(
            f"{name} has a gap: slices {where + 1} and {where + 2} are {along[where]:.1f} mm apart, the "
            f"others {usual:.1f} mm; export it again with all slices."
        )
    total = positions[-1] - positions[0]
    mean = float(total @ normal) / (len(frames) - 1)
    if tolerances.place is not None:
        even = positions[0] + np.outer(np.arange(len(frames)) * mean, normal)
        if np.linalg.norm(positions - even, axis=1).max() > tolerances.place * mean:
            raise InputError(
                f"{name} has slices that are shifted against each other: resample it to an ordinary grid first."
            )
        return mean
    aside = np.linalg.norm(steps - np.outer(along, normal), axis=1).max()
    # Small sideways steps add up: the last slice, too, has to lie above the first.
    drift = np.linalg.norm(total - (total @ normal) * normal)
    if aside > most or drift > max(most, 0.01 * (total @ normal)):
        raise InputError(f"{name} is a sheared stack (gantry tilt): resample it to an ordinary grid first.")
    return mean


def _why_twice(frames: Sequence[Frame], places: np.ndarray) -> str:
    """Why there are several images at one position; `places`: indices of frames that share their position with the next one."""
    for label, unit, values in (
        ("echo times", " ms", {frame.echo_time for frame in frames}),
        ("time points", "", {frame.temporal_position for frame in frames}),
        ("kinds of images", "", {frame.image_type for frame in frames}),
    ):
        if len(values) > 1:
            shown = sorted(values, key=lambda text: (len(text), text))[:4]
            return f"{len(values)} {label}: {', '.join(text or 'none' for text in shown)}{unit}"
    one, other = frames[places[0]], frames[places[0] + 1]
    if one.file == other.file:
        return f"frames {one.index + 1} and {other.index + 1} of {one.file.name}"
    same = f"{len(places)} of them twice"
    if one.instance and one.instance == other.instance:
        same = "two different images of one SOPInstanceUID"
    parts = 1 if one.file.parent == other.file.parent else 2
    names = (display_path(Path(*file.parts[-parts:])) for file in (one.file, other.file))
    return f"{same}: {' and '.join(names)}"
