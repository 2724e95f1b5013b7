"""A thumbnail of a scan to check the result at a glance: brain mask and findings on four slices.

Three FLAIR slices from low to high, and the middle one on the T1. Radiological convention, as in `drawing`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from ..detection.pipeline import Detection
from ..reporting import drawing

HEIGHT = 150
"""Height of the picture, pixels."""
SHARES = (0.3, 0.5, 0.7)
"""Positions of the slices, as fractions of the brain's height."""
BRAIN_COLOUR, FINDING_COLOUR = (90, 170, 255), (255, 70, 60)
QUALITY = 68
_GAP = 2


def draw_thumbnail(detection: Detection) -> Image.Image:
    """Draw the brain mask in blue and findings in red, about 500 x 150 pixels."""
    scores, study = detection.scores, detection.scores.study
    labels = drawing.labels_on_model_grid(detection.findings, scores)
    dx, dy, _ = study.grid.spacing
    window = drawing.window_of(study.brain, dx, dy)
    height_mm = (window[0].stop - window[0].start) * dy
    width_mm = (window[1].stop - window[1].start) * dx
    size = max(1, round(HEIGHT * width_mm / height_mm)), HEIGHT
    inside = np.flatnonzero(study.brain.any(axis=(1, 2)))
    slices = [int(inside[min(int(share * len(inside)), len(inside) - 1)]) for share in SHARES]
    t1_grey = drawing.grey_range(study.t1, study.brain, study.t1_scale)
    flair_grey = drawing.grey_range(study.flair, study.brain, study.flair_scale)
    tiles = [(study.flair, flair_grey, s) for s in slices] + [(study.t1, t1_grey, slices[1])]
    canvas = Image.new("RGB", (len(tiles) * (size[0] + _GAP) - _GAP, HEIGHT))
    for place, (image, grey, s) in enumerate(tiles):
        tile = np.array(drawing.grey_tile(image[s][window], grey, size))
        tile[_contour(study.brain[s][window], size)] = BRAIN_COLOUR
        tile[_contour(labels[s][window] > 0, size)] = FINDING_COLOUR
        canvas.paste(Image.fromarray(tile), (place * (size[0] + _GAP), 0))
    return canvas


def write_thumbnail(detection: Detection, path: Path) -> None:
    """Write the thumbnail as a JPEG of 10 to 20 kB."""
    draw_thumbnail(detection).save(path, "JPEG", quality=QUALITY, optimize=True)


def _contour(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The inner edge of a mask, bool, enlarged to `size` (width, height)."""
    rows = (np.arange(size[1]) * mask.shape[0]) // size[1]
    columns = (np.arange(size[0]) * mask.shape[1]) // size[0]
    large = mask[rows][:, columns]
    return np.asarray(large & ~ndimage.binary_erosion(large, border_value=0))
