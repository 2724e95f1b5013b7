"""Segment the parts of the brain in the images themselves.

By a small network trained on simulated images alone (see `training.anatomy_simulation`). If its file is missing,
detection works without it and describes less; only statistics by tissue require it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import scipy

from ..imaging.intensity import percentile_scaled
from ..imaging.prepared import PreparedStudy

if TYPE_CHECKING:
    from ..model.anatomy_network import AnatomyModel


class AnatomyLabel(IntEnum):
    """The parts of the brain that are segmented; the values of an anatomy image."""

    OUTSIDE = 0
    CSF = 1  # of sulci and cisterns
    VENTRICLES = 2  # all four, with the choroid plexus
    CORTEX = 3  # with hippocampus and amygdala
    WHITE_MATTER = 4  # of the cerebrum
    DEEP_GREY = 5  # caudate, putamen, pallidum, accumbens and thalamus
    CEREBELLUM = 6  # its cortex and its white matter
    BRAIN_STEM = 7  # midbrain with the ventral diencephalon, pons, medulla


LEAST_PIECE_ML = 0.3
"""Smaller pieces of structures that are large in every brain get the network's second most likely label."""
_IN_ONE_PIECE = (
    AnatomyLabel.VENTRICLES,
    AnatomyLabel.DEEP_GREY,
    AnatomyLabel.CEREBELLUM,
    AnatomyLabel.BRAIN_STEM,
)


def segment_anatomy(
    study: PreparedStudy, device: str = "cpu", model: AnatomyModel | None = None
) -> np.ndarray:
    """The part of the brain that each voxel belongs to.

    Returns uint8 (slices, rows, columns) on `study.grid`, values of `AnatomyLabel`; OUTSIDE beyond the brain
    mask, and within it where the mask holds what is no brain. Raises InputError where the network's file is
    missing or damaged.

    `study`: prepared, with either scaling. `model`: None: the one that ships with the program."""
    from ..model.anatomy_network import anatomy_model, class_scores

    model, study = model or anatomy_model(), percentile_scaled(study)
    scores = class_scores(model, study.t1, study.flair, study.brain, study.grid.spacing[2], device)
    labels = scores.argmax(axis=0).astype(np.uint8)
    labels[~study.brain] = AnatomyLabel.OUTSIDE
    islands = True
    # Relabelled voxels may form small pieces of another part; a label is never restored, so this ends.
    while islands:
        islands = False
        for part in _IN_ONE_PIECE:
            island = _islands(labels == part, study.grid.voxel_ml)
            scores[part][island] = -np.inf
            labels[island] = scores[:, island].argmax(axis=0)
            islands |= bool(island.any())
    return labels


def _islands(mask: np.ndarray, voxel_ml: float) -> np.ndarray:
    """The small pieces of a mask: a hole in the white matter is no ventricle."""
    pieces, _ = scipy.ndimage.label(mask, np.ones((3, 3, 3), bool))
    small = np.bincount(pieces.ravel()) * voxel_ml < LEAST_PIECE_ML
    small[0] = False
    return small[pieces]
