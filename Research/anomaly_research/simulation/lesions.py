"""Chronic infarcts: where they lie, what shape they have, and what they are made of.

Four kinds, as in the paper: cortical (a wedge from the cortex inwards), lacunar (3 to 15 mm, in the deep grey
or the deep white matter), large subcortical (striatocapsular) and infratentorial (cerebellum or brain stem).
An infarct either has a cavity with a gliotic rim where it meets living tissue, or is gliotic throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .rendering import Box, box_round
from .shapes import ellipsoid, largest_piece, lowest, offsets_mm, pick, radius_mm, rotation_of, smooth_noise
from .simulated_brain import Brain, Region

KINDS = ("cortical", "lacunar", "large subcortical", "infratentorial")


@dataclass(frozen=True)
class InfarctPlan:
    """An infarct to be made."""

    kind: str  # one of `KINDS`
    volume_ml: float  # more than 0
    cavitated: bool = True  # whether its centre has become a cavity
    place: str = ""  # of an infratentorial one, "brain stem" or "cerebellum"; "": as its volume has room
    rim_mm: float = 0.0  # of the gliosis round its cavity; 0: a quarter of its radius, 0.7 to 2.6 mm

    @property
    def radius_mm(self) -> float:
        """Of the ball of its volume."""
        return radius_mm(self.volume_ml)

    @property
    def reach_mm(self) -> float:
        """How far from its centre it may need room."""
        return 2.2 * self.radius_mm + 8.0


@dataclass(frozen=True)
class LesionRecord:
    """An infarct that was made."""

    number: int  # its label in the truth, from 1
    kind: str  # one of `KINDS`
    region: str  # name of the `Region` most of it lies in, in lower case
    side: str  # "left" or "right" of the patient
    cavitated: bool
    volume_ml: float  # of the shape on the fine grid, rim included
    voxel_volume_ml: float  # of its voxels in the truth
    centroid_ras: tuple[float, float, float]  # mm
    shape: str = "noise"  # where its shape comes from: "noise", or the name of a mask

    def columns(self) -> dict[str, str]:
        """What tables of lesions say about it, but for its number."""
        columns = {"kind": self.kind, "region": self.region, "side": self.side}
        columns["cavitated"] = "yes" if self.cavitated else "no"
        columns["volume_ml"] = f"{self.volume_ml:.4f}"
        columns["voxel_volume_ml"] = f"{self.voxel_volume_ml:.4f}"
        centroid = zip("ras", self.centroid_ras, strict=True)
        return columns | {f"centroid_{axis}_mm": f"{c:.1f}" for axis, c in centroid}


@dataclass(frozen=True)
class Infarct:
    """An infarct on a brain's grid, cut out to a box."""

    plan: InfarctPlan  # what was asked for
    box: Box  # of the brain's arrays
    mask: np.ndarray  # bool, in the box
    weight: np.ndarray  # float32 0 to 1, how much of each voxel is lesion: the mask with a soft edge
    cavity: np.ndarray  # float32 0 to 1, the share of cavity in that; the rest is gliosis


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
    halves = [int(np.ceil(plan.reach_mm / s)) for s in spacing]
    sites = infarct_sites(brain, plan, rng)
    for _ in range(50):
        centre = pick(rng, sites)
        if centre is None:
            break
        box = box_round(centre, halves, brain.mask.shape)
        room = infarct_room(brain, plan, box)
        if taken[box].any():
            room &= ~ndimage.binary_dilation(taken[box], iterations=int(np.ceil(3.0 / min(spacing))))
        made = grow_infarct(brain, plan, box, infarct_field(brain, plan, box, centre, rng), room, rng)
        if made is not None:
            return made
    raise ValueError(f"found no place where {plan.volume_ml} ml of {plan.kind} infarct fit in one piece")


