"""One simulated subject: a host scan with infarcts and confounders in it, and the truth about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.nifti import NiftiScan
from scipy import ndimage

from . import artefacts, confounders
from .confounders import ARTEFACT, HYPERINTENSITY, PERIVASCULAR_SPACE, SULCUS
from .host import Host
from .lesions import InfarctPlan, LesionRecord
from .painting import Sheet
from .placing import PlacedInfarct, place_infarct, taken_by
from .rendering import Projection, most_filled
from .signals import (
    CSF,
    GLIOTIC_RIM,
    GREY_MATTER,
    OLD_CAVITY,
    WHITE_MATTER,
    WHITE_MATTER_HYPERINTENSITY,
    Tissue,
    vary,
    vary_lesion,
)
from .signals import flair as flair_signal

#: A voxel is labelled that a confounder fills by so much: less is hardly seen, but half would leave most
#: perivascular spaces of a thick slice out.
CONFOUNDED_FROM = 0.2

#: Gliosis on FLAIR, in terms of white matter: 30 % of spread in each relaxation time would make some of it
#: as bright as fresh infarcts.
_BRIGHTEST = 2.1

Paint = Callable[[Grid, list[tuple[Tissue, np.ndarray]]], None]


@dataclass(frozen=True)
class Confounding:
    """What else a subject gets, besides infarcts.

    Attributes:
        wmh_ml: of hyperintensities round the ventricles; as many ml, a few foci.
        perivascular: enlarged perivascular spaces.
        sulci: patches of widened sulci.
        artefact: one of `artefacts.KINDS`, or "".
        artefact_in: 0 T1, 1 FLAIR.
    """

    wmh_ml: float = 0.0
    perivascular: int = 0
    sulci: int = 0
    artefact: str = ""
    artefact_in: int = 1


@dataclass(frozen=True)
class Subject:
    """A scan whose infarcts are known.

    Attributes:
        t1, flair: on the host's grids, with its headers and voxel types.
        infarcts: uint16 on the FLAIR's grid, number of the infarct: the voxels it fills most, as many as its
            volume is worth (see `rendering.most_filled`).
        confounders: uint8 on the FLAIR's grid, values as of `truth_files.CONFOUNDERS`; 0 in infarcts.
        lesions: the infarcts, by number.
        confounding: what else it was given.
        left_out: plans that the brain had no room for.
    """

    t1: NiftiScan
    flair: NiftiScan
    infarcts: np.ndarray
    confounders: np.ndarray
    lesions: tuple[LesionRecord, ...]
    confounding: Confounding
    left_out: tuple[InfarctPlan, ...]


def random_confounding(
    rng: np.random.Generator, wmh: float, perivascular: float, sulci: float, artefact: float
) -> Confounding:
    """Draw what a subject gets; the arguments are the shares of subjects that get each."""
    chance = rng.random(4)
    return Confounding(
        wmh_ml=float(np.exp(rng.normal(np.log(3.0), 0.8))) if chance[0] < wmh else 0.0,
        perivascular=int(rng.integers(4, 16)) if chance[1] < perivascular else 0,
        sulci=int(rng.integers(1, 5)) if chance[2] < sulci else 0,
        artefact=str(rng.choice(artefacts.KINDS)) if chance[3] < artefact else "",
        artefact_in=int(rng.random() < 0.6),
    )


def make_subject(
    host: Host,
    plans: tuple[InfarctPlan, ...],
    confounding: Confounding,
    shapes: tuple[Path, ...],
    seed: np.random.SeedSequence,
) -> Subject:
    """Put infarcts and confounders into a host.

    Args:
        plans: numbered in this order; placed largest first, so that the large ones find room.
        shapes: lesion masks in MNI space; half of the infarcts take their shape from one, if one suits.
        seed: everything random comes from it.
    """
    # A stream for each part, so that a change to one leaves the others as they were.
    disease, others, noise, spoiling = (np.random.default_rng(s) for s in seed.spawn(4))
    placed, taken = _place(host, plans, shapes, disease)
    sheets = Sheet(host, host.t1), Sheet(host, host.flair)

    def paint(grid: Grid, layers: list[tuple[Tissue, np.ndarray]]) -> None:
        for sheet in sheets:
            sheet.paint(grid, layers, noise)

    flair_grid = host.flair.scan.grid
    labels = np.where(host.known, host.known_class, 0).astype(np.uint8)
    _confound(host, confounding, taken, paint, labels, others)
    infarcts = np.zeros(flair_grid.shape, np.uint16)
    records: list[LesionRecord] = []
    for number, plan_number in enumerate(sorted(placed), start=1):
        infarct = placed[plan_number]
        rim = _gliosis(GLIOTIC_RIM, disease)
        cavity = vary_lesion(OLD_CAVITY, WHITE_MATTER, GREY_MATTER, disease)
        inside = infarct.weight * infarct.cavity
        paint(infarct.grid, [(cavity, inside), (rim, infarct.weight - inside)])
        projection = Projection(infarct.grid, flair_grid, np.eye(4))
        filled = projection.fractions(infarct.mask.astype(np.float32))
        chosen = most_filled(filled, infarct.record.volume_ml / flair_grid.voxel_ml)
        infarcts[projection.box][chosen] = number
        voxels_ml = int(chosen.sum()) * flair_grid.voxel_ml
        records.append(replace(infarct.record, number=number, voxel_volume_ml=voxels_ml))
    t1, flair = (sheet.scan() for sheet in sheets)
    if confounding.artefact:
        t1, flair, noticeable = _spoil(host, t1, flair, confounding, spoiling)
        labels[noticeable & (labels == 0) & host.mask] = ARTEFACT
    labels[infarcts > 0] = 0
    left_out = tuple(plan for k, plan in enumerate(plans) if k not in placed)
    return Subject(t1, flair, infarcts, labels, tuple(records), confounding, left_out)


def _place(
    host: Host, plans: tuple[InfarctPlan, ...], shapes: tuple[Path, ...], rng: np.random.Generator
) -> tuple[dict[int, PlacedInfarct], np.ndarray]:
    """The infarcts by the number of their plan, and where no other lesion may be now."""
    taken = host.avoid | ~host.brain.mask
    made: dict[int, PlacedInfarct] = {}
    for k in sorted(range(len(plans)), key=lambda k: -plans[k].volume_ml):
        use = shapes if rng.random() < 0.5 else ()
        infarct = place_infarct(host.brain, plans[k], taken, use, rng)
        if infarct is not None:
            made[k] = infarct
            box, near = taken_by(infarct, host.brain.grid)
            taken[box] |= near
    return made, taken


def _confound(
    host: Host,
    confounding: Confounding,
    taken: np.ndarray,
    paint: Paint,
    labels: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Paint hyperintensities, perivascular spaces and sulci, and label them."""
    brain, used = host.brain, taken.copy()

    def put(mask: np.ndarray, tissue: Tissue, soft_mm: float, label: int) -> None:
        mask = mask & ~used
        for tight in ndimage.find_objects(mask.astype(np.uint8)):  # one, or none
            z, y, x = (
                slice(max(0, b.start - 4), min(n, b.stop + 4)) for b, n in zip(tight, mask.shape, strict=True)
            )
            used[z, y, x] |= mask[z, y, x]
            left, posterior, bottom = (
                o + b.start * s
                for o, b, s in zip(brain.grid.origin, (x, y, z), brain.grid.spacing, strict=True)
            )
            shape = mask[z, y, x].astype(np.float32)
            grid = Grid(
                shape.shape[::-1], brain.grid.spacing, (left, posterior, bottom), brain.grid.direction
            )
            soft = ndimage.gaussian_filter(shape, [soft_mm / s for s in grid.spacing[::-1]])
            paint(grid, [(tissue, soft * brain.mask[z, y, x])])
            projection = Projection(grid, host.flair.scan.grid, np.eye(4))
            inner = labels[projection.box]
            inner[(projection.fractions(shape) >= CONFOUNDED_FROM) & (inner == 0)] = label

    if confounding.wmh_ml > 0:
        foci = int(rng.integers(2, 12))
        mask = confounders.white_matter_hyperintensities(brain, confounding.wmh_ml, foci, used, rng)
        put(mask, _gliosis(WHITE_MATTER_HYPERINTENSITY, rng), 0.7, HYPERINTENSITY)
    if confounding.perivascular:
        mask = confounders.perivascular_spaces(brain, confounding.perivascular, used, rng)
        put(mask, vary(CSF, rng, 0.05), 0.4, PERIVASCULAR_SPACE)
    if confounding.sulci:
        mask = confounders.widened_sulci(brain, confounding.sulci, used, rng)
        put(mask, vary(CSF, rng, 0.05), 0.5, SULCUS)


