"""Experiment 1 as figures: the paper's figure 4, and latent size, percentile and threshold judged together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullLocator

from ..evaluation import published
from ..experiments.latent_sweep import (
    Performance,
    SweepCounts,
    at_false_positives,
    at_threshold,
    best_of,
    papers_setting,
)

INK, PALE = "#222222", "#8a8a8a"


def draw_froc(counts: SweepCounts, path: Path) -> None:
    """Figure 4a: sensitivity over suspected anomalies a scan at a threshold of 3, one line a latent size.

    Along a line the percentile rises from left to right. The inset names the percentiles for a latent size of 100.
    """
    figure = Figure(figsize=(7.6, 4.4), layout="constrained")
    # The inset stands beside the curves, where it hides none of them, whichever corner they leave free.
    places = figure.subplot_mosaic(
        [["curves", "legend"], ["curves", "inset"]], width_ratios=(2.3, 1), height_ratios=(1.15, 1)
    )
    axes, inset = places["curves"], places["inset"]
    places["legend"].set_axis_off()
    points = at_threshold(counts)
    centre = min(counts.latent_sizes, key=lambda size: abs(size - published.BEST_LATENT_SIZE))
    colours = _colours(counts)
    for size, colour in colours.items():
        line = [p for p in points if p.latent_size == size]
        strong = size == centre
        axes.plot(*_places(line), "-o", color=colour, lw=2.2 if strong else 1.2, ms=4 if strong else 2.8,
                  label=f"{size}", zorder=3 if strong else 2)  # fmt: skip
    star = published.BEST_FINDINGS_A_SCAN, 100 * published.BEST_SENSITIVITY
    label = "paper's optimum\n(real infarcts)"
    axes.plot(*star, "*", color="#c03028", ms=13, mec="white", label=label, zorder=4)
    axes.set(xlabel="suspected anomalies a scan", ylabel="infarcts found (%)", ylim=(-2, 102))
    right = 1.04 * max(star[0], *(p.findings for p in points))
    axes.set_xlim(-0.02 * right, right)
    places["legend"].legend(*axes.get_legend_handles_labels(), title="latent size", frameon=False, fontsize=8,
                            title_fontsize=8, loc="upper left", borderaxespad=0)  # fmt: skip
    line = [p for p in points if p.latent_size == centre]
    inset.plot(*_places(line), "-o", color=colours[centre], lw=1.6, ms=3)
    _name_percentiles(inset, line)
    inset.set_title(f"percentile N, latent size {centre}", fontsize=7.5, color=INK)
    inset.tick_params(labelsize=6.5)
    inset.margins(0.12)
    save(figure, path)


def draw_volume_shares(counts: SweepCounts, path: Path) -> None:
    """Figure 4b: share of the infarcts' volume that was found, by latent size and percentile, at a threshold of 3."""
    maps = {"threshold 3": at_threshold(counts)}
    _draw_maps(maps, counts, "volume_share", "infarct volume found (%)", path)


def draw_joint(counts: SweepCounts, allowed: float, allowed_without_wmh: float, path: Path) -> None:
    """Sensitivity by latent size and percentile when each has the threshold that gives equal false positives.

    Once with findings on white matter hyperintensities among the false positives, once without.
    """
    ignored = f"at {allowed_without_wmh:g} false positives a scan, white matter hyperintensities ignored"
    maps = {
        f"at {allowed:g} false positives a scan": at_false_positives(counts, allowed),
        ignored: at_false_positives(counts, allowed_without_wmh, ignore_wmh=True),
    }
    _draw_maps(maps, counts, "sensitivity", "infarcts found (%)", path)


