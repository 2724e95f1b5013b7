"""One simulated subject: a host scan with infarcts and confounders in it, and the truth about them.

Lesions are blended into the voxels of the scan at its own contrast, bias field, resolution and noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.nifti import NiftiScan
from scipy import ndimage

from . import artefacts, confounders, signals
from .host import Host, HostImage
from .lesions import InfarctPlan, LesionRecord
from .placing import PlacedInfarct, place_infarct, taken_by
from .rendering import Projection, most_filled, shape_of, widened
from .signals import Tissue
from .simulated_brain import grid_along_lps

#: A voxel that a lesion fills less than this is left as it is, to the last bit.
LEAST_FILLED = 0.01

#: A voxel is labelled that a confounder fills by so much: less is hardly seen, but half would leave most
#: perivascular spaces of a thick slice out.
CONFOUNDED_FROM = 0.2

#: Gliosis on FLAIR, in terms of white matter: 30 % of spread in each relaxation time would make some of it
#: as bright as fresh infarcts.
_BRIGHTEST = 2.1

Layers = list[tuple[Tissue, np.ndarray]]
"""Of each tissue the fraction of every voxel, float32 on a grid in FLAIR space; together at most 1."""

Paint = Callable[[Grid, Layers], None]


@dataclass(frozen=True)
class Confounding:
    """What else a subject gets, besides infarcts."""

    wmh_ml: float = 0.0  # of hyperintensities round the ventricles, to which come a few foci
    perivascular: int = 0  # enlarged perivascular spaces
    sulci: int = 0  # patches of widened sulci
    artefact: str = ""  # one of `artefacts.KINDS`, or ""
    artefact_in: int = 1  # 0 T1, 1 FLAIR


@dataclass(frozen=True)
class Subject:
    """A scan whose infarcts are known; T1 and FLAIR on the host's grids, with its headers and voxel types."""

    t1: NiftiScan
    flair: NiftiScan
    # uint16 on the FLAIR's grid, number of the infarct: the voxels it fills most, as `rendering.most_filled`
    infarcts: np.ndarray
    # uint8 on the FLAIR's grid, values as of `truth_files.CONFOUNDERS`; 0 in infarcts
    confounders: np.ndarray
    lesions: tuple[LesionRecord, ...]  # the infarcts, by number
    confounding: Confounding  # what else it was given
    left_out: tuple[InfarctPlan, ...]  # that the brain had no room for


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
    """Put infarcts and confounders into a host; everything random comes from the seed.

    Args:
        plans: numbered in this order; placed largest first, so that the large ones find room.
        shapes: lesion masks in MNI space; half of the infarcts take their shape from one, if one suits.
    """
    # A stream for each part, so that a change to one leaves the others as they were.
    disease, others, noise, spoiling = (np.random.default_rng(s) for s in seed.spawn(4))
    placed, taken = _place(host, plans, shapes, disease)
    sheets = [_Sheet(host, image, noise) for image in (host.t1, host.flair)]

    def paint(grid: Grid, layers: Layers) -> None:
        for sheet in sheets:
            sheet.paint(grid, layers)

    flair_grid = host.flair.scan.grid
    labels = np.where(host.known, host.known_class, 0).astype(np.uint8)
    _confound(host, confounding, taken, paint, labels, others)
    infarcts = np.zeros(flair_grid.shape, np.uint16)
    records: list[LesionRecord] = []
    for number, (_, infarct) in enumerate(sorted(placed.items()), start=1):
        rim = _gliosis(signals.GLIOTIC_RIM, disease)
        cavity = _lesion(signals.OLD_CAVITY, disease)
        inside = infarct.weight * infarct.cavity
        paint(infarct.grid, [(cavity, inside), (rim, infarct.weight - inside)])
        projection = Projection(infarct.grid, flair_grid, np.eye(4))
        filled = projection.fractions(infarct.mask.astype(np.float32))
        chosen = most_filled(filled, infarct.record.volume_ml / flair_grid.voxel_ml)
        infarcts[projection.box][chosen] = number
        in_voxels = int(chosen.sum()) * flair_grid.voxel_ml
        records.append(replace(infarct.record, number=number, voxel_volume_ml=in_voxels))
    t1, flair = (sheet.scan() for sheet in sheets)
    if confounding.artefact:
        t1, flair, noticeable = _spoil(host, t1, flair, confounding, spoiling)
        labels[noticeable & (labels == 0) & host.mask] = confounders.ARTEFACT
    labels[infarcts > 0] = 0
    left_out = tuple(plan for k, plan in enumerate(plans) if k not in placed)
    return Subject(t1, flair, infarcts, labels, tuple(records), confounding, left_out)


