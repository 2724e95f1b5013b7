"""Prepare and score normal scans, for the false-positive curve and the calibration to a scanner."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..detection.detector import back_projected, lattice_scores
from ..detection.lattice import paint_cells
from ..detection.patches import PatchLattice
from ..grid import Grid
from ..imaging.preparation_settings import PreparationSettings
from ..imaging.prepared import Alignment, IntensityScale, PreparedStudy
from ..model.model_file import AnyModel
from .count_false_positives import NormalScan
from .near_tumour import near_tumour
from .scan_file import TrainingScan


def score_normal_scan(
    scan: TrainingScan, model: AnyModel, preparation: PreparationSettings, device: str = "cpu"
) -> NormalScan:
    """Score a scan as detection would. `preparation`: how the scan was prepared. Raises InputError where its
    brain holds no patch."""
    study = study_of(scan, preparation)
    lattice, rows = lattice_scores(study, model, (model.scoring.percentile,), device=device)
    scores, _ = back_projected(rows[0], lattice, study, model, model.scoring)
    return NormalScan(scan.name, scores, lesion_patches(scan, lattice))


def lesion_patches(scan: TrainingScan, lattice: PatchLattice) -> np.ndarray:
    """bool of the lattice's shape: the patches whose cell holds a voxel of the scan's lesion mask or lies right beside one.

    Bright clusters that were kept out of training beside it do not count: normal scans of older people have them, and
    what is found there has to be told. Round a tumour nothing is known within 10 mm and one slice.
    """
    known = near_tumour(scan.lesion) if scan.lesion_class == "tumour" else scan.lesion
    known = ndimage.binary_dilation(known, np.ones((1, 3, 3), bool))
    cells = np.zeros(int(np.prod(lattice.shape)) + 1, bool)
    numbers = np.arange(1, len(cells), dtype=np.int32).reshape(lattice.shape)
    cells[paint_cells(numbers, lattice.first, lattice.stride, scan.brain.shape)[known]] = True  # type: ignore[arg-type]
    return cells[1:].reshape(lattice.shape)


def study_of(scan: TrainingScan, preparation: PreparationSettings) -> PreparedStudy:
    """A scan of the file as the study that detection takes, on the grid that the preparation aims at.

    Where it lies in the scanner was not kept, and no score depends on it.
    """
    slices, rows, columns = scan.t1.shape
    spacing = (preparation.in_plane_mm, preparation.in_plane_mm, scan.slice_mm)
    grid = Grid((columns, rows, slices), spacing, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    scale, identity = IntensityScale(0.0, 1.0), tuple(np.eye(4).ravel().tolist())
    return PreparedStudy(
        t1=scan.t1,
        flair=scan.flair,
        brain=scan.brain,
        grid=grid,
        flair_grid=grid,
        flair_brain=scan.brain,
        t1_scale=scale,
        flair_scale=scale,
        alignment=Alignment(False, 0.0, 0.0, identity),
    )
