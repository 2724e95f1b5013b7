"""Heads that are made up, on a voxel grid of any spacing: from the template, or from label maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.volume import Study, Volume

from . import scanner
from .heads import Head
from .healthy import healthy_signals
from .host import FINE_MM, analyse
from .label_maps import head_of_labels
from .rendering import POINT_SPREAD, Projection
from .simulated_brain import Brain, individual_brain
from .surrounding_tissues import SurroundingTissues, surround

#: Where white matter lands in the integer images, and its signal over the noise at the paper's voxels.
_WHITE_LEVEL = {"t1": 600.0, "flair": 420.0}
_SIGNAL_TO_NOISE = {"t1": 38.0, "flair": 32.0}
_PAPER_VOXEL_ML = 0.9 * 0.9 * 4.0 / 1000
#: The template's field of view in mm: lowest corner and size along L, P and S.
_CORNER_MM, _SIZE_MM = (-90.0, -96.0, -68.0), (180.0, 219.0, 152.0)


class TemplateHeads:
    """Persons made of the ICBM152 maps; each subject is another one.

    Args:
        spacing: mm along x, y, z of the scans.
    """

    anatomy = "ICBM152"
    limit: int | None = None

    def __init__(self, spacing: tuple[float, float, float]) -> None:
        """Nothing is made yet."""
        self._spacing = spacing

    def batch(self, number: int) -> int:
        """Each subject is a batch of its own."""
        return number

    def head(self, number: int, subject: str, seed: np.random.SeedSequence) -> Head:
        """The person of a seed.

        Raises:
            InputError: if nilearn, which ships the maps, is not installed.
        """
        person, physics = (np.random.default_rng(s) for s in seed.spawn(2))
        fine = _grid(_CORNER_MM, _SIZE_MM, (FINE_MM,) * 3)
        brain = individual_brain(fine, person)
        around = surround(brain, person)
        study = scan_head(brain, around, self._spacing, physics)
        return Head(analyse(study, anatomy=brain), subject, "ICBM152 2009a")

    def description(self) -> dict[str, object]:
        """The anatomy and the spacing."""
        return {"Anatomy": self.anatomy, "SpacingMillimetres": list(self._spacing)}


class LabelHeads:
    """Persons made of whole-head label maps, deformed a little anew for each subject.

    Args:
        maps: at least one, with the labels of FreeSurfer and, outside the brain, of SimNIBS charm (as those
            that come with SynthSeg, Billot et al., Med Image Anal 2023).
        spacing: mm along x, y, z of the scans.
    """

    anatomy = "synthseg"
    limit: int | None = None

    def __init__(self, maps: tuple[Path, ...], spacing: tuple[float, float, float]) -> None:
        """Nothing is read yet."""
        self._maps = maps
        self._spacing = spacing

    def batch(self, number: int) -> int:
        """Each subject is a batch of its own."""
        return number

    def head(self, number: int, subject: str, seed: np.random.SeedSequence) -> Head:
        """The person of label map `number` modulo their number.

        Raises:
            InputError: if the map cannot be read or shows no brain, or nilearn is not installed.
        """
        person, physics = (np.random.default_rng(s) for s in seed.spawn(2))
        path = self._maps[number % len(self._maps)]
        brain, around = head_of_labels(path, person)
        study = scan_head(brain, around, self._spacing, physics)
        name = path.name.split(".")[0]
        return Head(analyse(study, anatomy=brain), name, name)

    def description(self) -> dict[str, object]:
        """The anatomy, its maps and the spacing."""
        names = [path.name.split(".")[0] for path in self._maps]
        return {"Anatomy": self.anatomy, "Maps": names, "SpacingMillimetres": list(self._spacing)}


def scan_head(
    brain: Brain, around: SurroundingTissues, spacing: tuple[float, float, float], rng: np.random.Generator
) -> Study:
    """T1, FLAIR and brain mask of a head, on one grid.

    Args:
        brain: on a grid of 1 mm with axes along L, P, S, which is the field of view.
        spacing: mm along x, y, z of the scans.
    """
    fine = brain.grid
    corner = tuple(o - s / 2 for o, s in zip(fine.origin, fine.spacing, strict=True))
    extent = tuple(n * s for n, s in zip(fine.size, fine.spacing, strict=True))
    grid = _grid(corner, extent, spacing)
    projection = Projection(fine, grid, np.eye(4))
    assert projection.window is not None

    def onto(values: np.ndarray, blur: float) -> np.ndarray:
        seen = np.zeros(grid.shape, np.float32)
        assert projection.window is not None
        seen[projection.window.box] = projection.seen(values, blur)
        return seen

    signals, _ = healthy_signals(brain, around, rng)
    # Outside the field of view of the fine grid nothing is known; and scanners blank what is far from the head.
    body = onto((around.depth_mm < 4).astype(np.float32), POINT_SPREAD) > 0.02
    receive = scanner.coil(rng, grid.shape, grid.spacing[::-1])
    # Smaller voxels have more noise, and get more averages: as the root of the root of their volume.
    quality = (grid.voxel_ml / _PAPER_VOXEL_ML) ** 0.25
    volumes = {}
    for name, signal in signals.items():
        uneven = receive * scanner.transmit(rng, grid.shape)
        scan = onto(signal, POINT_SPREAD) * uneven
        noise = 1 / (_SIGNAL_TO_NOISE[name] * quality)
        real, imaginary = (noise * rng.standard_normal(grid.shape, dtype=np.float32) for _ in range(2))
        scan = np.hypot(scan + real, imaginary) * _WHITE_LEVEL[name]
        voxels = np.round(np.where(body, scan, 0)).clip(0, 32767).astype(np.int16)
        volumes[name] = Volume(grid.image(voxels), description=f"the simulated {name}")
    inside = np.zeros(grid.shape, bool)
    inside[projection.window.box] = projection.fractions(brain.mask.astype(np.float32)) >= 0.5
    mask = Volume(sitk.Cast(grid.image(inside.astype(np.uint8)), sitk.sitkFloat32), description="the brain")
    return Study(volumes["t1"], volumes["flair"], mask)


def _grid(corner: tuple[float, ...], extent: tuple[float, ...], spacing: tuple[float, float, float]) -> Grid:
    """A grid along L, P, S that fills a box (lowest corner and extent in mm) with whole voxels."""
    x, y, z = (max(1, int(e / s + 1e-6)) for e, s in zip(extent, spacing, strict=True))
    a, b, c = (o + s / 2 for o, s in zip(corner, spacing, strict=True))
    return Grid((x, y, z), spacing, (a, b, c), (1, 0, 0, 0, 1, 0, 0, 0, 1))
