"""One simulated subject: a host scan with infarcts and confounders in it, and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.nifti import NiftiScan
from scipy import ndimage

from . import artefacts, confounders
from .host import Host
from .lesions import InfarctPlan, LesionRecord
from .painting import Canvas
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

HYPERINTENSITY, PERIVASCULAR_SPACE, SULCUS, ARTEFACT = 1, 2, 3, 4

#: A voxel is labelled that a confounder fills by so much: less is hardly seen, but half would leave most
#: perivascular spaces of a thick slice out.
CONFOUNDED_FROM = 0.2

#: Gliosis on FLAIR, in terms of white matter: 30 % of spread in each relaxation time would make some of it
#: as bright as fresh infarcts.
_BRIGHTEST = 2.1


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
        confounders: uint8 on the FLAIR's grid, values as of `imaging.bids.CONFOUNDERS`; 0 in infarcts.
        lesions: the infarcts, by number.
        shapes: where each infarct's shape comes from: "noise", or the name of a mask.
        left_out: plans that the brain had no room for.
    """

    t1: NiftiScan
    flair: NiftiScan
    infarcts: np.ndarray
    confounders: np.ndarray
    lesions: tuple[LesionRecord, ...]
    shapes: tuple[str, ...]
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
    canvas = Canvas(host, noise)
    flair_grid = host.flair.scan.grid
    labels = np.zeros(flair_grid.shape, np.uint8)
    labels[host.known] = host.known_class
    _confound(host, confounding, taken, canvas, labels, others)
    infarcts = np.zeros(flair_grid.shape, np.uint16)
    records: list[LesionRecord] = []
    sources: list[str] = []
    for plan_number in sorted(placed):
        infarct = placed[plan_number]
        number = len(records) + 1
        rim = _gliosis(GLIOTIC_RIM, disease)
        cavity = vary_lesion(OLD_CAVITY, WHITE_MATTER, GREY_MATTER, disease)
        inside = infarct.weight * infarct.cavity
        canvas.paint(infarct.grid, [(cavity, inside), (rim, infarct.weight - inside)])
        projection = Projection(infarct.grid, flair_grid, np.eye(4))
        voxels = 0
        if projection.window is not None:
            box = projection.window.box
            filled = projection.fractions(infarct.mask.astype(np.float32))
            chosen = most_filled(filled, infarct.volume_ml / flair_grid.voxel_ml)
            infarcts[box][chosen] = number
            voxels = int(chosen.sum())
        records.append(_record(number, infarct, voxels * flair_grid.voxel_ml))
        sources.append(infarct.shape)
    t1, flair = canvas.scans()
    if confounding.artefact:
        t1, flair, noticeable = _spoil(host, t1, flair, confounding, spoiling)
        labels[noticeable & (labels == 0) & host.mask] = ARTEFACT
    labels[infarcts > 0] = 0
    return Subject(
        t1=t1,
        flair=flair,
        infarcts=infarcts,
        confounders=labels,
        lesions=tuple(records),
        shapes=tuple(sources),
        left_out=tuple(plan for k, plan in enumerate(plans) if k not in placed),
    )


def _place(
    host: Host, plans: tuple[InfarctPlan, ...], shapes: tuple[Path, ...], rng: np.random.Generator
) -> tuple[dict[int, PlacedInfarct], np.ndarray]:
    """The infarcts by the number of their plan, and where no other lesion may be now."""
    taken = host.avoid | ~host.brain.mask
    made: dict[int, PlacedInfarct] = {}
    for k in sorted(range(len(plans)), key=lambda k: -plans[k].volume_ml):
        use = shapes if rng.random() < 0.5 else ()
        infarct = place_infarct(host.brain, plans[k], taken, use, rng)
        if infarct is None:
            continue
        made[k] = infarct
        near = taken_by(infarct, host.brain.grid)
        if near is not None:
            taken[near[0]] |= near[1]
    return made, taken


