"""A simulated patient with chronic infarcts: T1, FLAIR and truth on the paper's grid.

Everything is drawn from one seed: the person, the tissues, the infarcts, the scanner's unevenness and noise.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.write_image import write_image
from scipy import ndimage

from . import confounders, scanner
from .lesions import Infarct, InfarctPlan, LesionRecord, make_infarct, record_of
from .rendering import POINT_SPREAD, Box
from .signals import EQUATIONS, GLIOTIC_RIM, OLD_CAVITY, WHITE_MATTER_HYPERINTENSITY, Tissue, vary_lesion
from .simulated_brain import Brain, grid_along_lps, individual_brain
from .surrounding_tissues import SurroundingTissues, healthy_signals, surround

# The paper's grid. In the plane the head is cut out of the 230 mm field of view.
_COLUMNS, _ROWS, SLICES = 200, 244, 38
IN_PLANE_MM, SLICE_MM = 0.9, 4.0
# Signals are computed on layers this many times thinner than a slice.
LAYERS = 5
_BOTTOM_MM = -68.0

# The built-in sample: all four kinds, from 0.05 to 14 ml.
DEFAULT_INFARCTS = (
    InfarctPlan("cortical", 14.0),
    InfarctPlan("large subcortical", 5.0),
    InfarctPlan("cortical", 3.0),
    InfarctPlan("infratentorial", 1.6),
    InfarctPlan("cortical", 1.2, cavitated=False),
    InfarctPlan("lacunar", 0.45),
    InfarctPlan("lacunar", 0.25, cavitated=False),
    InfarctPlan("infratentorial", 0.2),
    InfarctPlan("lacunar", 0.12),
    InfarctPlan("lacunar", 0.05),
)


@dataclass(frozen=True)
class SimulatedPatient:
    """A scan whose every lesion is known; all images on one grid (axes along L, P, S)."""

    t1: sitk.Image  # int16
    flair: sitk.Image  # int16
    # uint16; a voxel is labelled with the number of the infarct that fills at least half of it (an infarct
    # that fills half of no voxel gets the voxel it fills most)
    truth: sitk.Image
    wmh: sitk.Image  # uint8, `confounders.HYPERINTENSITY` or `PERIVASCULAR_SPACE`, by the same rule
    brain: sitk.Image  # uint8, 1 in the brain including the CSF in its sulci and ventricles
    lesions: tuple[LesionRecord, ...]  # the infarcts, by number
    seed: int  # what they were drawn from


def simulate_patient(seed: int) -> SimulatedPatient:
    """Draw a person of about sixty, give them infarcts, and scan them; the same seed gives the same voxels.

    An InputError without nilearn, which ships the anatomy; a ValueError if an infarct does not fit in.
    """
    # A stream for each part, so that a change to one leaves the others as they were.
    person, disease, physics = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    brain = individual_brain(_fine_grid(), person)
    head = surround(brain, person)

    made, taken = _make_infarcts(brain, disease)
    wmh = confounders.white_matter_hyperintensities(brain, 4.0, 14, taken, disease)
    spaces = confounders.perivascular_spaces(brain, 6, taken | wmh, disease)
    signals = _signals(brain, head, made, wmh, spaces, disease)

    coarse = _scan_grid()
    body = scanner.slice_profile((head.depth_mm < 4).astype(np.float32), LAYERS) > 0.02

    def see(signal: np.ndarray, uneven: np.ndarray) -> np.ndarray:
        slices = scanner.slice_profile(signal, LAYERS)
        return ndimage.gaussian_filter(slices * uneven, (0, POINT_SPREAD, POINT_SPREAD))

    images = scanner.acquire(signals, see, body, coarse, 1.0, physics)
    truth = np.zeros(coarse.shape, np.uint16)
    for number, infarct in enumerate(made, 1):
        mask = np.zeros(brain.mask.shape, bool)
        mask[infarct.box] = infarct.mask
        filled = scanner.occupancy(mask, LAYERS)
        truth[filled >= min(0.5, filled.max())] = number
    records = tuple(
        record_of(infarct, brain, number, float((truth == number).sum() * coarse.voxel_ml))
        for number, infarct in enumerate(made, 1)
    )
    confounding = np.zeros(coarse.shape, np.uint8)
    confounding[scanner.occupancy(wmh, LAYERS) >= 0.5] = confounders.HYPERINTENSITY
    confounding[scanner.occupancy(spaces, LAYERS) >= 0.5] = confounders.PERIVASCULAR_SPACE
    confounding[truth > 0] = 0
    inside = (scanner.occupancy(brain.mask, LAYERS) >= 0.5).astype(np.uint8)
    labels, wmh_image, brain_image = (coarse.image(values) for values in (truth, confounding, inside))
    return SimulatedPatient(images["t1"], images["flair"], labels, wmh_image, brain_image, records, seed)


def write_patient(patient: SimulatedPatient, folder: Path) -> None:
    """Write t1.nii.gz, flair.nii.gz, truth.nii.gz, wmh.nii.gz and lesions.csv into an existing folder."""
    for name in ("t1", "flair", "truth", "wmh"):
        write_image(getattr(patient, name), folder / f"{name}.nii.gz")
    with (folder / "lesions.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [{"number": str(lesion.number), **lesion.columns()} for lesion in patient.lesions]
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _scan_grid() -> Grid:
    """The paper's grid, its origin near the anterior commissure."""
    origin = (-IN_PLANE_MM * (_COLUMNS - 1) / 2, -96.0, _BOTTOM_MM + SLICE_MM / 2)
    return grid_along_lps(origin, (_COLUMNS, _ROWS, SLICES), (IN_PLANE_MM, IN_PLANE_MM, SLICE_MM))


