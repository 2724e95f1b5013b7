"""The brain's own midsagittal plane: what "left" and "right" of a finding are measured from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from ..imaging.prepared import PreparedStudy

MIDLINE_MM = 5.0  # A point nearer than this to the plane is called "midline"
_COARSE_MM = 3.6
_SURFACE_POINTS = 2500


@dataclass(frozen=True)
class Midline:
    """A plane in LPS mm; a tilted or turned head has a tilted or turned midline. `normal`: unit vector that
    points to the patient's left. `offset`: mm; a point p lies left of the plane if normal . p > offset."""

    normal: tuple[float, float, float]
    offset: float

    @classmethod
    def of(cls, study: PreparedStudy) -> Midline:
        """The plane in which the brain's outline mirrors itself best."""
        step = [max(1, round(_COARSE_MM / mm)) for mm in study.grid.spacing[::-1]]  # slice, row, column
        brain = np.pad(study.brain[:: step[0], :: step[1], :: step[2]], 4)
        if not brain.any():
            return cls((1.0, 0.0, 0.0), 0.0)
        spacing = np.array(study.grid.spacing[::-1]) * step
        to_surface_mm = np.zeros(brain.shape)
        for side in (~brain, brain):
            depth_mm = scipy.ndimage.distance_transform_edt(side, sampling=spacing)
            to_surface_mm += np.maximum(depth_mm - spacing.min() / 2, 0)
        surface = np.argwhere(brain & ~scipy.ndimage.binary_erosion(brain))
        surface = surface[:: -(-len(surface) // _SURFACE_POINTS)]
        points = study.grid.points(((surface - 4) * step)[:, ::-1])
        # By the box round it, not by the mass: a lesion at the rim may be missing from the mask.
        centre = (points.max(axis=0) + points.min(axis=0)) / 2

        def asymmetry(plane: np.ndarray) -> float:
            """Mean distance (mm) of the mirrored surface from the surface."""
            normal = _unit(plane)
            distance = (points - centre) @ normal - plane[2]
            mirrored = points - 2 * distance[:, None] * normal
            index = study.grid.indices(mirrored)[:, ::-1] / step + 4
            found = scipy.ndimage.map_coordinates(to_surface_mm, index.T, order=1, mode="nearest")
            return float(found.mean())

        start = np.array([[0, 0, 0], [0.15, 0, 0], [0, 0.15, 0], [0, 0, 6.0]])
        options = {"initial_simplex": start, "xatol": 0.005, "fatol": 0.005, "maxfev": 200}
        best = scipy.optimize.minimize(asymmetry, start[0], method="Nelder-Mead", options=options).x
        x, y, z = _unit(best).tolist()
        return cls((x, y, z), float(_unit(best) @ centre + best[2]))

    def distance(self, lps: np.ndarray) -> float:
        """mm from the plane, positive to the patient's left."""
        return float(np.dot(self.normal, lps) - self.offset)

    def side(self, lps: np.ndarray) -> str:
        """Where a point (LPS mm) lies: "left", "right" or "midline" of the patient."""
        distance = self.distance(lps)
        if abs(distance) < MIDLINE_MM:
            return "midline"
        return "left" if distance > 0 else "right"


def _unit(plane: np.ndarray) -> np.ndarray:
    """The unit normal (LPS) of a plane given by its slopes."""
    normal = np.array([1.0, plane[0], plane[1]])
    return normal / np.linalg.norm(normal)
