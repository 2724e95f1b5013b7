"""`overlay.png`: the slices that matter, FLAIR in grey, scores in the paper's colours, findings outlined.

Radiological convention: the patient's left is on the right of the image, front on top; the slices run from
the neck upwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from ..detection.findings import Findings
from ..detection.score_map import ScoreMap
from .colours import score_colours

EVEN_SLICES = 20
MOST_SLICES = 42
TILES_A_ROW = 6
PIXELS_A_MM = 1.6
MARGIN_MM = 6.0
LEGEND_WIDTH = 130
CREDIT = "Research use only. Not a medical device."


def write_overlay(scores: ScoreMap, findings: Findings, header: Sequence[str], path: Path) -> None:
    """Draw the montage and write it as PNG.

    Args:
        scores: the scored brain.
        findings: what was derived from it.
        header: lines above the montage, the first one large.
        path: the file.

    Raises:
        OSError: if the file cannot be written.
    """
    draw_overlay(scores, findings, header).save(path, format="PNG")


def draw_overlay(scores: ScoreMap, findings: Findings, header: Sequence[str]) -> Image.Image:
    """The montage as an RGB picture; see `write_overlay`."""
    labels = _on_model_grid(findings.labels, scores)
    for finding in findings.items:
        if not np.any(labels == finding.number):  # smaller than a voxel of the model's grid
            labels[_nearest_voxel(scores, finding.centroid_ras)] = finding.number
    tiles = _tiles(scores, labels, findings)
    width, height = tiles[0].size
    columns = min(TILES_A_ROW, len(tiles))
    rows = -(-len(tiles) // columns)
    montage_width = max(columns * width, 700)
    top = 46 + 22 * len(header)
    canvas = Image.new("RGB", (montage_width + LEGEND_WIDTH, max(top + rows * height, top + 320) + 12))
    _write_header(canvas, header)
    for place, tile in enumerate(tiles):
        canvas.paste(tile, ((place % columns) * width, top + (place // columns) * height))
    _draw_legend(canvas, montage_width + 24, top + 40, findings.threshold)
    return canvas


def slices_to_show(brain: np.ndarray, labels: np.ndarray) -> list[int]:
    """Evenly chosen slices of the brain, and those with findings, from the lowest to the highest.

    Where that is more than `MOST_SLICES`, the largest slice of each finding goes first, in the order of
    their numbers, then the even choice, then what else has a finding.
    """
    with_brain = np.flatnonzero(brain.any(axis=(1, 2)))
    if len(with_brain) == 0:
        return [brain.shape[0] // 2]
    even = with_brain[
        np.linspace(0, len(with_brain) - 1, min(EVEN_SLICES, len(with_brain))).round().astype(int)
    ]
    largest = [
        int(np.argmax(np.count_nonzero(labels == number, axis=(1, 2))))
        for number in np.unique(labels[labels > 0])
    ]
    others = np.flatnonzero((labels > 0).any(axis=(1, 2)))
    in_order = dict.fromkeys([*largest, *map(int, even), *map(int, others)])
    return sorted(list(in_order)[:MOST_SLICES])


def _tiles(scores: ScoreMap, labels: np.ndarray, findings: Findings) -> list[Image.Image]:
    study = scores.study
    dx, dy, _ = study.grid.spacing
    crop = _crop(study.brain | (labels > 0), dx, dy)
    size = (
        round((crop[1].stop - crop[1].start) * dx * PIXELS_A_MM),
        round((crop[0].stop - crop[0].start) * dy * PIXELS_A_MM),
    )
    score = np.where(study.brain, _on_model_grid(scores.image, scores), 0)
    # Black is no signal at all; white is what few voxels of the brain exceed.
    black = float(study.flair_scale.apply(np.zeros(1))[0])
    white = float(np.percentile(study.flair[study.brain], 99.7)) if study.brain.any() else 1.0
    tiles = []
    for s in slices_to_show(study.brain, labels):
        grey = np.clip((study.flair[s][crop] - black) / max(white - black, 1e-6), 0, 1) * 255
        picture = Image.fromarray(grey.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
        colours = Image.fromarray((score_colours(score[s][crop], findings.threshold) * 255).astype(np.uint8))
        tile = picture.convert("RGBA")
        tile.alpha_composite(colours.resize(size, Image.Resampling.NEAREST))
        tile = tile.convert("RGB")
        _outline(tile, labels[s][crop])
        _mark(tile, study.grid.points(_slice_centre(study.brain.shape, s))[0][2])
        tiles.append(tile)
    return tiles


def _outline(tile: Image.Image, labels: np.ndarray) -> None:
    """Contour and number of each finding in this slice."""
    # Labels exceed what an 8-bit picture holds, so they are enlarged by index.
    width, height = tile.size
    rows = (np.arange(height) * labels.shape[0]) // height
    columns = (np.arange(width) * labels.shape[1]) // width
    large = np.pad(labels[rows][:, columns], 1)
    inner = large[1:-1, 1:-1]
    neighbours = (large[:-2, 1:-1], large[2:, 1:-1], large[1:-1, :-2], large[1:-1, 2:])
    edge = (inner > 0) & np.any([neighbour != inner for neighbour in neighbours], axis=0)
    pixels = np.array(tile)
    pixels[edge] = 255
    tile.paste(Image.fromarray(pixels))
    pen = ImageDraw.Draw(tile)
    for number, box in enumerate(ndimage.find_objects(inner), start=1):
        if box is None:
            continue
        y, x = box[0].start - 16, box[1].stop + 2
        text = str(number)
        x = min(x, width - 9 * len(text) - 3)
        pen.text(
            (x, max(y, 0)), text, fill="white", font=_font(14, bold=True), stroke_width=2, stroke_fill="black"
        )


def _mark(tile: Image.Image, superior_mm: float) -> None:
    """Sides, height, and a thin frame."""
    width, height = tile.size
    pen = ImageDraw.Draw(tile)
    text: dict[str, Any] = {"font": _font(12), "stroke_width": 1, "stroke_fill": "black"}
    pen.text((4, height // 2), "R", fill=(190, 190, 190), anchor="lm", **text)
    pen.text((width - 4, height // 2), "L", fill=(190, 190, 190), anchor="rm", **text)
    pen.text((4, height - 4), f"S {superior_mm:.0f} mm", fill=(190, 190, 190), anchor="lb", **text)
    pen.rectangle((0, 0, width - 1, height - 1), outline=(40, 40, 40))


def _write_header(canvas: Image.Image, header: Sequence[str]) -> None:
    pen = ImageDraw.Draw(canvas)
    for place, line in enumerate(header):
        font = _font(20, bold=True) if place == 0 else _font(14)
        text = _shortened(line, font, canvas.width - 24)
        pen.text((12, 10 + (0 if place == 0 else 10 + 22 * place)), text, fill="white", font=font)
    pen.text((12, 22 + 22 * len(header)), CREDIT, fill=(255, 200, 90), font=_font(14))


def _draw_legend(canvas: Image.Image, x: int, y: int, threshold: float) -> None:
    """A colour bar from 0 to twice the threshold, over the grey of tissue."""
    height, width = 240, 22
    values = np.linspace(2 * max(threshold, 0.5), 0, height)
    colours = score_colours(values, threshold)
    # Shown stronger than on the brain, in the same order, so that the hues can be told apart.
    strength = np.minimum(colours[:, 3:] * 1.6, 1)
    bar = (colours[:, :3] * strength + 0.25 * (1 - strength)) * 255
    canvas.paste(Image.fromarray(np.repeat(bar.astype(np.uint8)[:, None], width, axis=1)), (x, y))
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((x, y, x + width, y + height), outline=(150, 150, 150))
    pen.text((x, y - 10), "Score", fill="white", font=_font(14), anchor="ls")
    top = values[0]
    for value in (0.0, threshold / 2, threshold, top):
        at = y + height * (1 - value / top)
        pen.line((x + width, at, x + width + 4, at), fill="white")
        label = f"{value:.1f}".removesuffix(".0")
        pen.text((x + width + 8, at), label, fill="white", font=_font(13), anchor="lm")
    pen.text(
        (x, y + height + 12),
        "red: suspected\noutline: a finding\nnumber: its row\nin findings.csv\nS: mm upwards\n(RAS)",
        fill=(190, 190, 190),
        font=_font(12),
        spacing=4,
    )


def _on_model_grid(image: sitk.Image, scores: ScoreMap) -> np.ndarray:
    reference = scores.study.grid.empty_image()
    nearest = sitk.Resample(image, reference, sitk.Transform(), sitk.sitkNearestNeighbor)
    return sitk.GetArrayFromImage(nearest)


def _nearest_voxel(scores: ScoreMap, ras: tuple[float, float, float]) -> tuple[int, ...]:
    grid = scores.study.grid
    index = grid.indices(np.array([[-ras[0], -ras[1], ras[2]]]))[0].round().astype(int)
    return tuple(np.clip(index[::-1], 0, np.array(grid.shape) - 1))


def _slice_centre(shape: tuple[int, ...], s: int) -> np.ndarray:
    return np.array([[(shape[2] - 1) / 2, (shape[1] - 1) / 2, s]])


def _crop(shown: np.ndarray, dx: float, dy: float) -> tuple[slice, slice]:
    """Rows and columns that hold all that is to be shown, and a margin."""
    flat = np.asarray(shown.any(axis=0))
    if not flat.any():
        return slice(0, flat.shape[0]), slice(0, flat.shape[1])
    rows, columns = np.flatnonzero(flat.any(axis=1)), np.flatnonzero(flat.any(axis=0))
    my, mx = round(MARGIN_MM / dy), round(MARGIN_MM / dx)
    return (
        slice(max(int(rows[0]) - my, 0), min(int(rows[-1]) + 1 + my, flat.shape[0])),
        slice(max(int(columns[0]) - mx, 0), min(int(columns[-1]) + 1 + mx, flat.shape[1])),
    )


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    # Matplotlib brings the font files; its own text engine would first build a font cache for seconds.
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)
