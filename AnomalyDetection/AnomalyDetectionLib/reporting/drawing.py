"""What all pictures of a scan share: slices in grey, scores in the paper's colours, outlines, sides, legend.

Slices are those of the model's grid. Radiological convention: the patient's left is on the right of the image,
front on top.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from ..detection.findings import Findings
from ..detection.score_map import ScoreMap
from ..imaging.prepared import IntensityScale
from ..model.bundled import resources
from .colours import lightest_score, score_colours

MARGIN_MM = 6.0
CREDIT = "Research use only. Not a medical device."
CREDIT_COLOUR = (255, 200, 90)
QUIET = (190, 190, 190)

Window = tuple[slice, slice]
"""Rows and columns of a slice."""


def labels_on_model_grid(findings: Findings, scores: ScoreMap) -> np.ndarray:
    """The numbers of the findings, (slices, rows, columns); each has at least one voxel."""
    labels = on_model_grid(findings.labels, scores)
    for finding in findings.items:
        if not np.any(labels == finding.number):  # smaller than a voxel of the model's grid
            labels[_nearest_voxel(scores, finding.centroid_ras)] = finding.number
    return labels


def scores_on_model_grid(scores: ScoreMap) -> np.ndarray:
    """The scores, (slices, rows, columns), 0 outside the brain."""
    return np.where(scores.study.brain, on_model_grid(scores.image, scores), 0)


def on_model_grid(image: sitk.Image, scores: ScoreMap) -> np.ndarray:
    """An image on the model's grid by nearest neighbour."""
    reference = scores.study.grid.empty_image()
    nearest = sitk.Resample(image, reference, sitk.Transform(), sitk.sitkNearestNeighbor)
    return sitk.GetArrayFromImage(nearest)


def grey_range(
    image: np.ndarray, brain: np.ndarray, scale: IntensityScale, percentile: float = 99.7
) -> tuple[float, float]:
    """What is drawn black, no signal at all, and white, what few voxels of the brain exceed (percentile)."""
    white = float(np.percentile(image[brain], percentile)) if brain.any() else 1.0
    return float(scale.apply(np.zeros(1))[0]), white


def grey_tile(plane: np.ndarray, black_white: tuple[float, float], size: tuple[int, int]) -> Image.Image:
    """A slice, or a window of it, as an RGB picture of `size` (width, height) pixels."""
    black, white = black_white
    grey = np.clip((plane - black) / max(white - black, 1e-6), 0, 1) * 255
    return Image.fromarray(grey.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC).convert("RGB")


def with_scores(
    tile: Image.Image, plane: np.ndarray, threshold: float, *, probabilities: bool = False
) -> Image.Image:
    """The tile under the scores of the same window."""
    lightest = lightest_score(threshold, probabilities=probabilities)
    colours = Image.fromarray((score_colours(plane, threshold, lightest) * 255).astype(np.uint8))
    under = tile.convert("RGBA")
    under.alpha_composite(colours.resize(tile.size, Image.Resampling.NEAREST))
    return under.convert("RGB")


def outline(tile: Image.Image, labels: np.ndarray, colour: tuple[int, int, int] = (255, 255, 255)) -> None:
    """Contour and number of each finding in a window."""
    # Labels exceed what an 8-bit picture holds, so they are enlarged by index.
    width, height = tile.size
    rows = (np.arange(height) * labels.shape[0]) // height
    columns = (np.arange(width) * labels.shape[1]) // width
    large = np.pad(labels[rows][:, columns], 1)
    inner = large[1:-1, 1:-1]
    neighbours = (large[:-2, 1:-1], large[2:, 1:-1], large[1:-1, :-2], large[1:-1, 2:])
    edge = (inner > 0) & np.any([neighbour != inner for neighbour in neighbours], axis=0)
    pixels = np.array(tile)
    pixels[edge] = colour
    tile.paste(Image.fromarray(pixels))
    pen = ImageDraw.Draw(tile)
    for number, box in enumerate(ndimage.find_objects(inner), start=1):
        if box is None:
            continue
        text = str(number)
        place = min(box[1].stop + 2, width - 9 * len(text) - 3), max(box[0].start - 16, 0)
        pen.text(place, text, fill=colour, font=font(14, bold=True), stroke_width=2, stroke_fill="black")