def draw_thresholds(counts: SweepCounts, allowed: float, path: Path) -> None:
    """Why N cannot be judged at one threshold: the threshold that each N needs for the same false positives.

    And what sensitivity is left of the differences between percentiles then.
    """
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    points = at_false_positives(counts, allowed)
    for size, colour in _colours(counts).items():
        line = [p for p in points if p.latent_size == size and np.isfinite(p.threshold)]
        percentiles, style = [p.percentile for p in line], {"ms": 2.8, "lw": 1.3, "color": colour}
        left.plot(percentiles, [p.threshold for p in line], "-o", label=f"{size}", **style)
        right.plot(percentiles, [100 * p.sensitivity for p in line], "-o", **style)
    left.axhline(published.THRESHOLD, color=PALE, ls=":", lw=1, label="the paper's 3")
    left.set(xlabel="percentile N", ylabel="threshold needed", yscale="log")
    left.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
    left.yaxis.set_minor_locator(NullLocator())
    left.yaxis.set_major_formatter("{x:g}")
    right.set(xlabel="percentile N", ylabel="infarcts found (%)", ylim=(-2, 102))
    left.legend(title="latent size", frameon=False, fontsize=7, title_fontsize=7)
    figure.suptitle(f"at {allowed:g} false positives a scan", fontsize=9, color=INK)
    save(figure, path)


def _draw_maps(
    maps: dict[str, list[Performance]], counts: SweepCounts, value: str, label: str, path: Path
) -> None:
    """Values of every setting at each of the points, by the title of its map."""
    rows, columns = len(counts.latent_sizes), len(counts.percentiles)
    figure = Figure(figsize=(7.2, len(maps) * (0.9 + 0.27 * rows) + 0.1), layout="constrained")
    every = np.atleast_1d(figure.subplots(len(maps), 1))
    for axes, (title, points) in zip(every, maps.items(), strict=True):
        values = np.array([100 * getattr(p, value) for p in points]).reshape(rows, columns)
        low, high = values.min(), max(values.max(), values.min() + 1)
        shown = axes.imshow(values, aspect="auto", cmap="cividis", vmin=low, vmax=high)
        for (row, column), number in np.ndenumerate(values):
            dark = number < (low + high) / 2
            axes.text(column, row, f"{number:.0f}", ha="center", va="center", fontsize=7,
                      color="white" if dark else "black")  # fmt: skip
        best = points.index(best_of(p for p in points if 100 * getattr(p, value) == values.max()))
        _frame(axes, np.unravel_index(best, values.shape), "#ff5a3c", "-")
        if (place := papers_setting(counts)) is not None:
            _frame(axes, place, "#ffffff", ":")
        axes.set_xticks(range(columns), [f"{p:g}" for p in counts.percentiles])
        axes.set_yticks(range(rows), [str(size) for size in counts.latent_sizes])
        axes.set(ylabel="latent size")
        axes.set_title(title, fontsize=9, loc="left", color=INK)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        figure.colorbar(shown, ax=axes, pad=0.01, fraction=0.04).set_label(label, fontsize=8)
    axes.set_xlabel("percentile N   (red frame: highest; dotted: the paper's choice)")
    save(figure, path)


def _frame(axes: Any, place: Any, colour: str, style: str) -> None:
    row, column = place
    axes.add_patch(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False, ec=colour, ls=style, lw=1.6))


def _places(line: list[Performance]) -> tuple[list[float], list[float]]:
    return [p.findings for p in line], [100 * p.sensitivity for p in line]


def _name_percentiles(axes: Any, line: list[Performance]) -> None:
    """Every tenth; of points that fall together the last."""
    for p, following in zip(line, [*line[2:], None, None], strict=True):
        together = following is not None and _places([p]) == _places([following])
        if (p.percentile % 10 == 0 and not together) or p is line[-1]:
            axes.annotate(f"{p.percentile:g}", (p.findings, 100 * p.sensitivity), xytext=(3, -7),
                          textcoords="offset points", fontsize=6, color=INK)  # fmt: skip


def _colours(counts: SweepCounts) -> dict[int, Any]:
    """By latent size."""
    sizes = counts.latent_sizes
    shades = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, max(len(sizes), 2))[: len(sizes)])
    return dict(zip(sizes, map(tuple, shades), strict=True))


def save(figure: Figure, path: Path) -> None:
    """Write a figure whose axes have no frame."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    # No date or version inside: the same numbers are the same file.
    figure.savefig(path, dpi=150, metadata={"Software": None})
