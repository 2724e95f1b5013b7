"""Rigid alignment of T1 and FLAIR by mutual information (Mattes et al., IEEE Trans Med Imaging 2003)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..grid import Grid
from .geometry import lps_axes
from .preparation_settings import PreparationSettings
from .prepared import Alignment
from .volume import Volume, name_of
from .voxels import voxels_of

#: A registration that moves the brain by less than this on average is not applied, since the headers are as good.
MIN_SHIFT_MM = 1.0
COARSE_MM, FINE_MM = 4.0, 2.0  # Voxel sizes (mm) of the two passes

#: A margin (mm) round the brain is compared as well: the inside of the skull is a strong edge in both images.
#: Farther out, fat is displaced by chemical shift and the neck moves.
MARGIN_MM = 3.0
RIM_MM = 70.0  # A rotation by one radian moves the surface of the brain by about this much (mm)

#: The part of a head below its top that is used (mm), and how far below the top the brain begins.
HEAD_MM, SCALP_MM = 160.0, 12.0

#: A shift of SHARPNESS_MM in any direction must take away this share of the mutual information. It took away
#: 0.44 to 0.63 in pairs of the same head, and 0.02 to 0.29 when T1 and FLAIR of different people were fitted.
SAME_HEAD_FROM, SHARPNESS_MM = 0.36, 4.0

#: No T1 with exchanged sides reaches this sharpness in voxels of COARSE_MM: 13 of them had 0.36 at most.
SURELY_NOT_MIRRORED = 0.44

#: Less mutual information (nats) than this is chance: it was at least 0.28 in pairs of the same head, and 0.015 with noise.
LEAST_INFORMATION = 0.05


def transform_of(alignment: Alignment) -> sitk.AffineTransform:
    """The alignment as a transform from LPS points of FLAIR space to points of T1 space."""
    matrix = np.asarray(alignment.matrix).reshape(4, 4)
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


def align(t1: Volume, flair: Volume, brain: np.ndarray, settings: PreparationSettings) -> Alignment:
    """The alignment of T1 and FLAIR.

    The registration always runs; where it agrees with the headers, these are trusted, so that a pair that is
    already aligned is not resampled needlessly. `brain`: bool (slices, rows, columns) on the FLAIR's grid.
    Raises InputError if the two cannot be the same head, even with the sides of the T1 exchanged."""
    identity = Alignment(False, 0.0, 0.0, tuple(np.eye(4).ravel().tolist()))
    if settings.register == "off":
        return identity
    points = _brain_points(flair.image, brain)
    transform, sharpness = register(t1.image, flair.image, brain)
    # A T1 with exchanged sides still shows the same head: this is a warning, not an error (see `quality.mirrored`).
    matrix = _matrix(transform) if sharpness >= SAME_HEAD_FROM else _of_mirrored(t1.image, flair.image, brain)
    if matrix is None:
        raise InputError(
            f"{name_of(t1, 'The T1')} and {name_of(flair, 'the FLAIR')} do not seem to show the "
            "same head: check that they are of the same patient, that both show the brain, and, in a viewer, that neither of "
            "them lies upside down or turned."
        )
    moved = points @ matrix[:3, :3].T + matrix[:3, 3] - points
    shift_mm, rotation_deg = float(np.linalg.norm(moved, axis=1).mean()), _rotation_deg(matrix)
    if shift_mm < MIN_SHIFT_MM:
        return Alignment(False, shift_mm, rotation_deg, identity.matrix)
    return Alignment(True, shift_mm, rotation_deg, tuple(matrix.ravel().tolist()))


def _of_mirrored(t1: sitk.Image, flair: sitk.Image, brain: np.ndarray) -> np.ndarray | None:
    """The alignment of a T1 with exchanged sides, each half of the brain on the other one (4 x 4, FLAIR to T1).
    Returns None if the T1 shows another head even with its sides exchanged back."""
    transform, sharpness = register(with_sides_exchanged(t1), flair, brain)
    return None if sharpness < SAME_HEAD_FROM else _of_exchanged(_matrix(transform), t1, flair, brain)


def with_sides_exchanged(image: sitk.Image) -> sitk.Image:
    """The voxels flipped along the axis closest to left-right, with the same header."""
    grid = Grid.of(image)
    return grid.image(np.ascontiguousarray(np.flip(voxels_of(image), 2 - lps_axes(grid)[0][0])))


def _of_exchanged(matrix: np.ndarray, t1: sitk.Image, flair: sitk.Image, brain: np.ndarray) -> np.ndarray:
    """Convert a map (4 x 4) from FLAIR space to a T1 into the map to the T1 with exchanged sides, or back: it is mirrored in
    the middle of the brain and in the middle of the T1.
    """
    grid, points = Grid.of(t1), _brain_points(flair, brain)
    across = np.asarray(grid.direction).reshape(3, 3)[:, lps_axes(grid)[0][0]]
    middle = grid.points((np.array([grid.size]) - 1) / 2)[0]
    of_brain = (points.max(axis=0) + points.min(axis=0)) / 2
    return _mirror(across, middle) @ matrix @ _mirror(np.array([1.0, 0.0, 0.0]), of_brain)


def _mirror(normal: np.ndarray, point: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] -= 2 * np.outer(normal, normal)
    matrix[:3, 3] = 2 * float(point @ normal) * normal
    return matrix


def mirror_fit(
    t1: sitk.Image, flair: sitk.Image, brain: np.ndarray, alignment: Alignment
) -> tuple[float, float] | None:
    """How well a T1 fits a FLAIR as it is, and with its sides exchanged and aligned anew: mutual information (nats).

    In voxels of `COARSE_MM`. None if the T1 fits too sharply to be mirrored, or not at all. `brain`: bool (slices, rows,
    columns) on the FLAIR's grid.
    """
    matrix = np.asarray(alignment.matrix).reshape(4, 4)
    fixed, moving = _reduced(flair, COARSE_MM), _reduced(t1, COARSE_MM)
    near = _mask_on(Grid.of(flair).image(brain.astype(np.uint8)), fixed)
    centre = _brain_points(flair, brain).mean(axis=0)
    aligned = _rigid(matrix, centre)
    if _sharpness(fixed, moving, near, aligned) >= SURELY_NOT_MIRRORED:
        return None
    start = _rigid(_of_exchanged(matrix, t1, flair, brain), centre)
    exchanged = _optimise(fixed, _reduced(with_sides_exchanged(t1), COARSE_MM), near, start, step_mm=4.0)
    own = _information(fixed, moving, near, aligned)
    return (own, exchanged[1] if exchanged else 0.0) if own else None


def _rigid(matrix: np.ndarray, centre: np.ndarray) -> sitk.Euler3DTransform:
    """A map (4 x 4) as a transform that turns about a point."""
    transform = sitk.Euler3DTransform()
    transform.SetCenter(centre.tolist())
    transform.SetMatrix(matrix[:3, :3].ravel().tolist(), 1e-6)
    transform.SetTranslation((matrix[:3, :3] @ centre + matrix[:3, 3] - centre).tolist())
    return transform


def register(t1: sitk.Image, flair: sitk.Image, brain: np.ndarray) -> tuple[sitk.Euler3DTransform, float]:
    """The rigid transform from FLAIR space to T1 space, and how sharp the optimum is.

    Sharpness is the share of the mutual information that a small shift loses. Different heads share only their
    coarse shape, so that a small shift loses little, whatever the scanner's contrast. Returns the transform,
    and the sharpness (0 to 1; 0 if the two do not overlap)."""
    mask = Grid.of(flair).image(brain.astype(np.uint8))
    points = _brain_points(flair, brain)
    fixed, moving = _reduced(flair, COARSE_MM), _reduced(t1, COARSE_MM)
    near = _mask_on(mask, fixed)
    best: tuple[sitk.Euler3DTransform, float] | None = None
    for translation in _starts(moving, points):
        start = sitk.Euler3DTransform(points.mean(axis=0).tolist(), 0.0, 0.0, 0.0, translation)
        found = _optimise(fixed, moving, near, start, step_mm=4.0)
        if found is not None and (best is None or found[1] > best[1]):
            best = found
            if _sharpness(fixed, moving, near, found[0]) > SAME_HEAD_FROM:
                break  # no other start can do better
    if best is None:
        return sitk.Euler3DTransform(), 0.0
    fixed, moving = _reduced(flair, FINE_MM), _reduced(t1, FINE_MM)
    near = _mask_on(mask, fixed)
    fine = _optimise(fixed, moving, near, best[0], step_mm=1.0)
    if fine is None:
        return best[0], 0.0
    return fine[0], _sharpness(fixed, moving, near, fine[0])


def _starts(moving: sitk.Image, points: np.ndarray) -> Iterator[list[float]]:
    """Translations (mm) to start from: none, centre on centre, and the brain's top below the head's top, whichever end of the
    volume that is, since the header of a rotated head is wrong.
    """
    yield [0.0, 0.0, 0.0]
    centre = points.mean(axis=0)
    middle = moving.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in moving.GetSize()])
    yield (np.asarray(middle) - centre).tolist()
    head = Grid.of(moving).points(np.argwhere(voxels_of(moving) > 0.2)[:, ::-1])
    for axis, sign in ((2, 1), (2, -1), (1, 1), (1, -1), (0, 1), (0, -1)):
        along = sign * head[:, axis]
        top = float(np.percentile(along, 99.8))
        below_top = head[along > top - HEAD_MM].mean(axis=0)
        below_top[axis] = sign * (top - SCALP_MM - float(np.ptp(points[:, axis])) / 2)
        yield (below_top - centre).tolist()


def _optimise(
    fixed: sitk.Image, moving: sitk.Image, mask: sitk.Image, start: sitk.Euler3DTransform, *, step_mm: float
) -> tuple[sitk.Euler3DTransform, float] | None:
    """The transform with the most mutual information near the start; None if the images do not overlap."""
    method = _method(mask)
    method.SetOptimizerAsRegularStepGradientDescent(step_mm, 0.01, 100, 0.6, 1e-7)
    method.SetOptimizerScales([RIM_MM**2] * 3 + [1.0] * 3)
    transform = sitk.Euler3DTransform(start)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:  # hardly any voxel of the FLAIR's brain falls into the T1
        return None
    return transform, -float(method.GetMetricValue())


def _method(mask: sitk.Image) -> sitk.ImageRegistrationMethod:
    """Mutual information over all voxels of the mask, computed the same way every time."""
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfWorkUnits(1)  # sums over threads depend on their order; results must be reproducible
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.NONE)
    # ITK's default smooths the image for its gradient only, and with thick slices stops 1 mm short of the optimum.
    method.MetricUseMovingImageGradientFilterOff()
    method.MetricUseFixedImageGradientFilterOff()
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _information(
    fixed: sitk.Image, moving: sitk.Image, mask: sitk.Image, transform: sitk.Euler3DTransform
) -> float:
    """The mutual information (nats); 0 where the two do not overlap."""
    method = _method(mask)
    method.SetInitialTransform(transform)
    try:
        return -float(method.MetricEvaluate(fixed, moving))
    except RuntimeError:
        return 0.0


def _sharpness(
    fixed: sitk.Image, moving: sitk.Image, mask: sitk.Image, transform: sitk.Euler3DTransform
) -> float:
    best = _information(fixed, moving, mask, transform)
    if best < LEAST_INFORMATION:
        return 0.0
    shifted, there, around = sitk.Euler3DTransform(transform), np.array(transform.GetTranslation()), []
    for shift in SHARPNESS_MM * np.concatenate((np.eye(3), -np.eye(3))):
        shifted.SetTranslation((there + shift).tolist())
        around.append(_information(fixed, moving, mask, shifted))
    return 1.0 - float(np.mean(around)) / best


def _reduced(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """The image averaged to voxels of about the given size, with the head's grey values replaced by evenly spread ranks.

    Fat is so bright on many T1 scans that the whole brain would fall into a few bins of the joint histogram.
    Ranks among the voxels of the head keep the contrasts that matter, whatever the scanner's units.
    """
    factors = [max(1, int(spacing_mm / spacing + 0.25)) for spacing in image.GetSpacing()]
    small = sitk.BinShrink(image, factors)
    array = sitk.GetArrayFromImage(small)
    head = array[array > array.mean()]
    knots = np.percentile(head, np.linspace(0, 100, 101))
    low = min(float(np.percentile(array, 0.5)), float(knots[0]))
    return Grid.of(small).image(
        np.interp(array, [low, *knots], [0.0, *np.linspace(0.2, 1.0, 101)]).astype(np.float32)
    )


def _mask_on(mask: sitk.Image, fixed: sitk.Image) -> sitk.Image:
    on_fixed = sitk.Resample(mask, fixed, sitk.Transform(), sitk.sitkNearestNeighbor)
    return sitk.BinaryDilate(on_fixed, [max(1, round(MARGIN_MM / spacing)) for spacing in fixed.GetSpacing()])


def _brain_points(flair: sitk.Image, brain: np.ndarray) -> np.ndarray:
    """About 5,000 LPS points (mm) at most, spread evenly over the brain."""
    voxels = np.argwhere(brain)
    return Grid.of(flair).points(voxels[:: max(1, len(voxels) // 5000), ::-1])


def _matrix(transform: sitk.Euler3DTransform) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.asarray(transform.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    return matrix


def _rotation_deg(matrix: np.ndarray) -> float:
    return math.degrees(math.acos(min(1.0, max(-1.0, (float(np.trace(matrix[:3, :3])) - 1) / 2))))