def mark(tile: Image.Image, caption: str) -> None:
    """The patient's sides, a caption at the foot, and a thin frame."""
    width, height = tile.size
    pen = ImageDraw.Draw(tile)
    text: dict[str, Any] = {"font": font(12), "stroke_width": 1, "stroke_fill": "black", "fill": QUIET}
    pen.text((4, height // 2), "R", anchor="lm", **text)
    pen.text((width - 4, height // 2), "L", anchor="rm", **text)
    pen.text((4, height - 4), caption, anchor="lb", **text)
    pen.rectangle((0, 0, width - 1, height - 1), outline=(40, 40, 40))


def draw_legend(
    canvas: Image.Image, x: int, y: int, threshold: float, lines: str, *, probabilities: bool = False
) -> None:
    """A colour bar from 0 to where the red is lightest, over the grey of tissue, with lines of text below it."""
    height, width = 240, 22
    top = lightest_score(max(threshold, 0.5), probabilities=probabilities)
    values = np.linspace(top, 0, height)
    colours = score_colours(values, threshold, top)
    # Shown stronger than on the brain, in the same order, so that the hues can be told apart.
    strength = np.minimum(colours[:, 3:] * 1.6, 1)
    bar = (colours[:, :3] * strength + 0.25 * (1 - strength)) * 255
    canvas.paste(Image.fromarray(np.repeat(bar.astype(np.uint8)[:, None], width, axis=1)), (x, y))
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((x, y, x + width, y + height), outline=(150, 150, 150))
    pen.text((x, y - 10), "Score", fill="white", font=font(14), anchor="ls")
    for value in marks_of_bar(threshold, top):
        at = y + height * (1 - value / top)
        pen.line((x + width, at, x + width + 4, at), fill="white")
        pen.text((x + width + 8, at), f"{value:.3g}", fill="white", font=font(13), anchor="lm")
    pen.text((x, y + height + 12), lines, fill=QUIET, font=font(12), spacing=4)


def marks_of_bar(threshold: float, top: float) -> list[float]:
    """The scores that a bar from 0 to `top` names: the threshold, if it is there, and those that do not lie over it."""
    others = [value for value in (0.0, top / 2, top) if abs(value - threshold) > 0.07 * top]
    return [threshold, *others] if threshold <= top else others


def slice_height_mm(scores: ScoreMap, s: int) -> float:
    """How high the middle of a slice lies: its superior coordinate (RAS), mm."""
    grid = scores.study.grid
    middle = np.array([[(grid.size[0] - 1) / 2, (grid.size[1] - 1) / 2, s]])
    return float(grid.points(middle)[0][2])


def window_of(shown: np.ndarray, dx: float, dy: float) -> Window:
    """Rows and columns that hold all that is to be shown, bool (slices, rows, columns), and a margin."""
    flat = np.asarray(shown.any(axis=0))
    boxes = ndimage.find_objects(flat.astype(np.uint8)) or [(slice(0, size) for size in flat.shape)]
    margins = round(MARGIN_MM / dy), round(MARGIN_MM / dx)
    rows, columns = (
        slice(max(part.start - margin, 0), min(part.stop + margin, size))
        for part, margin, size in zip(boxes[0], margins, flat.shape, strict=True)
    )
    return rows, columns


def shortened(text: str, with_font: ImageFont.FreeTypeFont, width: int) -> str:
    """A text that fits into so many pixels."""
    if with_font.getlength(text) <= width:
        return text
    while text and with_font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font of all pictures; a size in pixels.

    It has Latin, Greek, Cyrillic and more, for names of images may be in any of them; Pillow's own has little but ASCII.
    """
    path = resources() / "Fonts" / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    # Pillow's other layout engine draws garbage within Slicer, where Qt has loaded another FreeType before it.
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def _nearest_voxel(scores: ScoreMap, ras: tuple[float, float, float]) -> tuple[int, ...]:
    grid = scores.study.grid
    index = grid.indices(np.array([[-ras[0], -ras[1], ras[2]]]))[0].round().astype(int)
    return tuple(np.clip(index[::-1], 0, np.array(grid.shape) - 1))
