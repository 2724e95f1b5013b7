"""Experiment 3 as tables and figures: missed infarcts by volume and region, and beside normal tissue."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from AnomalyDetectionLib.detection.nearest_normal import NormalTissue
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.reporting import drawing
from AnomalyDetectionLib.reporting.nearest_picture import (
    FINDING_COLOUR,
    HEADING,
    as_png,
    draw_comparison,
    explanation,
    size_of,
)
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from ..evaluation import published
from ..evaluation.csv_rows import write_rows
from ..experiments.missed import ELSEWHERE, EvaluatedInfarct, Missed, fluid, missed_rows, region_rows
from .sweep_figures import save

FOUND_COLOUR, MISSED_COLOUR, MEDIAN_COLOUR = "#9db8cf", "#c8503c", "#6d1f12"
PAPER_COLOUR, INK = "#8a8a8a", "#222222"

EXAMPLES = 3
"""Missed infarcts of each region in the picture: the largest, of each subject one while there are others."""

SLICE_HEIGHT, TILE, TITLE, MARGIN = 190, 80, 22, 12


def write_missed(
    infarcts: Sequence[EvaluatedInfarct],
    missed: Sequence[Missed],
    folder: Path,
    *,
    said: str = "",
    patches: bool = True,
    slices_of: Callable[[str], PreparedStudy] | None = None,
) -> None:
    """Write missed.csv, missed_by_region.csv, missed.png and, where there was a comparison, missed_neighbours.png.

    Args:
        infarcts: all of the cohort.
        said: what was simulated, in a sentence; it stands on every picture.
        patches: whether to draw missed_neighbours.png, which shows tissue of the patients.
        slices_of: the prepared images of a subject: the picture then shows, as the paper's, where in the slice the
            infarct lies. Such a picture is one of the patient; without it, it shows patches alone.
    """
    write_rows(folder / "missed.csv", missed_rows(missed), ("subject", "lesion"))
    write_rows(folder / "missed_by_region.csv", region_rows(infarcts))
    draw_volumes_and_regions(infarcts, folder / "missed.png", said)
    picture = draw_neighbours(examples(missed), said, slices_of) if patches else None
    if picture is not None:
        (folder / "missed_neighbours.png").write_bytes(as_png(picture))


def in_words(
    infarcts: Sequence[EvaluatedInfarct], missed: Sequence[Missed], tissue: NormalTissue | None
) -> str:
    """What came out, in a few sentences."""
    volumes = [each.infarct.volume_ml for each in missed]
    if not volumes:
        return f"None of {len(infarcts)} infarcts was missed."
    small = sum(volume < 1 for volume in volumes)
    said = (
        f"{len(volumes)} of {len(infarcts)} infarcts were missed, median {np.median(volumes):.2f} ml, {small} under 1 ml "
        f"(paper: {published.MISSED} of {published.INFARCTS}, median {published.MISSED_MEDIAN_ML} ml)."
    )
    compared = [each.comparison for each in missed if each.comparison is not None]
    if tissue is None or not compared:
        return said
    theirs = np.mean([fluid(comparison.neighbours) for comparison in compared])
    near = np.mean([comparison.distances[0] <= comparison.usual[1] for comparison in compared])
    return (
        f"{said} The normal patches nearest to them are {100 * theirs:.0f} % cerebrospinal fluid or beyond the brain, "
        f"those of the library {100 * fluid(tissue.patches()):.0f} %; {100 * near:.0f} % of the missed infarcts lie as near "
        "to normal tissue as 95 % of normal tissue of other people does."
    )


def draw_volumes_and_regions(infarcts: Sequence[EvaluatedInfarct], path: Path, said: str = "") -> None:
    """Volumes of found and missed infarcts as a histogram, and the missed by region beside the paper's."""
    figure = Figure(figsize=(9.4, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_volumes(left, infarcts)
    _draw_regions(right, infarcts)
    figure.supxlabel(textwrap.fill(said, 165), fontsize=7, color=PAPER_COLOUR)
    save(figure, path)


def _draw_volumes(axes: Any, infarcts: Sequence[EvaluatedInfarct]) -> None:
    some = [infarct for infarct in infarcts if infarct.volume_ml > 0]
    volumes = [np.array([each.volume_ml for each in some if each.found == found]) for found in (False, True)]
    every = np.concatenate([*volumes, [published.SMALLEST_ML, 10.0]])
    low, high = np.floor(4 * np.log10(every.min())) / 4, np.ceil(4 * np.log10(every.max())) / 4
    edges = 10 ** np.arange(low, high + 0.125, 0.25)
    labels = [f"{name} ({len(each)})" for name, each in zip(("missed", "found"), volumes, strict=True)]
    colours = MISSED_COLOUR, FOUND_COLOUR
    axes.hist(volumes, edges, stacked=True, color=colours, label=labels, edgecolor="white", lw=0.5)
    if len(volumes[0]):
        median = float(np.median(volumes[0]))
        axes.axvline(median, color=MEDIAN_COLOUR, lw=1.4, label=f"median of the missed: {median:.2f} ml")
    paper = published.MISSED_MEDIAN_ML
    axes.axvline(paper, color=PAPER_COLOUR, lw=1.4, ls="--", label=f"in the paper: {paper:g} ml")
    axes.axvline(1.0, color=PAPER_COLOUR, lw=0.8, ls=":")
    axes.set(xscale="log", xlabel="volume of the infarct (ml)", ylabel="infarcts")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.get_major_locator().set_params(integer=True)
    _legend_above(axes)


def _draw_regions(axes: Any, infarcts: Sequence[EvaluatedInfarct]) -> None:
    rows = region_rows(infarcts)[:-1]
    places = np.arange(len(rows))[::-1]
    ours = [float(row["share_of_all_missed_percent"] or 0) for row in rows]
    theirs = [float(row["paper_share_of_all_missed_percent"] or 0) for row in rows]
    axes.barh(places + 0.19, ours, 0.36, color=MISSED_COLOUR, label="here")
    axes.barh(places - 0.19, theirs, 0.36, color=PAPER_COLOUR, label="paper")
    for place, row, share, papers_share in zip(places, rows, ours, theirs, strict=True):
        style = {"va": "center", "fontsize": 7.5, "color": INK}
        axes.text(share + 1, place + 0.19, f"{row['missed']} of {row['infarcts']} missed", **style)
        if row["region"] != ELSEWHERE:
            axes.text(papers_share + 1, place - 0.19, str(row["paper_missed"]), **style)
    axes.set_yticks(places, [str(row["region"]).replace(", ", ",\n") for row in rows], fontsize=8.5)
    axes.set(xlabel="share of all missed infarcts (%)", xlim=(0, max([*ours, *theirs, 1]) * 1.45))
    _legend_above(axes)


def _legend_above(axes: Any) -> None:
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0))


