"""The experiments of the paper on one page: what was measured here beside what the paper prints.

How that looks and all that it says is in templates/experiments.html; here is what its tables hold.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from AnomalyDetectionLib import __version__
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.atomic_folder import atomic_folder
from AnomalyDetectionLib.reporting.html_page import page
from jinja2 import UndefinedError

from ..evaluation import published
from ..evaluation.froc import RATES
from .experiment_about import read_about, what_was_evaluated

NAME = "index.html"

Rows = list[dict[str, str]]


def write_page(results: Path, *, title: str, links: Mapping[str, str]) -> Path:
    """Write RESULTS/index.html from what there is in the folders of `_SECTIONS`: always the same bytes.

    Args:
        links: names and addresses of other results.

    Raises:
        InputError: there is no result at all, or one is damaged.
    """
    there = [name for name in _SECTIONS if (results / name).is_dir()]
    if not there:
        raise InputError(
            f"{results} holds no results: give the folder that the folders {', '.join(_SECTIONS)} lie in."
        )
    titles = {name: _SECTIONS[name][0] for name in there}
    sections: dict[str, Any] = dict.fromkeys(_SECTIONS)
    try:
        sections |= {name: _SECTIONS[name][1](results / name) for name in there}
        text = page(
            Path(__file__).parent / "templates" / "experiments.html",
            title=title,
            titles=titles,
            places=[(said, f"#{name}") for name, said in titles.items()],
            elsewhere=list(links.items()),
            results=results,
            published=published,
            version=__version__,
            **sections,
        )
    except (OSError, KeyError, ValueError, UndefinedError) as error:
        raise InputError(
            f"A result in {results} is incomplete ({error}): run the experiments again."
        ) from error
    with atomic_folder(results) as beside:
        (beside / NAME).write_text(text, encoding="utf-8", errors="backslashreplace")
    return results / NAME


# --- what is found


def _evaluation(folder: Path) -> dict[str, Any]:
    methods = _rows(folder / "methods.csv")
    bright = [row for row in methods if row["method"] == "bright FLAIR"]
    return {
        "simulated": _simulated(what_was_evaluated(folder)),
        "first": methods[0],
        "bright": [f"bright FLAIR at the {_same(row['operating_point'])}" for row in bright],
        "headline": [*_headline(methods[0], bright)],
        "rates": [f"{rate:g}" for rate in RATES],
        "at_rates": [*_at_rates(_rows(folder / "sensitivity.csv"))],
        "lesion_free": [
            [row["method"], row["operating_point"], row["scans"], _f(row["findings"], 1),
             _f(row["false_positives_no_wmh"], 1), _f(row["flagged_ml"], 1)]
            for row in _rows(folder / "lesion_free.csv") if row["scans_are"] == "without infarct"
        ],
    }  # fmt: skip


def _headline(first: dict[str, str], bright: Rows) -> Iterator[list[str]]:
    paper = published
    elsewhere = paper.FINDINGS - paper.FOUND
    off_wmh = elsewhere - paper.CATEGORIES["white matter hyperintensity"]
    theirs = (
        f"{100 * paper.FOUND / paper.INFARCTS:.0f} % ({paper.FOUND} of {paper.INFARCTS})",
        f"{100 * paper.VOLUME_SHARE:.1f} %",
        *(f"{count / paper.PATIENTS:.1f}" for count in (paper.FINDINGS, elsewhere, off_wmh)),
        "not given",
    )
    for (figure, name), paper_said in zip(_HEADLINE.items(), theirs, strict=True):
        values = [_value(row, figure) for row in (first, *bright)]
        low, high = (_scaled(first[f"{figure}_{end}"], figure) for end in ("low", "high"))
        interval = f"{low}–{high}" if first[f"{figure}_low"] else ""
        yield [name, values[0], interval, *values[1:], paper_said]


_HEADLINE = {
    "sensitivity": "infarcts found",
    "volume_share": "share of infarct volume",
    "findings": "suspected anomalies a scan",
    "false_positives": "of these on no infarct",
    "false_positives_no_wmh": "and on no white matter hyperintensity either",
    "flagged_ml": "flagged volume a scan, ml",
}


def _same(operating_point: str) -> str:
    """ "false positives of paper" as "same false positives"; others as they are."""
    what, of, _ = operating_point.partition(" of ")
    return f"same {what}" if of else operating_point


def _value(row: dict[str, str], figure: str) -> str:
    if figure == "sensitivity":
        return f"{_scaled(row[figure], figure)} % ({row['found']} of {row['lesions']})"
    return _scaled(row[figure], figure) + (" %" if figure == "volume_share" else "")


def _scaled(cell: str, figure: str) -> str:
    return _percent(cell) if figure in ("sensitivity", "volume_share") else _f(cell, 1)


def _at_rates(rows: Rows) -> Iterator[list[str]]:
    for wmh in ("counted", "ignored"):
        for method in dict.fromkeys(row["method"] for row in rows):
            own = [r for r in rows if (r["method"], r["wmh"], r["criterion"]) == (method, wmh, "any overlap")]
            yield [method, wmh, *(_with_interval(row, "sensitivity") for row in own)]


# --- experiment 1


def _sweep(folder: Path) -> dict[str, Any]:
    about, size, percentile = _about(folder), published.BEST_LATENT_SIZE, published.BEST_PERCENTILE
    at_3, trained = _rows(folder / "sweep.csv"), folder / "trained.csv"
    own = [r for r in at_3 if (int(r["latent_size"]), float(r["percentile"])) == (size, percentile)]
    return {
        "simulated": _simulated(about),
        "optimum_of_the_paper": own and [
            ["infarcts found", f"{_f(own[0]['infarcts_found_percent'], 0)} %", f"{100 * published.BEST_SENSITIVITY:.0f} %"],
            ["suspected anomalies a scan", _f(own[0]["findings_a_scan"], 1), f"{published.BEST_FINDINGS_A_SCAN:.0f}"],
            ["share of infarct volume", f"{_f(own[0]['volume_found_percent'], 0)} %", "not given for it"],
        ],
        "joint_optimum": [
            [r["false_positives_allowed"], r["wmh"], r["latent_size"], r["percentile"], r["threshold"],
             _bracketed(_f(r["infarcts_found_percent"], 0), r["found_low_percent"], r["found_high_percent"], 0),
             _f(r["paper_setting_found_percent"], 0),
             _bracketed(_signed(r["gain_points"]), r["gain_low_points"], r["gain_high_points"], 0),
             _signed(r["gain_in_unseen_patients_points"]), _f(r["chosen_again_percent"], 0)]
            for r in _rows(folder / "optimum.csv")
        ],
        "trained": [
            [*list(row.values())[:5], f"{int(row['patch_steps']):,}", *list(row.values())[6:]]
            for row in (_rows(trained) if trained.is_file() else [])
        ],
        "trained_on": about.get("trained on", []),
        "all": _sheet(folder / "sweep.csv"),
    }  # fmt: skip


# --- experiments 2 and 3, and what is open


def _categories(folder: Path) -> dict[str, Any]:
    about, rows = _about(folder), _rows(folder / "categories.csv")
    return {
        "simulated": _simulated(about),
        "scans": about.get("scans", "?"),
        "judge": about.get("categories from", "?"),
        "rows": [list(row.values()) for row in rows if row["category"] != "unreviewed"],
        "unreviewed": next((row["findings"] for row in rows if row["category"] == "unreviewed"), ""),
    }


def _missed(folder: Path) -> dict[str, Any]:
    about, neighbours = _about(folder), folder / "missed_neighbours.png"
    return {
        "simulated": _simulated(about),
        "said": str(about.get("missed", "")),
        "by_region": _sheet(folder / "missed_by_region.csv"),
        "neighbours": neighbours if neighbours.is_file() else None,
        "all": _sheet(folder / "missed.csv"),
    }


def _ablations(folder: Path) -> dict[str, Any]:
    return {"simulated": _simulated(_about(folder)), "all": _sheet(folder / "ablations.csv")}


_SECTIONS: dict[str, tuple[str, Callable[[Path], dict[str, Any]]]] = {
    "evaluation": ("What is found", _evaluation),
    "sweep": ("Experiment 1: latent size and percentile", _sweep),
    "categories": ("Experiment 2: what the suspected anomalies are", _categories),
    "missed": ("Experiment 3: missed infarcts", _missed),
    "ablations": ("The open questions", _ablations),
}


def _about(folder: Path) -> dict[str, Any]:
    """What a result was made on: as it says itself, or else as the evaluation beside it."""
    evaluation = folder.parent / "evaluation"
    return read_about(folder) or (what_was_evaluated(evaluation) if evaluation.is_dir() else {})


def _simulated(about: Mapping[str, Any]) -> str:
    names = about.get("models")
    models = ", ".join(names) if isinstance(names, dict) else ""
    said = about.get("simulated") or (
        "Nothing, as far as is known: the categories are a reader's."
        if about.get("categories from") == "a reader"
        else "It is not said."
    )
    return said + (f" Models: {models}." if models else "")


def _rows(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8-sig") as content:
        return list(csv.DictReader(content))


def _sheet(path: Path) -> dict[str, Any]:
    """A CSV as it is, but for underscores in its heading and digits beyond the fourth."""
    rows = _rows(path)
    heads = list(rows[0]) if rows else []
    return {
        "heads": [name.replace("_", " ") for name in heads],
        "rows": [[_short(cell) for cell in row.values()] for row in rows],
        "theirs": [k for k, name in enumerate(heads) if name.startswith("paper_")],
    }


def _short(cell: str) -> str:
    try:
        return f"{float(cell):.4g}" if "." in cell and len(cell) > 6 else cell
    except ValueError:
        return cell


def _percent(cell: str) -> str:
    return f"{100 * float(cell):.0f}" if cell else "–"


def _f(cell: str, digits: int) -> str:
    return f"{float(cell):.{digits}f}" if cell else "–"


def _signed(cell: str) -> str:
    if not cell:
        return "–"
    value = round(float(cell))
    return f"{value:+d}".replace("-", "−") if value else "0"


def _bracketed(value: str, low: str, high: str, digits: int) -> str:
    if not (low and high):
        return value
    return f"{value} [{_f(low, digits)} to {_f(high, digits)}]".replace("[-", "[−").replace("to -", "to −")


def _with_interval(row: dict[str, str], figure: str) -> str:
    low, high = row[f"{figure}_low"], row[f"{figure}_high"]
    return _percent(row[figure]) + (f" [{_percent(low)}–{_percent(high)}]" if low and high else "")