def _fine_grid() -> Grid:
    """The scan's grid in thin layers, with one slice more at either end for the slice profile."""
    scan = _scan_grid()
    layer = SLICE_MM / LAYERS
    bottom = scan.origin[2] - 1.5 * SLICE_MM + layer / 2
    size = (*scan.size[:2], LAYERS * (SLICES + 2))
    return grid_along_lps((*scan.origin[:2], bottom), size, (*scan.spacing[:2], layer))


def _make_infarcts(brain: Brain, rng: np.random.Generator) -> tuple[list[Infarct], np.ndarray]:
    """`DEFAULT_INFARCTS` in their order, and where they are; the largest look for a place first."""
    # The extra slices at either end are not in the scan: nothing may lie there.
    taken = np.zeros(brain.mask.shape, bool)
    taken[: 2 * LAYERS] = taken[-2 * LAYERS :] = True
    made: dict[int, Infarct] = {}
    for k, plan in sorted(enumerate(DEFAULT_INFARCTS), key=lambda numbered: -numbered[1].volume_ml):
        made[k] = make_infarct(brain, plan, taken, rng)
        taken[made[k].box] |= made[k].mask
    return [made[k] for k in sorted(made)], taken


def _signals(
    brain: Brain,
    head: SurroundingTissues,
    infarcts: list[Infarct],
    wmh: np.ndarray,
    spaces: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """T1 and FLAIR signals in thin layers, relative to this person's white matter."""
    signals, (white, grey, fluid) = healthy_signals(brain, head, rng)
    spacing = brain.grid.spacing[::-1]

    def paint(box: Box, weight: np.ndarray, mixture: list[tuple[Tissue, np.ndarray | float]]) -> None:
        for name, equation in EQUATIONS.items():
            level = sum(np.float32(equation(t) / equation(white)) * share for t, share in mixture)
            signals[name][box] += weight * (level - signals[name][box])

    everywhere = (slice(None),) * 3
    soft = ndimage.gaussian_filter(wmh.astype(np.float32), [0.7 / s for s in spacing])
    paint(everywhere, 0.9 * soft, [(vary_lesion(WHITE_MATTER_HYPERINTENSITY, white, grey, rng), 1.0)])
    tubes = ndimage.gaussian_filter(spaces.astype(np.float32), [0.4 / s for s in spacing])
    paint(everywhere, tubes, [(fluid, 1.0)])
    for infarct in infarcts:
        rim, cavity = (vary_lesion(design, white, grey, rng) for design in (GLIOTIC_RIM, OLD_CAVITY))
        weight = infarct.weight * brain.mask[infarct.box]
        paint(infarct.box, weight, [(cavity, infarct.cavity), (rim, 1 - infarct.cavity)])
    return signals