def _spoil(
    host: Host, t1: NiftiScan, flair: NiftiScan, confounding: Confounding, rng: np.random.Generator
) -> tuple[NiftiScan, NiftiScan, np.ndarray]:
    """T1 and FLAIR, one of them with an artefact, and where on the FLAIR's grid that is noticeable."""
    channel = confounding.artefact_in
    scan, image = (flair, host.flair) if channel else (t1, host.t1)
    values, slab, noticeable = artefacts.spoil(
        scan.values, scan.grid, confounding.artefact, image.noise.sd, host.levels.white[channel], rng
    )
    changed = scan.with_values(values, slab)
    if channel:
        return t1, changed, noticeable
    to_t1 = sitk.AffineTransform(3)
    to_t1.SetMatrix(image.from_flair[:3, :3].ravel().tolist())
    to_t1.SetTranslation(image.from_flair[:3, 3].tolist())
    marked = scan.grid.image(noticeable.astype(np.uint8))
    there = sitk.Resample(marked, flair.grid.empty_image(), to_t1, sitk.sitkNearestNeighbor)
    return changed, flair, sitk.GetArrayFromImage(there) > 0


def _gliosis(design: Tissue, rng: np.random.Generator) -> Tissue:
    """One lesion's gliosis, not brighter than old lesions are."""
    while True:
        drawn = vary_lesion(design, WHITE_MATTER, GREY_MATTER, rng)
        if flair_signal(drawn) <= _BRIGHTEST * flair_signal(WHITE_MATTER):
            return drawn
