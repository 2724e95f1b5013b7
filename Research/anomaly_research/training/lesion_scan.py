"""A prepared scan made ready for painting: what it shows, and what it holds before anything is painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from AnomalyDetectionLib.calibration.near_tumour import near_tumour
from AnomalyDetectionLib.calibration.scan_file import TrainingScan
from AnomalyDetectionLib.imaging.brain_extent import BrainExtent
from AnomalyDetectionLib.model.classes import IGNORED, NORMAL, OTHER, WMH
from scipy import ndimage

from ..painting.lesion_painting import IN_PLANE_MM

BRIGHT = 1.55  # FLAIR, scaled by tissue modes, above which a cluster is brighter than any normal tissue
_BRIGHT_VOXELS = 6
_EDGE_MM, _MIDDLE_MM = 7.0, 5.0


@dataclass(frozen=True)
class LesionScan:
    """A scan that lesions are painted on."""

    name: str  # these three as of the `TrainingScan`
    patient: str
    group: str
    images: np.ndarray  # float16 (slices, 2, rows, columns), scaled by tissue modes, 0 outside the brain
    brain: np.ndarray  # bool (slices, rows, columns)
    target: np.ndarray  # uint8, likewise: classes of what the scan itself holds; IGNORED: not known
    place: BrainExtent
    slice_mm: float  # distance of its slices
    noise: tuple[float, float]  # SD of the noise of T1 and of FLAIR

    @classmethod
    def of(cls, scan: TrainingScan) -> LesionScan:
        """Make a scan ready."""
        images = np.stack([scan.t1 * scan.brain, scan.flair * scan.brain], axis=1).astype(np.float16)
        noise = noise_of(scan.t1, scan.brain), noise_of(scan.flair, scan.brain)
        seen = images, scan.brain, known_target(scan), BrainExtent.of(scan.brain)
        return cls(scan.name, scan.patient, scan.group, *seen, scan.slice_mm, noise)


def noise_of(image: np.ndarray, brain: np.ndarray) -> float:
    """SD of the noise within the slices: what neighbours do not share, by its median."""
    high = image - ndimage.uniform_filter(image, (0, 3, 3))
    return float(1.4826 * np.median(np.abs(high[brain])) / np.sqrt(8 / 9))


def known_target(scan: TrainingScan) -> np.ndarray:
    """What is known of a scan before anything is painted: uint8 (slices, rows, columns), classes or IGNORED.

    A scan without a lesion class (a simulated head) is all normal. Lesions of the mask have their class; round a
    tumour (class OTHER) nothing is known within 10 mm and one slice, since oedema and mass effect go on there. Clusters of
    bright FLAIR voxels outside the mask are normal near the edge of the brain mask (dura, fat, inflow) and in the midline
    (septum). In white matter they are lesions that the mask lacks: WMH where the mask is one of WMH, else not known.
    """
    target = np.full(scan.brain.shape, NORMAL, np.uint8)
    if not scan.lesion_class:
        return target
    label = {"wmh": WMH, "tumour": OTHER}[scan.lesion_class]
    if label == OTHER:
        target[near_tumour(scan.lesion)] = IGNORED
    smooth = ndimage.gaussian_filter(scan.flair, (0, 0.6, 0.6))
    bright = (smooth > BRIGHT) & scan.brain & ~scan.lesion & (target == NORMAL)
    inside = np.stack([ndimage.distance_transform_edt(part) for part in scan.brain]) * IN_PLANE_MM
    middle = BrainExtent.of(scan.brain).middle[2]
    labels, _ = ndimage.label(bright)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        piece = labels[box] == number
        if np.count_nonzero(piece) < _BRIGHT_VOXELS:
            continue
        columns = np.nonzero(piece)[2] + box[2].start
        at_edge = inside[box][piece].mean() < _EDGE_MM
        at_middle = abs(columns.mean() - middle) * IN_PLANE_MM < _MIDDLE_MM
        in_white = scan.t1[box][piece].mean() > 0.72
        if not at_edge and not at_middle and in_white:
            target[box][piece] = WMH if label == WMH else IGNORED
    if label == WMH:  # masks of copied or thicker voxels are never exact at their border
        seam = ndimage.binary_dilation(scan.lesion, np.ones((1, 3, 3), bool)) & ~scan.lesion
        target[seam & (target == NORMAL) & (smooth > 1.25)] = IGNORED
    target[scan.lesion] = label
    return target
