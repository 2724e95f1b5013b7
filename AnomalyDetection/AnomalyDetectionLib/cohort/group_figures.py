"""Figures of a group: how the burden is spread, and against age and sex where these are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .group_tables import value_of
from .summaries import ScanSummary

COLOURS = ("#0b5fa5", "#c4461f", "#2a8c4a", "#7a4fa3")
OTHER = "other"
_TICKS_ML = (0, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


def draw_spread(scans: Sequence[ScanSummary], path: Path) -> None:
    """Histograms of number and volume of the findings."""
    figure = Figure(figsize=(7.2, 3.0), dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2)
    counts = np.array([scan.findings for scan in scans])
    step = max(1, int(np.ceil((counts.max() + 1) / 40)))
    left.hist(
        counts, bins=np.arange(0, counts.max() + step + 1, step) - 0.5, color=COLOURS[0], ec="white", lw=0.4
    )
    left.set(xlabel="findings a scan", ylabel="scans")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    burden = _place(np.array([scan.burden_ml for scan in scans]))
    right.hist(burden, bins=min(40, max(8, len(scans) // 4)), color=COLOURS[0], ec="white", lw=0.4)
    right.set(xlabel="volume of the findings a scan (ml)", ylabel="scans")
    _millilitres(right, burden.max(initial=0), "x")
    for axes in (left, right):
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))  # there are no half scans, nor findings
    _save(figure, path)


def draw_by_age(scans: Sequence[ScanSummary], people: Mapping[str, Mapping[str, str]], path: Path) -> int:
    """Volume against age, a colour for each sex; returns of how many scans age is known. None: nothing is drawn."""
    known = [
        (age, scan.burden_ml, value_of(row, "sex") or "sex not known")
        for scan in scans
        if (age := _number(value_of(row := people.get(scan.subject, {}), "age"))) is not None
    ]
    if not known:
        return 0
    ages, burdens, sexes = map(np.array, zip(*known, strict=True))
    sexes, burden = np.array(_grouped(sexes.tolist())), _place(burdens)
    figure = Figure(figsize=(7.2, 3.4), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    size = 14 if len(known) < 1000 else 4
    for colour, sex in zip(COLOURS, np.unique(sexes), strict=False):
        of_it = sexes == sex
        label = f"{sex} ({of_it.sum()})"
        axes.scatter(ages[of_it], burden[of_it], s=size, color=colour, alpha=0.6, lw=0, label=label)
    axes.set(xlabel="age (years)", ylabel="volume of the findings (ml)")
    axes.legend(frameon=False, fontsize=8.5)
    _millilitres(axes, burden.max(initial=0), "y")
    _save(figure, path)
    return len(known)


def draw_by_sex(scans: Sequence[ScanSummary], people: Mapping[str, Mapping[str, str]], path: Path) -> int:
    """Volume by sex, where age is not known; returns of how many scans sex is known."""
    known = [
        (sex, scan.burden_ml) for scan in scans if (sex := value_of(people.get(scan.subject, {}), "sex"))
    ]
    if not known:
        return 0
    groups: dict[str, list[float]] = {}
    for sex, (_, burden_ml) in zip(_grouped([sex for sex, _ in known]), known, strict=True):
        groups.setdefault(sex, []).append(burden_ml)
    figure = Figure(figsize=(7.2, 2.6), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    names = sorted(groups)
    axes.boxplot([_place(np.array(groups[name])) for name in names], orientation="horizontal", widths=0.5)
    axes.set_yticklabels([f"{name} ({len(groups[name])})" for name in names])
    axes.set(xlabel="volume of the findings (ml)")
    _millilitres(axes, max(float(_place(np.array(values)).max()) for values in groups.values()), "x")
    _save(figure, path)
    return len(known)


def _grouped(values: Sequence[str]) -> list[str]:
    """The values, the rarer ones as `OTHER` where there are more of them than colours."""
    counts = Counter(values)
    kept = counts if len(counts) <= len(COLOURS) else dict(counts.most_common(len(COLOURS) - 1))
    return [value if value in kept else OTHER for value in values]


def _place(millilitres: np.ndarray) -> np.ndarray:
    """Where a volume stands on an axis that shows 0 as well as 1 and 100."""
    return np.log1p(np.maximum(millilitres, 0) / 0.1)


def _millilitres(axes: Axes, highest: float, which: str) -> None:
    ticks = [tick for tick in _TICKS_ML if _place(np.array([tick]))[0] <= highest * 1.1] or [0]
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks([float(_place(np.array([tick]))[0]) for tick in ticks])
    axis.set_major_formatter(
        FuncFormatter(lambda _, k: f"{ticks[k]:g}" if k is not None and k < len(ticks) else "")
    )


def _number(text: str) -> float | None:
    """An age; "89+" is 89."""
    try:
        value = float(text.rstrip("+"))
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _save(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Software": None})
