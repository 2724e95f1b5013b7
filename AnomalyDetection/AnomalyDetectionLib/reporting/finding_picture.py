"""A picture of one finding: T1, FLAIR, and FLAIR with the score, the whole slice and a closer look.

Below, where the model has a library of normal patches, its highest patch beside the most similar of them.

Radiological convention, as in `drawing`. Pillow is imported when something is drawn, so that programs which may
lack it can import this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from ..detection.findings import Finding, Findings
from ..detection.nearest_normal import NearestNormals
from ..detection.score_map import ScoreMap
from .nearest_picture import HEADING, draw_comparison, explanation

if TYPE_CHECKING:
    from PIL import Image

    from .drawing import Window

TILE_WIDTH = 340
LEAST_CLOSE_MM = 60.0
"""Least width of the close-up, mm; larger findings are shown with a margin of their own size."""

GAP, TOP, LEGEND_WIDTH = 4, 104, 140
BOX_COLOUR, OTHERS_COLOUR = (120, 200, 255), (150, 150, 150)
LEGEND = "red: suspected\nwhite: this finding\ngrey: others\nblue: area of\nthe close-up"
COLUMNS = ("T1", "FLAIR", "FLAIR and score")
COMPARISON_TILE, COMPARISON_TOP = 96, 52


def draw_finding(
    scores: ScoreMap, findings: Findings, number: int, comparison: NearestNormals | None = None
) -> Image.Image:
    """Draw the slice of the model's grid that holds most of a finding.

    Args:
        number: of the finding; KeyError if there is none of that number.
        comparison: of its highest patch with normal tissue; None: left out.

    Returns:
        An RGB picture of some 1,200 x 900 pixels, or 1,200 x 1,150 with the comparison.
    """
    from PIL import Image, ImageDraw

    from . import drawing

    finding = {item.number: item for item in findings.items}[number]
    study = scores.study
    dx, dy, _ = study.grid.spacing
    labels = drawing.labels_on_model_grid(findings, scores)
    s = int(np.argmax(np.count_nonzero(labels == number, axis=(1, 2))))
    whole = drawing.window_of(study.brain | (labels > 0), dx, dy)
    close = close_window(labels[s] == number, dx, dy)

    score = drawing.scores_on_model_grid(scores)[s]
    t1_grey = drawing.grey_range(study.t1, study.brain, study.t1_scale)
    flair_grey = drawing.grey_range(study.flair, study.brain, study.flair_scale)
    probabilities = scores.probabilities
    rows = []
    for window in (whole, close):
        size = TILE_WIDTH, round(TILE_WIDTH * _height(window) * dy / (_width(window) * dx))
        t1 = drawing.grey_tile(study.t1[s][window], t1_grey, size)
        flair = drawing.grey_tile(study.flair[s][window], flair_grey, size)
        scored = drawing.with_scores(flair, score[window], findings.threshold, probabilities=probabilities)
        inside = labels[s][window]
        drawing.outline(scored, np.where(inside == number, 0, inside), OTHERS_COLOUR)
        drawing.outline(scored, np.where(inside == number, inside, 0))
        rows.append((t1, flair, scored))
    for tile in rows[0]:
        ImageDraw.Draw(tile).rectangle(_pixels(close, whole, tile.size), outline=BOX_COLOUR)
    for tiles, caption in zip(rows, (f"S {drawing.slice_height_mm(scores, s):.0f} mm", ""), strict=True):
        for tile in tiles:
            drawing.mark(tile, caption)

    width = 3 * TILE_WIDTH + 4 * GAP
    height = TOP + sum(tiles[0].height + GAP for tiles in rows)
    below = None if comparison is None else draw_comparison(comparison, tile=COMPARISON_TILE)
    extra = 0 if below is None else COMPARISON_TOP + below.height
    canvas = Image.new("RGB", (width + LEGEND_WIDTH, height + extra))
    pen = ImageDraw.Draw(canvas)
    small = drawing.font(13)
    title = f"Suspected anomaly {finding.number}, {finding.hint}: {finding.side}, {finding.region}"
    pen.text((GAP + 4, 6), title, fill="white", font=drawing.font(20, bold=True))
    pen.text((GAP + 4, 34), _line(finding, findings), fill="white", font=drawing.font(14))
    why = drawing.shortened(f"{finding.hint}: {finding.hint_evidence}", small, canvas.width - 2 * GAP - 8)
    pen.text((GAP + 4, 57), why, fill=drawing.QUIET, font=small)
    credit = canvas.width - 8, 10
    pen.text(credit, drawing.CREDIT, fill=drawing.CREDIT_COLOUR, font=small, anchor="ra")
    y = TOP
    for tiles in rows:
        for column, tile in enumerate(tiles):
            canvas.paste(tile, (GAP + column * (TILE_WIDTH + GAP), y))
        y += tiles[0].height + GAP
    for column, name in enumerate(COLUMNS):
        x = GAP + column * (TILE_WIDTH + GAP)
        pen.text((x + 4, TOP - 6), name, fill=drawing.QUIET, font=drawing.font(14), anchor="ls")
    if below is not None and comparison is not None:
        pen.text((GAP + 4, height + 6), HEADING, fill="white", font=drawing.font(14))
        text = explanation(comparison)
        pen.text((GAP + 4, height + 26), text, fill=drawing.QUIET, font=drawing.font(12))
        canvas.paste(below, (GAP, height + COMPARISON_TOP))
    drawing.draw_legend(canvas, width + 20, TOP + 30, findings.threshold, LEGEND, probabilities=probabilities)
    return canvas


def _line(finding: Finding, findings: Findings) -> str:
    r, a, s = finding.centroid_ras
    return (
        f"{finding.volume_ml:.2f} ml     score: highest {finding.peak_score:.2f}, mean {finding.mean_score:.2f}"
        f" (suspected above {findings.threshold:g})     centre: R {r:.0f}, A {a:.0f}, S {s:.0f} mm"
    )


def close_window(inside: np.ndarray, dx: float, dy: float) -> Window:
    """A square window round a finding in its slice, shifted to lie inside the image."""
    rows, columns = ndimage.find_objects(inside.astype(np.uint8))[0]
    extents_mm = (rows.stop - rows.start) * dy, (columns.stop - columns.start) * dx
    side_mm = max(LEAST_CLOSE_MM, 2 * max(extents_mm))

    def widened(part: slice, mm: float, size: int) -> slice:
        length = min(size, round(side_mm / mm))
        first = min(max(round((part.start + part.stop - length) / 2), 0), size - length)
        return slice(first, first + length)

    return widened(rows, dy, inside.shape[0]), widened(columns, dx, inside.shape[1])


def _pixels(inner: Window, outer: Window, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The edges (left, top, right, bottom) of one window in the picture of another."""
    across, down = size[0] / _width(outer), size[1] / _height(outer)
    left, right = ((edge - outer[1].start) * across for edge in (inner[1].start, inner[1].stop))
    top, bottom = ((edge - outer[0].start) * down for edge in (inner[0].start, inner[0].stop))
    return max(left, 1), max(top, 1), min(right, size[0] - 2), min(bottom, size[1] - 2)


def _width(window: Window) -> int:
    return int(window[1].stop - window[1].start)


def _height(window: Window) -> int:
    return int(window[0].stop - window[0].start)
