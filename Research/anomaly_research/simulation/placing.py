"""An infarct in a brain: a place that suits it, and its shape on a grid fine enough for its size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.reading import read_volume
from scipy import ndimage

from . import lesions
from .lesions import Infarct, InfarctPlan, LesionRecord
from .rendering import Box, Projection, box_round, widened
from .shapes import largest_piece, pick, smooth_noise
from .simulated_brain import Brain, Region, grid_along_lps

#: Infarcts keep this far apart.
_APART_MM = 3.0
#: A shape from a mask is scaled by no more than this (length), or it would look like no lesion of its size.
_MOST_SCALED = 2.0
_ATTEMPTS, _SHAPE_ATTEMPTS = 20, 20
#: An infarct with more of it in the cortex than this is cortical.
_CORTICAL_FROM = 0.12
_CORTEX_MM = 3.0
_ISLANDS = 1.03


@dataclass(frozen=True)
class PlacedInfarct(Infarct):
    """An infarct on a fine grid of its own; its box is the whole grid."""

    record: LesionRecord  # its number and its voxels in a scan are not known yet, and 0
    grid: Grid  # in FLAIR space


def place_infarct(
    brain: Brain, plan: InfarctPlan, taken: np.ndarray, shapes: tuple[Path, ...], rng: np.random.Generator
) -> PlacedInfarct | None:
    """An infarct of a plan, or None where the brain has no room for it.

    Args:
        taken: bool, like the brain's arrays: where no infarct may be.
        shapes: lesion masks in MNI space, one of which may give it its shape and place.
    """
    for _ in range(_SHAPE_ATTEMPTS if shapes else 0):
        found = _from_mask(brain, plan, taken, shapes[int(rng.integers(len(shapes)))], rng)
        if found is not None:
            return found
    free = lesions.infarct_sites(brain, plan, rng) & ~taken
    if plan.kind == "lacunar":
        free &= _perforated(brain.mni)
    for attempt in range(_ATTEMPTS):
        centre = pick(rng, free)
        if centre is None:
            break
        local, near = _around(brain, taken, centre, plan)
        middle = tuple(n // 2 for n in local.mask.shape)
        field = lesions.infarct_field(local, plan, _whole(local), middle, rng)
        found = _grown(local, plan, near, field, float(local.mni[(0, *middle)]), rng)
        # Known lesions stay as they are, but an infarct that leaves them as islands is the last choice.
        if found is not None and (attempt > _ATTEMPTS // 2 or not _with_islands(found.mask)):
            return found
        reach = 6 if plan.volume_ml < 20 else 12
        free[box_round(centre, (reach,) * 3, free.shape)] = False
    return None


def _grown(
    local: Brain,
    plan: InfarctPlan,
    taken: np.ndarray,
    field: np.ndarray,
    side: float,
    rng: np.random.Generator,
) -> PlacedInfarct | None:
    """The infarct on a local brain; `side` is the template's R coordinate of its centre."""
    room = lesions.infarct_room(local, plan, _whole(local)) & ~taken
    # No artery of the forebrain or the cerebellum supplies both sides.
    if plan.place != "brain stem":
        room &= local.mni[0] * np.sign(side) > 1.0
    open_brain = _open_to_surface(local, plan)
    made = lesions.grow_infarct(open_brain, plan, _whole(local), field.astype(np.float32), room, rng)
    if made is None:
        return None
    right = float(local.mni[0][made.mask].mean()) > 0
    record = lesions.record_of(made, local, number=0, voxel_volume_ml=0.0)
    record = replace(record, side="right" if right else "left")
    return PlacedInfarct(plan, made.box, made.mask, made.weight * local.mask, made.cavity, record, local.grid)


def _open_to_surface(local: Brain, plan: InfarctPlan) -> Brain:
    """The brain as a cortical infarct's rim sees it: what is left of the cortex on its outside forms none."""
    if plan.kind != "cortical" or local.mask.all():
        return local
    depth = ndimage.distance_transform_edt(local.mask, sampling=local.grid.spacing[::-1])
    return replace(local, csf=np.where(depth < _CORTEX_MM, np.float32(1), local.csf))


def _around(
    brain: Brain, taken: np.ndarray, centre: tuple[int, ...], plan: InfarctPlan
) -> tuple[Brain, np.ndarray]:
    """The brain near a voxel on a grid that suits the infarct's size, and what is taken there."""
    step = float(np.clip(plan.radius_mm / 5, 0.4, 1.2))
    half = int(np.ceil((2.1 * plan.radius_mm if plan.volume_ml > 20 else plan.reach_mm) / step))
    corner = brain.grid.points(np.asarray([centre[::-1]], float))[0] - half * step
    grid = grid_along_lps(corner, (2 * half + 1,) * 3, (step,) * 3)
    start = brain.grid.indices(corner[None])[0][::-1]
    zoom = step / np.asarray(brain.grid.spacing[::-1])

    def there(values: np.ndarray, order: int, mode: str = "constant") -> np.ndarray:
        return ndimage.affine_transform(values, zoom, start, grid.shape, values.dtype, order=order, mode=mode)

    white, grey, csf = (there(values, 1) for values in (brain.white, brain.grey, brain.csf))
    mask = there(brain.mask.astype(np.float32), 1) > 0.5
    mni = np.stack([there(axis, 1, "nearest") for axis in brain.mni])
    local = Brain(white, grey, csf, mask, there(brain.regions, 0), mni, grid)
    return local, there(taken.astype(np.float32), 1) > 0.0