def record_of(infarct: Infarct, brain: Brain, number: int, voxel_volume_ml: float) -> LesionRecord:
    """What became of an infarct in a brain."""
    z, y, x = np.argwhere(infarct.mask).mean(axis=0) + [b.start for b in infarct.box]
    left, posterior, superior = brain.grid.points(np.array([[x, y, z]]))[0].tolist()
    regions = brain.regions[infarct.box][infarct.mask]
    most = Region(int(np.bincount(regions[regions != Region.OUTSIDE]).argmax()))
    return LesionRecord(
        number=number,
        kind=infarct.plan.kind,
        region=most.name.lower().replace("_", " "),
        side="left" if left > 0 else "right",
        cavitated=infarct.plan.cavitated,
        volume_ml=float(infarct.mask.sum()) * brain.grid.voxel_ml,
        voxel_volume_ml=voxel_volume_ml,
        centroid_ras=(-left, -posterior, superior),
    )


def grow_infarct(
    brain: Brain, plan: InfarctPlan, box: Box, field: np.ndarray, room: np.ndarray, rng: np.random.Generator
) -> Infarct | None:
    """The infarct that fills the room in the box from where the field is lowest; None where it does not fit.

    Args:
        field: float32, in the box; its level sets are the infarct's shape.
        room: bool, in the box: where it may be.
    """
    mask = _one_piece(field, room, max(1, round(plan.volume_ml / brain.grid.voxel_ml)))
    return None if mask is None else Infarct(plan, box, mask, *_composition(brain, plan, box, mask, rng))


def infarct_sites(brain: Brain, plan: InfarctPlan, rng: np.random.Generator) -> np.ndarray:
    """The voxels an infarct of this kind may be centred on, as a bool array."""
    regions, (x, y, z) = brain.regions, brain.mni
    if plan.kind == "large subcortical":
        return (abs(abs(x) - 24) < 4) & (abs(y - 4) < 10) & (abs(z - 6) < 7)
    if plan.kind == "lacunar":
        if rng.random() >= 0.5:
            return (regions == Region.DEEP_GREY) & (brain.csf < 0.05)
        deep = (regions == Region.WHITE_MATTER) & (brain.white > 0.97) & (z > -2) & (z < 40) & (abs(x) > 12)
        # Away from the thin blades of white matter inside the gyri.
        return deep & (ndimage.uniform_filter(brain.white, 9) > 0.85)
    if plan.kind == "infratentorial":
        # The pons has room for a few tenths of a millilitre, the cerebellum for more.
        pons = (regions == Region.BRAIN_STEM) & (z > -42) & (z < -20) & (abs(y + 26) < 7)
        in_stem = plan.place == "brain stem" if plan.place else plan.volume_ml < 0.4
        return (pons if in_stem else (regions == Region.CEREBELLUM) & (abs(x) > 12)) & (brain.csf < 0.3)
    # The crowns of the gyri: cortex within reach of the surface. Small ones are anywhere on the convexity,
    # large ones where a branch of the middle or posterior cerebral artery has its territory.
    surface = brain.mask & ~ndimage.binary_erosion(brain.mask, iterations=4)
    crowns = surface & (regions == Region.CORTEX) & (brain.grey > 0.5) & (z > -8) & (z < 62)
    return crowns & (abs(x) > 30) & (z < 48) if plan.volume_ml > 2 else crowns


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
    radius = plan.radius_mm
    z, y, x = offsets = offsets_mm(box, centre, spacing)
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
        a, b, c = rng.normal(0, 0.15, 3)  # a rotation by some 10 degrees
        field = ellipsoid(offsets, axes, rotation_of(np.array([[1, -c, b], [c, 1, -a], [-b, a, 1]])))
    else:
        axes = radius * np.array([0.8, 1.0, 1.25]) * rng.uniform(0.85, 1.15, 3)
        field = ellipsoid(offsets, axes, rotation_of(rng.standard_normal((3, 3))))
    roughness = 0.30 if plan.kind in ("cortical", "infratentorial") else 0.16
    field = field * np.exp(roughness * smooth_noise(rng, field.shape, spacing, max(0.8 * radius, 1.5)))
    return field + 0.06 * smooth_noise(rng, field.shape, spacing, 2.0)


def _one_piece(field: np.ndarray, room: np.ndarray, count: int) -> np.ndarray | None:
    """The `count` lowest voxels of the field that hang together, or None where they do not fit.

    Voxels cut off from the main piece are dropped and made up for elsewhere, until the count is right.
    """
    wanted = count
    for _ in range(12):
        if wanted > room.sum():
            return None
        mask = largest_piece(lowest(field, room, wanted))
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
    radius = plan.radius_mm
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
