"""Brain that lies between the slices: gaps that the header tells of, and slices that are missing or empty."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...imaging.volume import Volume
from .acquired import Acquired
from .warning import QualityWarning

MOST_GAP = 0.2
"""Share of the brain that lies in gaps between slices. A choice: a fifth unseen is worth saying; gaps of a tenth or a
fifth of the thickness are usual."""

JUMP_FROM, JUMP_OF_LARGEST = 1.45, 1.22
"""A step between slices, in terms of the median and of the largest of the four beside it, from which one is taken to be
missing. They were at most 1.41 on 62 good pairs; on one with strong motion 1.66. A single thin slice is often missing
without such a jump."""

_ABSURD_MM = 100.0
_FROM = ("below", "the front", "the right")


def gap_share(volume: Volume) -> tuple[float, float, float] | None:
    """Slice thickness, distance of the slices (mm) and the share of the latter that no slice shows.

    The thickness is the DICOM attribute SliceThickness, or that of the same name in the JSON file beside a
    NIfTI file (BIDS). The distance is the volume's own, from where the slices lie: what scanners write as
    SpacingBetweenSlices is the mere gap on some, and along another axis on others. Returns None where the
    thickness is not known."""
    thickness = _from_dicom(volume) if volume.files else _from_sidecar(volume.path)
    if thickness is None or not 0 < thickness < _ABSURD_MM:
        return None
    distance = float(volume.image.GetSpacing()[2])
    return thickness, distance, max(0.0, 1.0 - thickness / distance)


def jump(image: Acquired) -> tuple[float, int] | None:
    """The largest step between neighbouring slices in terms of those beside it, and how many slices lie before
    it. Returns None if none is `JUMP_OF_LARGEST`. Slices are counted from below, from the front or from the
    right."""
    near, _ = image.distinct.steps
    ratios = np.full(len(near), np.nan)
    for k in range(2, len(near) - 2):
        beside = near[[k - 2, k - 1, k + 1, k + 2]]
        known = np.isfinite(near[k]) and np.isfinite(beside).all()
        if known and near[k] > JUMP_OF_LARGEST * beside.max() > 0:
            ratios[k] = near[k] / np.median(beside)
    if not np.isfinite(ratios).any():
        return None
    where = int(np.nanargmax(ratios))
    return float(ratios[where]), int(np.flatnonzero(image.own)[where + 1])


def empty_slices(image: Acquired) -> int:
    """Slices of one single value between slices that show something of the brain; a mask may reach beyond these."""
    values, brain = image.slices
    empty = np.array([np.ptp(plane) == 0 for plane in values])
    shown = np.flatnonzero(brain.any(axis=(1, 2)) & ~empty)
    return int(np.count_nonzero(empty[shown[0] : shown[-1]])) if len(shown) else 0


def check(image: Acquired) -> tuple[QualityWarning, ...]:
    """Warnings of gaps, of missing and of empty slices."""
    role, said = image.role, []
    known = gap_share(image.volume)
    if known is not None and known[2] > MOST_GAP:
        thickness, distance, share = known
        sentence = (
            f"The {role} has gaps: slices of {thickness:.1f} mm every {distance:.1f} mm leave {100 * share:.0f} % of the"
            " brain unseen, where lesions may hide"
        )
        measured = {"thickness_mm": thickness, "distance_mm": distance, "unseen": round(share, 3)}
        said.append(QualityWarning("slice gaps", sentence, {"image": role, **measured}))
    if empty := empty_slices(image):
        slices, are = ("slice", "is") if empty == 1 else ("slices", "are")
        sentence = f"{empty} {slices} of the {role} within the brain {are} empty: export the scan again"
        said.append(QualityWarning("empty slices", sentence, {"image": role, "slices": empty}))
        return tuple(said)  # they are jumps of their own
    found = jump(image)
    if found is not None and found[0] > JUMP_FROM:
        ratio, after = found
        sentence = (
            f"The {role} jumps after slice {after} from {_FROM[image.across]} ({ratio:.1f} times the step of the slices beside"
            " it): a slice may be missing, and then all beyond it lies in the wrong place; check the export"
        )
        measured = {"after_slice": after, "step_ratio": round(ratio, 2)}
        said.append(QualityWarning("missing slice", sentence, {"image": role, **measured}))
    return tuple(said)


def _from_dicom(volume: Volume) -> float | None:
    import pydicom

    try:
        header = pydicom.dcmread(volume.files[0], stop_before_pixels=True)
        for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
            for item in header.get(groups, ())[:1]:
                for measures in item.get("PixelMeasuresSequence", ())[:1]:
                    return _number(measures.get("SliceThickness"))
        return _number(header.get("SliceThickness"))
    except (OSError, pydicom.errors.InvalidDicomError, AttributeError, TypeError, ValueError, KeyError):
        return None


def _from_sidecar(path: Path | None) -> float | None:
    if path is None or not path.name.endswith((".nii", ".nii.gz")):
        return None
    try:
        text = path.with_name(path.name.split(".nii")[0] + ".json").read_text("utf-8")
        return _number(json.loads(text).get("SliceThickness"))
    except (OSError, ValueError, AttributeError, RecursionError):
        return None


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
