"""`overlay.png`: the relevant slices, FLAIR in grey, scores in the paper's colours, findings outlined.

Radiological convention: the patient's left is on the right of the image, front on top; the slices run from
the neck upwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ..detection.findings import Findings
from ..detection.score_map import ScoreMap
from . import drawing

EVEN_SLICES = 20
MOST_SLICES = 42
TILES_A_ROW = 6
PIXELS_A_MM = 1.6
LEGEND_WIDTH = 130
LEGEND = "red: suspected\noutline: a finding\nnumber: its row\nin findings.csv\nS: mm upwards\n(RAS)"


def draw_overlay(scores: ScoreMap, findings: Findings, header: Sequence[str]) -> Image.Image:
    """The montage as an RGB picture; `header`: lines above it, the first one large."""
    montage = draw_montage(scores, findings)
    montage_width = max(montage.width, 700)
    top = 46 + 22 * len(header)
    canvas = Image.new("RGB", (montage_width + LEGEND_WIDTH, max(top + montage.height, top + 320) + 12))
    _write_header(canvas, header)
    canvas.paste(montage, (0, top))
    drawing.draw_legend(
        canvas, montage_width + 24, top + 40, findings.threshold, LEGEND, probabilities=scores.probabilities
    )
    return canvas


def draw_montage(
    scores: ScoreMap, findings: Findings, *, even: int = EVEN_SLICES, most: int = MOST_SLICES
) -> Image.Image:
    """The slices alone, `TILES_A_ROW` in a row, as an RGB picture; see `slices_to_show`."""
    tiles = _tiles(scores, findings, even, most)
    width, height = tiles[0].size
    columns = min(TILES_A_ROW, len(tiles))
    canvas = Image.new("RGB", (columns * width, -(-len(tiles) // columns) * height))
    for place, tile in enumerate(tiles):
        canvas.paste(tile, ((place % columns) * width, (place // columns) * height))
    return canvas


def slices_to_show(
    brain: np.ndarray, labels: np.ndarray, even: int = EVEN_SLICES, most: int = MOST_SLICES
) -> list[int]:
    """`even` evenly spaced slices of the brain and those with findings, from the lowest to the highest.

    If there are more than `most`, priority goes to the slice with the largest area of each finding, in the order of
    their numbers, then to the evenly spaced slices, then to the other slices with findings.
    """
    with_brain = np.flatnonzero(brain.any(axis=(1, 2)))
    if len(with_brain) == 0:
        return [brain.shape[0] // 2]
    spread = with_brain[np.linspace(0, len(with_brain) - 1, min(even, len(with_brain))).round().astype(int)]
    largest = [
        int(np.argmax(np.count_nonzero(labels == number, axis=(1, 2))))
        for number in np.unique(labels[labels > 0])
    ]
    others = np.flatnonzero((labels > 0).any(axis=(1, 2)))
    in_order = dict.fromkeys([*largest, *map(int, spread), *map(int, others)])
    return sorted(list(in_order)[:most])


def _tiles(scores: ScoreMap, findings: Findings, even: int, most: int) -> list[Image.Image]:
    study, probabilities = scores.study, scores.probabilities
    labels = drawing.labels_on_model_grid(findings, scores)
    dx, dy, _ = study.grid.spacing
    window = drawing.window_of(study.brain | (labels > 0), dx, dy)
    rows, columns = window
    width_mm, height_mm = (columns.stop - columns.start) * dx, (rows.stop - rows.start) * dy
    size = round(width_mm * PIXELS_A_MM), round(height_mm * PIXELS_A_MM)
    score = drawing.scores_on_model_grid(scores)
    grey = drawing.grey_range(study.flair, study.brain, study.flair_scale)
    tiles = []
    for s in slices_to_show(study.brain, labels, even, most):
        tile = drawing.grey_tile(study.flair[s][window], grey, size)
        tile = drawing.with_scores(tile, score[s][window], findings.threshold, probabilities=probabilities)
        drawing.outline(tile, labels[s][window])
        drawing.mark(tile, f"S {drawing.slice_height_mm(scores, s):.0f} mm")
        tiles.append(tile)
    return tiles


def _write_header(canvas: Image.Image, header: Sequence[str]) -> None:
    pen = ImageDraw.Draw(canvas)
    for place, line in enumerate(header):
        font = drawing.font(20, bold=True) if place == 0 else drawing.font(14)
        text = drawing.shortened(line, font, canvas.width - 24)
        pen.text((12, 10 + (0 if place == 0 else 10 + 22 * place)), text, fill="white", font=font)
    pen.text((12, 22 + 22 * len(header)), drawing.CREDIT, fill=drawing.CREDIT_COLOUR, font=drawing.font(14))