class _Sheet:
    """One image of a host, which is not changed itself, while lesions are put into it."""

    def __init__(self, host: Host, image: HostImage, rng: np.random.Generator) -> None:
        """The noise of what is painted comes from `rng`."""
        self._levels, self._image, self._rng = host.levels, image, rng
        self._values = image.scan.values
        self._changed = np.zeros(self._values.shape, bool)
        self._positive = bool(self._values.min() >= 0)
        self._bias = Projection(host.brain.grid, image.scan.grid, image.from_flair)

    def paint(self, grid: Grid, layers: Layers) -> None:
        """Let tissues take the place of what is there."""
        image = self._image
        projection = Projection(grid, image.scan.grid, image.from_flair)
        box = projection.box
        filled, wanted = np.zeros((2, *shape_of(box)), np.float32)
        for tissue, amount in layers:
            seen = projection.seen(amount, image.noise.blur)
            filled += seen
            wanted += np.float32(self._levels.of(tissue, image.channel)) * seen
        # What is left of the voxel brings its part of the noise along.
        noise = image.noise.draw(self._rng, filled.shape) * np.sqrt(1 - (1 - np.clip(filled, 0, 1)) ** 2)
        new = self._values[box] * (1 - filled) + wanted * self._bias.interpolated(image.bias, box) + noise
        where = filled >= LEAST_FILLED
        self._values[box] = np.where(where, np.abs(new) if self._positive else new, self._values[box])
        self._changed[box] |= where

    def scan(self) -> NiftiScan:
        """The image; voxels that nothing was painted on keep every bit."""
        return self._image.scan.with_values(self._values, self._changed)


def _place(
    host: Host, plans: tuple[InfarctPlan, ...], shapes: tuple[Path, ...], rng: np.random.Generator
) -> tuple[dict[int, PlacedInfarct], np.ndarray]:
    """The infarcts by the number of their plan, and where no other lesion may be now."""
    taken = host.avoid | ~host.brain.mask
    made: dict[int, PlacedInfarct] = {}
    for k, plan in sorted(enumerate(plans), key=lambda numbered: -numbered[1].volume_ml):
        infarct = place_infarct(host.brain, plan, taken, shapes if rng.random() < 0.5 else (), rng)
        if infarct is not None:
            made[k] = infarct
            box, near = taken_by(infarct, host.brain.grid)
            taken[box] |= near
    return made, taken


def _confound(
    host: Host,
    confounding: Confounding,
    used: np.ndarray,
    paint: Paint,
    labels: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Paint hyperintensities, perivascular spaces and sulci where nothing is yet, and label them."""
    brain = host.brain

    def put(mask: np.ndarray, tissue: Tissue, soft_mm: float, label: int) -> None:
        mask = mask & ~used
        for tight in ndimage.find_objects(mask.astype(np.uint8)):  # one, or none
            box = widened(tight, (4, 4, 4), mask.shape)
            used[box] |= mask[box]
            shape = mask[box].astype(np.float32)
            corner = brain.grid.points(np.array([[b.start for b in reversed(box)]]))[0]
            grid = grid_along_lps(corner, shape.shape[::-1], brain.grid.spacing)
            soft = ndimage.gaussian_filter(shape, [soft_mm / s for s in grid.spacing[::-1]])
            paint(grid, [(tissue, soft * brain.mask[box])])
            projection = Projection(grid, host.flair.scan.grid, np.eye(4))
            inner = labels[projection.box]
            inner[(projection.fractions(shape) >= CONFOUNDED_FROM) & (inner == 0)] = label

    if confounding.wmh_ml > 0:
        foci = int(rng.integers(2, 12))
        mask = confounders.white_matter_hyperintensities(brain, confounding.wmh_ml, foci, used, rng)
        put(mask, _gliosis(signals.WHITE_MATTER_HYPERINTENSITY, rng), 0.7, confounders.HYPERINTENSITY)
    if confounding.perivascular:
        mask = confounders.perivascular_spaces(brain, confounding.perivascular, used, rng)
        put(mask, signals.vary(signals.CSF, rng, 0.05), 0.4, confounders.PERIVASCULAR_SPACE)
    if confounding.sulci:
        mask = confounders.widened_sulci(brain, confounding.sulci, used, rng)
        put(mask, signals.vary(signals.CSF, rng, 0.05), 0.5, confounders.SULCUS)


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
    to_t1 = sitk.AffineTransform(image.from_flair[:3, :3].ravel().tolist(), image.from_flair[:3, 3].tolist())
    marked = scan.grid.image(noticeable.astype(np.uint8))
    there = sitk.Resample(marked, flair.grid.empty_image(), to_t1, sitk.sitkNearestNeighbor)
    return changed, flair, sitk.GetArrayFromImage(there) > 0


def _lesion(design: Tissue, rng: np.random.Generator) -> Tissue:
    """One lesion's tissue in the average brain."""
    return signals.vary_lesion(design, signals.WHITE_MATTER, signals.GREY_MATTER, rng)


def _gliosis(design: Tissue, rng: np.random.Generator) -> Tissue:
    """One lesion's gliosis, not brighter than old lesions are."""
    while True:
        drawn = _lesion(design, rng)
        if signals.flair(drawn) <= _BRIGHTEST * signals.flair(signals.WHITE_MATTER):
            return drawn