def examples(missed: Sequence[Missed]) -> list[Missed]:
    """Missed infarcts for the picture: the largest of each region, from as many subjects as there are."""
    chosen: list[Missed] = []
    for region in (*published.MISSED_BY_REGION, ELSEWHERE):
        there = [
            each for each in missed if each.infarct.papers_region == region and each.comparison is not None
        ]
        there.sort(key=lambda each: -each.infarct.volume_ml)
        subjects = [each.infarct.subject for each in there]
        # The first of each subject, then the second ones.
        ranked = sorted(range(len(there)), key=lambda place: subjects[:place].count(subjects[place]))
        chosen += [there[place] for place in ranked[:EXAMPLES]]
    return chosen


def draw_neighbours(
    chosen: Sequence[Missed], said: str = "", slices_of: Callable[[str], PreparedStudy] | None = None
) -> Any:
    """Patches of missed infarcts beside the nearest normal patches (figure 6); None where there is none to draw.

    Args:
        chosen: with a comparison each.
        said, slices_of: as for `write_missed`.
    """
    if not chosen:
        return None
    first = chosen[0].comparison
    assert first is not None
    tile = SLICE_HEIGHT // 2 - 10 if slices_of is not None else TILE
    width, height = size_of(1 + len(first.neighbours), tile)
    slices = [None if slices_of is None else _slice(slices_of(each.infarct.subject), each) for each in chosen]
    beside = max(0 if picture is None else picture.width for picture in slices)
    down, across = max(height, SLICE_HEIGHT if beside else 0) + TITLE + MARGIN, width + beside + 3 * MARGIN
    columns = 1 if len(chosen) < 4 else 2
    rows = -(-len(chosen) // columns)
    wide = max(columns * across + MARGIN, 640)
    lines = textwrap.wrap(said, wide // 7)
    top = 56 + 16 * len(lines)
    canvas = Image.new("RGB", (wide, top + rows * down))
    pen = ImageDraw.Draw(canvas)
    pen.text((MARGIN, 6), f"Missed infarcts. {HEADING}", fill="white", font=drawing.font(16, bold=True))
    text = drawing.shortened(explanation(first), drawing.font(12), canvas.width - 2 * MARGIN)
    pen.text((MARGIN, 30), text, fill=drawing.QUIET, font=drawing.font(12))
    pen.text((MARGIN, 48), "\n".join(lines), fill=drawing.QUIET, font=drawing.font(11), spacing=3)
    for place, (each, picture) in enumerate(zip(chosen, slices, strict=True)):
        x, y = MARGIN + across * (place // rows), top + down * (place % rows)
        infarct = each.infarct
        title = (
            f"{infarct.papers_region}: {infarct.kind}{', cavity' if infarct.cavitated == 'yes' else ''}, "
            f"{infarct.volume_ml:.2f} ml, score {infarct.peak_score:.2f}"
        )
        font = drawing.font(13)
        pen.text((x, y), drawing.shortened(title, font, across - MARGIN), fill="white", font=font)
        if picture is not None:
            canvas.paste(picture, (x, y + TITLE))
        assert each.comparison is not None
        compared = draw_comparison(each.comparison, tile=tile, name="missed")
        canvas.paste(compared, (x + beside + (MARGIN if beside else 0), y + TITLE))
    return canvas


def _slice(study: PreparedStudy, each: Missed) -> Any:
    """The FLAIR's slice with the patch in a red square, as in the paper; radiological convention."""
    assert each.centre is not None
    assert each.comparison is not None
    dx, dy, _ = study.grid.spacing
    s, row, column = each.centre
    rows, columns = drawing.window_of(study.brain, dx, dy)
    plane = study.flair[s][rows, columns]
    scale = SLICE_HEIGHT / (plane.shape[0] * dy)
    grey = drawing.grey_range(study.flair, study.brain, study.flair_scale)
    tile = drawing.grey_tile(plane, grey, (round(plane.shape[1] * dx * scale), SLICE_HEIGHT))
    half = each.comparison.patch.shape[-1] / 2
    left, right = ((column + 0.5 + sign * half - columns.start) * dx * scale for sign in (-1, 1))
    top, bottom = ((row + 0.5 + sign * half - rows.start) * dy * scale for sign in (-1, 1))
    ImageDraw.Draw(tile).rectangle((left, top, right, bottom), outline=FINDING_COLOUR, width=2)
    drawing.mark(tile, "")
    return tile
