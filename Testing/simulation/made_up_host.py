"""A host whose brain is an ellipsoid: white matter in a shell of cortex, ventricles, known levels and noise."""

from __future__ import annotations

import numpy as np
from anomaly_research.simulation.heads import Head
from anomaly_research.simulation.host import Host, HostImage
from anomaly_research.simulation.rendering import Projection
from anomaly_research.simulation.simulated_brain import Brain, brain_regions
from anomaly_research.simulation.tissue_levels import Noise, TissueLevels
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.nifti import nifti_of

STRAIGHT = (1, 0, 0, 0, 1, 0, 0, 0, 1)
#: A small brain, so that tests are fast; the template's coordinates are those of a large one.
SCALE = 0.7
RADII_MM = (66.0 * SCALE, 82.0 * SCALE, 58.0 * SCALE)
#: Of the brain's middle, in the template's R, A, S.
MIDDLE_MNI = (0.0, -18.0, 10.0)
LEVELS = TissueLevels(csf=(100.0, 40.0), grey=(420.0, 480.0), white=(560.0, 400.0))
NOISE = 8.0
PAPER = (0.9, 0.9, 4.0)


def grid_round(spacing: tuple[float, float, float], direction: np.ndarray | None = None) -> Grid:
    """A grid with its middle at the world's origin that holds the brain."""
    size = tuple(
        int(2 * (max(RADII_MM) + 8 if direction is not None else r + 8) / s)
        for r, s in zip(RADII_MM, spacing, strict=True)
    )
    direction = np.eye(3) if direction is None else direction
    origin = -direction @ (np.array(spacing) * (np.array(size) - 1) / 2)
    return Grid(size, spacing, tuple(float(v) for v in origin), tuple(float(v) for v in direction.ravel()))


def _brain() -> Brain:
    grid = grid_round((1.0, 1.0, 1.0))
    z, y, x = (o + np.arange(n) for o, n in zip(grid.origin[::-1], grid.shape, strict=True))
    z, y, x = np.meshgrid(z, y, x, indexing="ij")
    mni = np.stack([p / SCALE + m for p, m in zip((-x, -y, z), MIDDLE_MNI, strict=True)]).astype(np.float32)
    depth = np.sqrt((x / RADII_MM[0]) ** 2 + (y / RADII_MM[1]) ** 2 + (z / RADII_MM[2]) ** 2)
    mask = depth < 1
    ventricles = ((abs(mni[0]) - 12) / 7) ** 2 + (mni[1] / 26) ** 2 + ((mni[2] - 16) / 9) ** 2 < 1
    white = np.clip((0.90 - depth) / 0.02, 0, 1) * ~ventricles
    grey = np.clip((0.98 - depth) / 0.01, 0, 1) * ~ventricles - white
    csf = mask - white * mask - grey * mask
    parts = [(part * mask).astype(np.float32) for part in (white, grey, csf)]
    return Brain(*parts, mask, brain_regions(mni, *parts, mask, ventricles), mni, grid)


BRAIN = _brain()


def _image(channel: int, grid: Grid, from_flair: np.ndarray, bias, dtype, rng) -> HostImage:
    projection = Projection(BRAIN.grid, grid, from_flair)
    values = np.zeros(grid.shape, np.float32)
    box = projection.box
    for name in ("white", "grey", "csf"):
        values[box] += getattr(LEVELS, name)[channel] * projection.fractions(getattr(BRAIN, name))
    values[box] *= projection.interpolated(bias, box)
    values[box] += NOISE * rng.standard_normal(values[box].shape) * (values[box] > 0)
    values = np.round(np.clip(values, 0, None)).astype(dtype)
    return HostImage(nifti_of(grid.image(values)), channel, from_flair, bias, Noise(NOISE, 0.0))


def made_up_host(
    spacing: tuple[float, float, float] = PAPER,
    *,
    t1_spacing: tuple[float, float, float] | None = None,
    t1_direction: np.ndarray | None = None,
    from_flair: np.ndarray | None = None,
    avoid: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    dtype: type = np.int16,
) -> Host:
    """A host; the T1 may lie on a grid of its own and, by `from_flair`, in a space of its own."""
    rng = np.random.default_rng(0)
    flair_grid = grid_round(spacing)
    t1_grid = grid_round(t1_spacing or spacing, t1_direction)
    there = np.eye(4) if from_flair is None else from_flair
    if from_flair is not None:
        # The T1's field of view moves along with the head.
        corner = there[:3, :3] @ np.array(t1_grid.origin) + there[:3, 3]
        turned = there[:3, :3] @ np.array(t1_grid.direction).reshape(3, 3)
        t1_grid = Grid(
            t1_grid.size, t1_grid.spacing, tuple(map(float, corner)), tuple(map(float, turned.ravel()))
        )
    even = np.ones(BRAIN.grid.shape, np.float32)
    flair_points = flair_grid.points(np.argwhere(np.ones(flair_grid.shape, bool))[:, ::-1])
    mask = ((flair_points / RADII_MM) ** 2).sum(1).reshape(flair_grid.shape) < 1
    return Host(
        t1=_image(0, t1_grid, there, even if bias is None else bias, dtype, rng),
        flair=_image(1, flair_grid, np.eye(4), even if bias is None else bias, dtype, rng),
        brain=BRAIN,
        levels=LEVELS,
        avoid=np.zeros(BRAIN.grid.shape, bool) if avoid is None else avoid,
        known=np.zeros(flair_grid.shape, bool),
        mask=mask,
    )


class MadeUpHeads:
    """Heads for a cohort: two persons with the same host."""

    anatomy = "real"
    limit = 2

    def __init__(self, host: Host) -> None:
        self.host = host
        self.asked: list[str] = []

    def batch(self, number: int) -> int:
        return number % 2

    def head(self, number: int, subject: str, seed: np.random.SeedSequence) -> Head:
        self.asked.append(subject)
        return Head(self.host, f"person {number % 2}", f"scan {number % 2}")

    def description(self) -> dict[str, object]:
        return {"Anatomy": self.anatomy}