def _confound(
    host: Host,
    confounding: Confounding,
    taken: np.ndarray,
    canvas: Canvas,
    labels: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Paint hyperintensities, perivascular spaces and sulci, and label them."""
    brain, used = host.brain, taken.copy()

    def put(mask: np.ndarray, tissue: Tissue, soft_mm: float, label: int) -> None:
        box = _box(mask, 4)
        if box is None:
            return
        used[box] |= mask[box]
        x, y, z = (brain.grid.origin[a] + box[2 - a].start * brain.grid.spacing[a] for a in range(3))
        size = tuple(b.stop - b.start for b in reversed(box))
        grid = Grid((size[0], size[1], size[2]), brain.grid.spacing, (x, y, z), brain.grid.direction)
        shape = mask[box].astype(np.float32)
        weight = _softened(shape, soft_mm, grid) * brain.mask[box]
        canvas.paint(grid, [(tissue, weight)])
        projection = Projection(grid, host.flair.scan.grid, np.eye(4))
        if projection.window is not None:
            filled = projection.fractions(shape)
            inner = labels[projection.window.box]
            inner[(filled >= CONFOUNDED_FROM) & (inner == 0)] = label

    if confounding.wmh_ml > 0:
        foci = int(rng.integers(2, 12))
        mask = confounders.white_matter_hyperintensities(brain, confounding.wmh_ml, foci, used, rng)
        tissue = _gliosis(WHITE_MATTER_HYPERINTENSITY, rng)
        put(mask & ~used, tissue, 0.7, HYPERINTENSITY)
    if confounding.perivascular:
        mask = confounders.perivascular_spaces(brain, confounding.perivascular, used, rng)
        put(mask & ~used, vary(CSF, rng, 0.05), 0.4, PERIVASCULAR_SPACE)
    if confounding.sulci:
        mask = confounders.widened_sulci(brain, confounding.sulci, used, rng)
        put(mask & ~used, vary(CSF, rng, 0.05), 0.5, SULCUS)


def _spoil(
    host: Host, t1: NiftiScan, flair: NiftiScan, confounding: Confounding, rng: np.random.Generator
) -> tuple[NiftiScan, NiftiScan, np.ndarray]:
    """T1 and FLAIR, one of them with an artefact, and where on the FLAIR's grid that is noticeable."""
    channel = confounding.artefact_in
    scan, image = (flair, host.flair) if channel else (t1, host.t1)
    white = host.levels.white[channel]
    spoiled = artefacts.spoil(scan.values, scan.grid, confounding.artefact, image.noise.sd, white, rng)
    changed = scan.with_values(spoiled.values, spoiled.slab)
    if channel:
        return t1, changed, spoiled.noticeable
    to_t1 = sitk.AffineTransform(3)
    to_t1.SetMatrix(image.from_flair[:3, :3].ravel().tolist())
    to_t1.SetTranslation(image.from_flair[:3, 3].tolist())
    there = sitk.Resample(
        scan.grid.image(spoiled.noticeable.astype(np.uint8)),
        flair.grid.empty_image(),
        to_t1,
        sitk.sitkNearestNeighbor,
    )
    return changed, flair, sitk.GetArrayFromImage(there) > 0


def _gliosis(design: Tissue, rng: np.random.Generator) -> Tissue:
    """One lesion's gliosis, not brighter than old lesions are."""
    while True:
        drawn = vary_lesion(design, WHITE_MATTER, GREY_MATTER, rng)
        if flair_signal(drawn) <= _BRIGHTEST * flair_signal(WHITE_MATTER):
            return drawn


def _box(mask: np.ndarray, margin: int) -> tuple[slice, slice, slice] | None:
    """The box round what is true, with a margin."""
    if not mask.any():
        return None
    lines = [np.flatnonzero(mask.any(tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    z, y, x = (
        slice(max(0, int(line[0]) - margin), min(n, int(line[-1]) + margin + 1))
        for line, n in zip(lines, mask.shape, strict=True)
    )
    return z, y, x


def _softened(shape: np.ndarray, soft_mm: float, grid: Grid) -> np.ndarray:
    return ndimage.gaussian_filter(shape, [soft_mm / s for s in grid.spacing[::-1]])


def _record(number: int, infarct: PlacedInfarct, voxel_volume_ml: float) -> LesionRecord:
    return LesionRecord(
        number=number,
        kind=infarct.plan.kind,
        region=infarct.region,
        side=infarct.side,
        cavitated=infarct.plan.cavitated,
        volume_ml=infarct.volume_ml,
        voxel_volume_ml=voxel_volume_ml,
        centroid_ras=infarct.centroid_ras,
    )
