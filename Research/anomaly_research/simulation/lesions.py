"""Chronic infarcts: where they lie, what shape they have, and what they are made of.

Four kinds, as in the paper: cortical (a wedge from the cortex inwards), lacunar (3 to 15 mm, in the deep grey
or the deep white matter), large subcortical (striatocapsular) and infratentorial (cerebellum or brain stem).
An infarct either has a cavity with a gliotic rim where it meets living tissue, or is gliotic throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .random_fields import pick, smooth_noise
from .rendering import Box
from .shapes import box_round, ellipsoid_field, largest_piece, lowest, offsets_mm, radius_mm, random_rotation
from .simulated_brain import Brain, Region

KINDS = ("cortical", "lacunar", "large subcortical", "infratentorial")


@dataclass(frozen=True)
class InfarctPlan:
    """An infarct to be made.

    Attributes:
        kind: one of `KINDS`.
        volume_ml: more than 0.
        cavitated: whether its centre has become a cavity.
        place: of an infratentorial one, "brain stem" or "cerebellum"; "": as its volume has room.
        rim_mm: how thick the gliosis round its cavity is; 0: a quarter of its radius, 0.7 to 2.6 mm.
    """

    kind: str
    volume_ml: float
    cavitated: bool = True
    place: str = ""
    rim_mm: float = 0.0


@dataclass(frozen=True)
class LesionRecord:
    """An infarct that was made.

    Attributes:
        number: its label in the truth, from 1.
        kind: one of `KINDS`.
        region: name of the `Region` most of it lies in, in lower case.
        side: "left" or "right" of the patient.
        cavitated: whether it has a cavity.
        volume_ml: of the shape on the fine grid, rim included.
        voxel_volume_ml: of its voxels in the truth.
        centroid_ras: mm.
        shape: where its shape comes from: "noise", or the name of a mask.
    """

    number: int
    kind: str
    region: str
    side: str
    cavitated: bool
    volume_ml: float
    voxel_volume_ml: float
    centroid_ras: tuple[float, float, float]
    shape: str = "noise"

    def columns(self) -> dict[str, str]:
        """What tables of lesions say about it, but for its number."""
        columns = {"kind": self.kind, "region": self.region, "side": self.side}
        columns["cavitated"] = "yes" if self.cavitated else "no"
        columns["volume_ml"] = f"{self.volume_ml:.4f}"
        columns["voxel_volume_ml"] = f"{self.voxel_volume_ml:.4f}"
        return columns | {
            f"centroid_{axis}_mm": f"{c:.1f}" for axis, c in zip("ras", self.centroid_ras, strict=True)
        }


@dataclass(frozen=True)
class Infarct:
    """An infarct on a brain's grid, cut out to a box.

    Attributes:
        plan: what was asked for.
        box: slices into the brain's arrays.
        mask: bool, in the box.
        weight: float32 0 to 1, how much of each voxel is lesion: the mask with a soft edge.
        cavity: float32 0 to 1, the share of cavity in the lesion's part of a voxel; the rest is gliosis.
    """

    plan: InfarctPlan
    box: Box
    mask: np.ndarray
    weight: np.ndarray
    cavity: np.ndarray


def make_infarct(brain: Brain, plan: InfarctPlan, taken: np.ndarray, rng: np.random.Generator) -> Infarct:
    """Place an infarct and give it its shape.

    Args:
        taken: bool, like the brain's arrays: voxels of other lesions, which are kept 3 mm away from.

    Raises:
        ValueError: if the kind is unknown or the volume is not positive, or if no place was found where the
            volume fits in one piece.
    """
    if plan.kind not in KINDS or plan.volume_ml <= 0:
        raise ValueError(f"cannot make a {plan.kind} infarct of {plan.volume_ml} ml")
    spacing = brain.grid.spacing[::-1]
    halves = [int(np.ceil(reach_mm(plan) / s)) for s in spacing]
    sites = infarct_sites(brain, plan, rng)
    for _ in range(50):
        centre = pick(rng, sites)
        if centre is None:
            break
        box = box_round(centre, halves, brain.mask.shape)
        room = infarct_room(brain, plan, box)
        margin = int(np.ceil(3.0 / min(spacing)))
        if taken[box].any():
            room &= ~ndimage.binary_dilation(taken[box], iterations=margin)
        field = infarct_field(brain, plan, box, centre, rng)
        made = grow_infarct(brain, plan, box, field, room, rng)
        if made is not None:
            return made
    raise ValueError(f"found no place where {plan.volume_ml} ml of {plan.kind} infarct fit in one piece")


def region_name(regions: np.ndarray) -> str:
    """The name of the `Region` that most voxels of a brain lie in, in lower case."""
    return (
        Region(int(np.bincount(regions[regions != Region.OUTSIDE]).argmax())).name.lower().replace("_", " ")
    )


def reach_mm(plan: InfarctPlan) -> float:
    """How far from its centre an infarct may need room."""
    return 2.2 * radius_mm(plan.volume_ml) + 8.0


def grow_infarct(
    brain: Brain,
    plan: InfarctPlan,
    box: Box,
    field: np.ndarray,
    room: np.ndarray,
    rng: np.random.Generator,
) -> Infarct | None:
    """The infarct that fills the room in the box from where the field is lowest; None where it does not fit.

    Args:
        field: float32, in the box; its level sets are the infarct's shape.
        room: bool, in the box: where it may be.
    """
    mask = _one_piece(field, room, max(1, round(plan.volume_ml / brain.grid.voxel_ml)))
    if mask is None:
        return None
    weight, cavity = _composition(brain, plan, box, mask, rng)
    return Infarct(plan, box, mask, weight, cavity)


def infarct_sites(brain: Brain, plan: InfarctPlan, rng: np.random.Generator) -> np.ndarray:
    """The voxels an infarct of this kind may be centred on, as a bool array."""
    regions, (x, y, z) = brain.regions, brain.mni
    if plan.kind == "large subcortical":
        chosen = (abs(abs(x) - 24) < 4) & (abs(y - 4) < 10) & (abs(z - 6) < 7)
    elif plan.kind == "lacunar":
        deep_white = (
            (regions == Region.WHITE_MATTER) & (brain.white > 0.97) & (z > -2) & (z < 40) & (abs(x) > 12)
        )
        # Away from the thin blades of white matter inside the gyri.
        deep_white &= ndimage.uniform_filter(brain.white, 9) > 0.85
        deep_grey = (regions == Region.DEEP_GREY) & (brain.csf < 0.05)
        chosen = deep_white if rng.random() < 0.5 else deep_grey
    elif plan.kind == "infratentorial":
        # The pons has room for a few tenths of a millilitre, the cerebellum for more.
        pons = (regions == Region.BRAIN_STEM) & (z > -42) & (z < -20) & (abs(y + 26) < 7)
        in_stem = plan.place == "brain stem" if plan.place else plan.volume_ml < 0.4
        wanted = pons if in_stem else (regions == Region.CEREBELLUM) & (abs(x) > 12)
        chosen = wanted & (brain.csf < 0.3)
    else:
        # The crowns of the gyri: cortex within reach of the surface. Small ones are anywhere on the
        # convexity, large ones where a branch of the middle or posterior cerebral artery has its territory.
        surface = brain.mask & ~ndimage.binary_erosion(brain.mask, iterations=4)
        chosen = surface & (regions == Region.CORTEX) & (brain.grey > 0.5) & (z > -8) & (z < 62)
        if plan.volume_ml > 2:
            chosen &= (abs(x) > 30) & (z < 48)
    return chosen


def infarct_room(brain: Brain, plan: InfarctPlan, box: Box) -> np.ndarray:
    """Where in the box an infarct of this kind may spread, as a bool array."""
    regions = brain.regions[box]
    room = brain.mask[box] & (regions != Region.VENTRICLES)
    if plan.kind == "cortical":
        room &= (regions == Region.CORTEX) | (regions == Region.WHITE_MATTER)
    elif plan.kind == "infratentorial":
        room &= (regions == Region.CEREBELLUM) | (regions == Region.BRAIN_STEM)
    else:
        room &= (regions == Region.DEEP_GREY) | (brain.white[box] > 0.5)
    # Where cortex and sulcus have become one cavity, the sulcus is part of it; otherwise it is spared.
    return room if plan.kind == "cortical" and plan.cavitated else room & (brain.csf[box] < 0.5)


def infarct_field(
    brain: Brain, plan: InfarctPlan, box: Box, centre: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """A field over the box, lowest at the infarct's centre, whose level sets are its shape."""
    spacing = brain.grid.spacing[::-1]
    radius = radius_mm(plan.volume_ml)
    z, y, x = offsets_mm(box, centre, spacing)
    if plan.kind == "cortical":
        # Into the brain: towards the level of the ventricles on the same side, in template coordinates.
        at = brain.mni[:, centre[0], centre[1], centre[2]]
        # Array axes run S, P, L; the template's R, A, S.
        target = np.array([18.0 * np.sign(at[0]), -12.0, 22.0])
        inwards = (target - at)[[2, 1, 0]] * [1, -1, -1]
        inwards /= np.linalg.norm(inwards)
        depth = z * inwards[0] + y * inwards[1] + x * inwards[2]
        across = np.sqrt(np.clip(z**2 + y**2 + x**2 - depth**2, 0, None))
        # A cone that opens to the surface; two bulges so that it is not one.
        narrowing = np.clip(1.25 - 0.30 * depth / radius, 0.35, 1.5)
        field = np.hypot(across / (1.15 * narrowing), depth / (1.3 + 0.5 * rng.uniform())) / radius
    elif plan.kind == "large subcortical":
        # The lentiform nucleus and the capsule: long from front to back, thin from side to side.
        axes = radius * np.array([1.15, 1.45, 0.6]) * rng.uniform(0.9, 1.1, 3)
        field = ellipsoid_field((z, y, x), axes, _small_rotation(rng))
    else:
        axes = radius * np.array([0.8, 1.0, 1.25]) * rng.uniform(0.85, 1.15, 3)
        field = ellipsoid_field((z, y, x), axes, random_rotation(rng))
    roughness = 0.30 if plan.kind in ("cortical", "infratentorial") else 0.16
    field = field * np.exp(roughness * smooth_noise(rng, field.shape, spacing, max(0.8 * radius, 1.5)))
    return field + 0.06 * smooth_noise(rng, field.shape, spacing, 2.0)


