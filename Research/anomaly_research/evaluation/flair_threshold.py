"""The baseline that any claim must beat: bright FLAIR, thresholded within the brain (docs/method.md, "Baselines")."""

from __future__ import annotations

import numpy as np
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from scipy import ndimage

from .threshold_curves import ScanCurve, scan_curves
from .truth import ElementTruth, ScanTruth

BRIGHT, DARK = BASELINES = ("bright FLAIR", "dark FLAIR")

SMALLEST_ML = (0.03, 0.1, 0.2, 0.44)
"""Findings of fewer millilitres are dropped; up to the paper's median infarct, for a rule that drops more than that
finds most infarcts only as parts of something else. Which of these is used is chosen on the very cohort that is
evaluated, in the baselines' favour."""

THRESHOLDS = np.round(np.concatenate([np.arange(0.5, 4.0, 0.01), np.arange(4.0, 10.0, 0.05)]), 2)
"""Of brightness (or darkness) in scaled units: 0 is the 5th percentile of the brain and 1 the 95th, or 0 is fluid and 1 white
matter; on that scale fat and vessels at the brain's rim reach 5 and more, and the highest threshold must flag nothing."""

FEWEST_VOXELS = 4
"""Of `bright_findings`, on the model's grid."""


def baseline_scores(truth: ScanTruth, baseline: str) -> np.ndarray:
    """The score of every voxel, float32 on the model's grid: the scaled FLAIR, or of dark FLAIR 1 less it.

    NaN outside the brain.
    """
    if baseline not in BASELINES:
        raise ValueError(f"a baseline is one of {BASELINES}, not {baseline!r}")
    flair = truth.flair_image()
    return flair if baseline == BRIGHT else 1 - flair


def smallest_voxels(truth: ElementTruth, smallest_ml: float) -> int:
    """The fewest voxels that make a finding."""
    return max(1, int(np.ceil(smallest_ml / truth.element_ml - 1e-9)))


def baseline_curves(truth: ScanTruth, baseline: str) -> tuple[ScanCurve, ...]:
    """What thresholding finds in a scan at each of `THRESHOLDS`: one curve for each of `SMALLEST_ML`."""
    on_voxels = truth.on_voxels()
    smallest = [smallest_voxels(on_voxels, ml) for ml in SMALLEST_ML]
    return scan_curves(baseline_scores(truth, baseline), on_voxels, THRESHOLDS, smallest=smallest)


def components(mask: np.ndarray) -> np.ndarray:
    """Number the connected components (26 neighbours) of a bool mask: int32, 0 outside."""
    return ndimage.label(mask, np.ones((3, 3, 3)))[0].astype(np.int32)


def bright_findings(study: PreparedStudy, flagged_voxels: int) -> np.ndarray:
    """Numbered components of the brightest FLAIR voxels of the brain: int32 on the model's grid.

    Those of fewer than `FEWEST_VOXELS` are removed.

    Args:
        flagged_voxels: how many voxels to flag before that: as many as a model, to compare with it.
    """
    if flagged_voxels <= 0:
        return np.zeros(study.brain.shape, np.int32)
    inside = np.sort(study.flair[study.brain])
    threshold = inside[-min(flagged_voxels, inside.size)]
    labels = components((study.flair >= threshold) & study.brain)
    small = np.bincount(labels.ravel()) < FEWEST_VOXELS
    return components(~small[labels] & (labels > 0))
