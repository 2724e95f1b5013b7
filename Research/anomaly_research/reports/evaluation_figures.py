"""The figures of an evaluation: FROC curves, and sensitivity by class of lesion."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..evaluation import published
from ..evaluation.bootstrap import Row, interval
from ..evaluation.flair_threshold import BRIGHT, DARK
from ..evaluation.froc import patient_sums, sensitivity_at
from ..evaluation.methods import Method
from .markdown import grouped

MOST_FALSE_POSITIVES = 10.0
"""Where the axis ends, unless a model's operating point lies beyond, but not more than twice as far."""

_COLOURS = ("#0b5fa5", "#c4461f", "#2a8c4a", "#7a4fa3", "#b08900", "#0f8b8d", "#a33b68")
_BASELINES = {BRIGHT: ("#555555", "--"), DARK: ("#999999", ":")}
_STRATA = ("size", "kind", "contrast", "region", "cavitated")


def froc_figure(methods: Sequence[Method], weights: np.ndarray, said: str, path: Path) -> None:
    """Share of lesions found against false positives a scan, with intervals over patients as bands.

    Args:
        said: what was simulated.
    """
    figure = Figure(figsize=(7.2, 5.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    operating = [float(m.curves.false_positives[m.points[0][1]].mean()) for m in methods]
    end = min(2 * MOST_FALSE_POSITIVES, max(MOST_FALSE_POSITIVES, np.ceil(1.1 * max(operating))))
    rates = np.linspace(0, end, 301)
    for method, (colour, line) in zip(methods, _styles(methods), strict=True):
        sums = patient_sums(method.curves)
        axes.plot(rates, sensitivity_at(sums, rates)[0], line, color=colour, lw=1.8, label=method.name)
        if weights.shape[1] > 1:
            low, high = interval(sensitivity_at(sums, rates, weights))
            axes.fill_between(rates, low, high, color=colour, alpha=0.13, lw=0)
        place = method.points[0][1]
        rate = method.curves.false_positives[place].mean()
        found = method.curves.found()[place].mean() if method.curves.lesions else np.nan
        axes.plot(rate, found, "o", color=colour, ms=5, mec="white", mew=0.8, zorder=4)
    share = published.FOUND / published.INFARCTS
    elsewhere = (published.FINDINGS - published.FOUND) / published.PATIENTS
    axes.plot(elsewhere, share, "*", color="black", ms=13, mec="white", mew=0.8, zorder=5,
              label="the paper (real infarcts, other scans)")  # fmt: skip
    axes.set(xlim=(0, end), ylim=(0, 1.02))
    axes.set(xlabel="false positives a scan, on known lesions as well", ylabel="share of infarcts found")
    axes.grid(alpha=0.25, lw=0.6)
    figure.legend(loc="outside upper center", ncols=4, fontsize=8.5, frameon=False)
    bands = "bands: 95 % over patients; " if weights.shape[1] > 1 else ""
    dots = "dots: operating points (off its curve: too much of the brain is flagged)"
    _caption(figure, f"{said}\n{len(methods[0].curves.lesions)} infarcts; {bands}{dots}.")
    figure.savefig(path, metadata=_UNDATED)


def strata_figure(rows: Sequence[Row], said: str, path: Path) -> None:
    """Share of lesions found by size, kind and region, a bar for each method, at their main operating points.

    Args:
        rows: of the table of strata.
        said: what was simulated.
    """
    names = list(dict.fromkeys(row["method"] for row in rows))
    there = grouped((row for row in rows if row["lesions"]), "stratum")
    classes = {g: list(dict.fromkeys(row["class"] for row in there[g,])) for g in _STRATA if (g,) in there}
    figure = Figure(figsize=(10, 6.2), dpi=150, layout="constrained")
    if not classes:
        figure.savefig(path, metadata=_UNDATED)
        return
    upper = [g for g in classes if g in ("size", "kind")]
    parts = [part for part in (upper, [g for g in classes if g not in upper]) if part]
    bands = figure.subfigures(len(parts), 1, squeeze=False)[:, 0]
    for band, some in zip(bands, parts, strict=True):
        widths = [max(2, len(classes[g])) for g in some]
        every = np.atleast_1d(band.subplots(1, len(some), width_ratios=widths, sharey=True))
        for axes, group in zip(every, some, strict=True):
            _bars(axes, group, classes[group], rows, names)
        band.axes[0].set_ylabel("share of infarcts found")
    handles, labels = bands[0].axes[0].get_legend_handles_labels()
    ncols = min(4, len(names))
    figure.legend(handles, labels, loc="outside upper center", ncols=ncols, fontsize=8.5, frameon=False)
    explained = "Any overlap, at each method's main operating point; n: infarcts; lines: 95 % over patients."
    _caption(figure, f"{said}\n{explained}")
    figure.savefig(path, metadata=_UNDATED)


_UNDATED = {"Software": None}


def _bars(axes: Axes, group: str, classes: list[str], rows: Sequence[Row], names: list[str]) -> None:
    width = 0.82 / len(names)
    for k, (name, (colour, _)) in enumerate(zip(names, _styles(names), strict=True)):
        own = {r["class"]: r for r in rows if r["method"] == name and r["stratum"] == group}
        places = np.arange(len(classes)) + (k - (len(names) - 1) / 2) * width
        heights = np.array([own[c]["sensitivity"] or 0.0 for c in classes])
        axes.bar(places, heights, width * 0.92, color=colour, label=name)
        for place, c in zip(places, classes, strict=True):
            low, high = own[c]["sensitivity_low"], own[c]["sensitivity_high"]
            if low is not None and high is not None:
                axes.plot([place, place], [low, high], color="black", lw=0.9)
    counts = {r["class"]: r["lesions"] for r in rows if r["stratum"] == group}
    axes.set_xticks(range(len(classes)), [f"{_wrapped(c)}\nn = {counts[c]}" for c in classes], fontsize=7.5)
    axes.set(ylim=(0, 1.03), title="contrast to noise" if group == "contrast" else group)
    axes.title.set_fontsize(10)
    axes.grid(axis="y", alpha=0.25, lw=0.6)
    axes.set_axisbelow(True)


def _styles(methods: Sequence[Method] | Sequence[str]) -> list[tuple[str, str]]:
    """Colour and line of each method; the baselines are grey."""
    names = [method if isinstance(method, str) else method.name for method in methods]
    models = [name for name in names if name not in _BASELINES]
    styles = {name: (colour, "-") for name, colour in zip(models, cycle(_COLOURS), strict=False)} | _BASELINES
    return [styles[name] for name in names]


def _wrapped(text: str, width: int = 14) -> str:
    return "\n".join(textwrap.wrap(text, width)) or text


def _caption(figure: Figure, text: str) -> None:
    lines = [_wrapped(line, int(18 * figure.get_figwidth())) for line in text.splitlines()]
    figure.supxlabel("\n".join(lines), fontsize=7.5, color="#444444")