def _from_mask(
    brain: Brain, plan: InfarctPlan, taken: np.ndarray, path: Path, rng: np.random.Generator
) -> PlacedInfarct | None:
    """The infarct in the shape of a mask and about where the mask lies; None where that does not suit it."""
    mask = _mask(path)
    if mask is None:
        return None
    scale = (plan.volume_ml / mask.volume_ml) ** (1 / 3)
    if not 1 / _MOST_SCALED <= scale <= _MOST_SCALED:
        return None
    target = mask.centre + rng.normal(0, 3.0, (3, 1, 1, 1))
    distance = np.linalg.norm(brain.mni[:, ::3, ::3, ::3] - target, axis=0)
    nearest = np.unravel_index(int(distance.argmin()), distance.shape)
    if distance[nearest] > 6:
        return None
    local, near = _around(brain, taken, tuple(int(3 * n) for n in nearest), plan)
    index = (local.mni - target) / scale + mask.centre - mask.origin
    # Beyond the mask's box the distance goes on growing: away from its edge by as much as the voxel is.
    limits = (np.asarray(mask.distance.shape) - 1).reshape(3, 1, 1, 1)
    beyond = np.linalg.norm(index - np.clip(index, 0, limits), axis=0)
    field = ndimage.map_coordinates(mask.distance, index, order=1, mode="nearest") + beyond
    roughness = smooth_noise(rng, field.shape, local.grid.spacing[::-1], max(0.8 * plan.radius_mm, 1.5))
    field = field * scale / plan.radius_mm + 0.06 * roughness
    found = _grown(local, plan, near, field, target.flat[0], rng)
    if found is None or _kind(local, found) != plan.kind or _with_islands(found.mask):
        return None
    record = replace(found.record, shape=path.name.split(".")[0])
    return replace(found, record=record) if plan.place in ("", record.region) else None


def _with_islands(mask: np.ndarray) -> bool:
    """Whether a shape goes round something, slice by slice."""
    filled = sum(int(ndimage.binary_fill_holes(layer).sum()) for layer in mask if layer.any())
    return filled > _ISLANDS * int(mask.sum())


def _kind(local: Brain, infarct: PlacedInfarct) -> str:
    """Which kind an infarct is by where it lies and how large it is."""
    regions = local.regions[infarct.mask]
    # By the rules the brain stem reaches up to where the thalamus begins.
    below = np.isin(regions, (Region.CEREBELLUM, Region.BRAIN_STEM)) & (local.mni[2][infarct.mask] < -10)
    if below.mean() > 0.5:
        return "infratentorial"
    # What T1 calls grey is not always cortex: in old age the white matter is of many shades.
    near_surface = (regions == Region.CORTEX) & (local.grey[infarct.mask] + local.csf[infarct.mask] > 0.5)
    if near_surface.mean() > _CORTICAL_FROM:
        return "cortical"
    # A small one under the cortex is neither; a lesion of a middle size may be either.
    if infarct.plan.volume_ml > 1.77 or infarct.plan.kind == "large subcortical":
        return "large subcortical"
    return "lacunar" if _perforated(local.mni[:, infarct.mask].mean(axis=1)) else "subcortical"


def _perforated(mni: np.ndarray) -> np.ndarray:
    """Where the perforating arteries go, by (3, ...) template coordinates: not to the poles' white matter."""
    return (abs(mni[0]) < 38) & (abs(mni[1] + 5) < 38)


@dataclass(frozen=True)
class _Mask:
    """The largest piece of a lesion mask: signed distance (mm, negative inside), axes R, A, S at 1 mm."""

    distance: np.ndarray
    origin: np.ndarray  # (3, 1, 1, 1), mm, of its first voxel
    centre: np.ndarray  # (3, 1, 1, 1), mm
    volume_ml: float


@lru_cache(maxsize=256)
def _mask(path: Path) -> _Mask | None:
    """A mask file, or None where it is empty."""
    image = read_volume(path, role="lesion mask", mask=True).image
    grid = Grid.of(image)
    if not np.allclose(grid.spacing, 1.0, atol=0.01):
        raise InputError(f"The lesion mask {path} is not at 1 mm in MNI space: leave it out of --shapes.")
    inside = sitk.GetArrayFromImage(image) > 0.5
    if not inside.any():
        return None
    largest = largest_piece(inside)
    box = ndimage.find_objects(largest.astype(np.uint8))[0]
    piece = np.pad(largest[box], 4)
    signed = ndimage.distance_transform_edt(~piece) - ndimage.distance_transform_edt(piece)
    corner = np.asarray([b.start - 4 for b in reversed(box)])
    ends = grid.points(np.stack([corner, corner + piece.shape[::-1] - 1])) * [-1, -1, 1]
    # Columns, rows and slices may run either way; the template's axes run to R, A and S.
    backwards = np.flatnonzero(ends[1] < ends[0])
    array = np.flip(signed.transpose(2, 1, 0).astype(np.float32), tuple(backwards))
    origin = ends.min(axis=0).reshape(3, 1, 1, 1)
    centre = np.argwhere(array < 0).mean(axis=0).reshape(3, 1, 1, 1) + origin
    return _Mask(np.ascontiguousarray(array), origin, centre, float(largest.sum()) / 1000)


def taken_by(infarct: PlacedInfarct, grid: Grid) -> tuple[Box, np.ndarray]:
    """Where an infarct keeps others out, `_APART_MM` round it: a box of the grid, and bool in it."""
    projection = Projection(infarct.grid, grid, np.eye(4))
    touched = np.zeros(grid.shape, bool)
    touched[projection.box] = projection.fractions(infarct.mask.astype(np.float32)) > 0
    box = widened(projection.box, (int(np.ceil(_APART_MM / min(grid.spacing))),) * 3, grid.shape)
    return box, ndimage.distance_transform_edt(~touched[box], sampling=grid.spacing[::-1]) <= _APART_MM


def _whole(local: Brain) -> Box:
    return tuple(slice(0, n) for n in local.mask.shape)