def _small_rotation(rng: np.random.Generator) -> np.ndarray:
    """A rotation by some 10 degrees."""
    a, b, c = rng.normal(0, 0.15, 3)
    skew = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
    q, r = np.linalg.qr(np.eye(3) + skew)
    return q * np.sign(np.diag(r))


def _one_piece(field: np.ndarray, room: np.ndarray, count: int) -> np.ndarray | None:
    """The `count` lowest voxels of the field that hang together, or None where they do not fit.

    Voxels cut off from the main piece are dropped and made up for elsewhere, until the count is right.
    """
    wanted = count
    for _ in range(12):
        if wanted > room.sum():
            return None
        mask = lowest(field, room, wanted)
        mask = largest_piece(mask)
        missing = count - int(mask.sum())
        if abs(missing) <= 0.01 * count:
            # A shape that touches the box was cut by it.
            edges = [mask[[0, -1]], mask[:, [0, -1]], mask[:, :, [0, -1]]]
            return None if any(edge.any() for edge in edges) else mask
        if mask.sum() < 0.5 * wanted:
            return None
        wanted += missing
    return None


def _composition(
    brain: Brain, plan: InfarctPlan, box: Box, mask: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The weight of the lesion and the share of cavity in it (see `Infarct`)."""
    spacing = brain.grid.spacing[::-1]
    radius = radius_mm(plan.volume_ml)
    weight = ndimage.gaussian_filter(mask.astype(np.float32), [0.5 / s for s in spacing])
    if not plan.cavitated:
        # Gliosis thins out towards the edge, where it mixes with living tissue.
        patchy = np.clip(0.85 + 0.15 * smooth_noise(rng, mask.shape, spacing, max(2.0, 0.5 * radius)), 0.4, 1)
        return weight * patchy, np.zeros(mask.shape, np.float32)
    # The rim lies where the infarct meets living tissue, not where it opens to the fluid round the brain.
    living = brain.mask[box] & ~mask & (brain.csf[box] < 0.5)
    depth = ndimage.distance_transform_edt(~living, sampling=spacing)
    rim = plan.rim_mm or float(np.clip(0.24 * radius, 0.7, 2.6))
    thickness = rim * np.exp(0.35 * smooth_noise(rng, mask.shape, spacing, max(2.0, 0.6 * radius)))
    # Neighbouring voxels are about a millimetre apart: the first layer of the infarct is at that depth.
    cavity = np.clip((depth - 0.5 - thickness) / 0.8 + 0.5, 0, 1).astype(np.float32)
    return weight, cavity
