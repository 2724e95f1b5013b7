"""The experiments of the paper on one page: what was measured here beside what the paper prints."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from AnomalyDetectionLib import __version__
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.atomic_folder import atomic_folder
from AnomalyDetectionLib.reporting.html_page import folded, heading, links, page, paragraph, picture, table

from ..evaluation import published
from ..evaluation.froc import RATES
from .experiment_about import read_about, what_was_evaluated

NAME = "index.html"

Rows = list[dict[str, str]]


def write_page(results: Path, *, title: str, links: Mapping[str, str]) -> Path:
    """Write RESULTS/index.html from what there is in the folders evaluation, sweep, categories, missed and ablations.

    The same results give the same bytes.

    Args:
        links: names and addresses of other results.

    Returns:
        The page.

    Raises:
        InputError: there is no result at all, or one is damaged.
    """
    sections = {name: make for name, make in _SECTIONS.items() if (results / name).is_dir()}
    if not sections:
        raise InputError(
            f"{results} holds no results: give the folder that the folders {', '.join(_SECTIONS)} lie in."
        )
    try:
        parts = [*_head(title, [_TITLES[name] for name in sections], links)]
        for name, make in sections.items():
            parts.append(heading(_TITLES[name], anchor=_anchor(_TITLES[name])))
            parts += make(results / name)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"A result in {results} is incomplete ({error}): run the experiments again."
        ) from error
    parts.append(paragraph(f"Written by anomaly-detection {__version__}.", "fine"))
    with atomic_folder(results) as beside:
        (beside / NAME).write_text(page(title, parts), encoding="utf-8", errors="backslashreplace")
    return results / NAME


def _head(title: str, sections: list[str], others: Mapping[str, str]) -> Iterator[str]:
    yield heading(title, 1)
    yield paragraph(
        "van Hespen et al., An anomaly detection approach to identify chronic brain infarcts on MRI, Scientific Reports "
        "11, 7714 (2021), done again in the open. The published figures are set in brown. They are of 225 real patients on "
        "one scanner, and what stands beside them is of simulated infarcts in other scans: the two compare as orders of "
        "magnitude. The model that ships with the program is called “paper”, because it has the paper's settings."
    )
    yield paragraph("**Research use only. Not a medical device; not for diagnosis.**", "note")
    yield links([(name, f"#{_anchor(name)}") for name in sections])
    if others:
        yield links(list(others.items()))


# --- what is found -------------------------------------------------------------------------------------------


def _evaluation(folder: Path) -> Iterator[str]:
    yield _simulated(what_was_evaluated(folder))
    methods = _rows(folder / "methods.csv")
    first = methods[0]
    bright = [row for row in methods if row["method"] == "bright FLAIR"]
    yield table(
        ["", f"model “{first['method']}”", "95 % interval",
         *(f"bright FLAIR at the {_same(row['operating_point'])}" for row in bright), "published"],
        _headline(first, bright),
        f"Operating point: {first['operating_point']}. {first['lesions']} simulated infarcts in {first['scans']} scans of "
        f"{first['patients']} people; the publication's {published.INFARCTS} infarcts in {published.PATIENTS} patients are "
        "real.",
        theirs=[3 + len(bright)],
    )  # fmt: skip
    yield paragraph(
        "An infarct is found when any voxel of it lies in a suspected anomaly. That rewards large findings, so the flagged "
        "volume stands beside it. Intervals: people drawn with replacement.",
        "fine",
    )
    yield picture(
        folder / "froc.png",
        "**Infarcts found over false positives a scan**, as the threshold falls; a false positive is a finding that "
        "touches no infarct, white matter hyperintensities included.",
        "FROC curves of the model and of FLAIR thresholds",
    )
    yield table(
        ["method", "findings on WMH", *(f"{rate:g}" for rate in RATES)],
        _at_rates(_rows(folder / "sensitivity.csv")),
        "Infarcts found (%, with 95 % interval) at a number of false positives a scan",
    )
    yield picture(
        folder / "strata.png",
        "**Infarcts found by size, kind and region**, at the operating point.",
        "Sensitivity by stratum",
    )
    free = [row for row in _rows(folder / "lesion_free.csv") if row["scans_are"] == "without infarct"]
    if free:
        yield table(
            ["method", "at", "scans", "findings a scan", "on no WMH", "flagged ml"],
            [
                [row["method"], row["operating_point"], row["scans"], _f(row["findings"], 1),
                 _f(row["false_positives_no_wmh"], 1), _f(row["flagged_ml"], 1)]
                for row in free
            ],
            "Findings in scans without infarcts",
        )  # fmt: skip


def _headline(first: dict[str, str], bright: Rows) -> Iterator[list[str]]:
    paper = published
    elsewhere = paper.FINDINGS - paper.FOUND
    off_wmh = elsewhere - paper.CATEGORIES["white matter hyperintensity"]
    theirs = {
        "sensitivity": f"{100 * paper.FOUND / paper.INFARCTS:.0f} % ({paper.FOUND} of {paper.INFARCTS})",
        "volume_share": f"{100 * paper.VOLUME_SHARE:.1f} %",
        "findings": f"{paper.FINDINGS / paper.PATIENTS:.1f}",
        "false_positives": f"{elsewhere / paper.PATIENTS:.1f}",
        "false_positives_no_wmh": f"{off_wmh / paper.PATIENTS:.1f}",
        "flagged_ml": "not given",
    }
    for figure, name in _HEADLINE.items():
        values = [_value(row, figure) for row in (first, *bright)]
        low, high = (_scaled(first[f"{figure}_{end}"], figure) for end in ("low", "high"))
        interval = f"{low}–{high}" if first[f"{figure}_low"] else ""
        yield [name, values[0], interval, *values[1:], theirs[figure]]


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


# --- experiment 1 --------------------------------------------------------------------------------------------


def _sweep(folder: Path) -> Iterator[str]:
    about = _about(folder)
    yield _simulated(about)
    at_3, optimum = _rows(folder / "sweep.csv"), _rows(folder / "optimum.csv")
    size, percentile = published.BEST_LATENT_SIZE, published.BEST_PERCENTILE
    own = [r for r in at_3 if (int(r["latent_size"]), float(r["percentile"])) == (size, percentile)]
    if own:
        yield table(
            ["", "here", "published (validation set: 45 patients, 93 infarcts)"],
            [
                ["infarcts found", f"{_f(own[0]['infarcts_found_percent'], 0)} %", f"{100 * published.BEST_SENSITIVITY:.0f} %"],
                ["suspected anomalies a scan", _f(own[0]["findings_a_scan"], 1), f"{published.BEST_FINDINGS_A_SCAN:.0f}"],
                ["share of infarct volume", f"{_f(own[0]['volume_found_percent'], 0)} %", "not given for it"],
            ],
            f"Latent size {size}, percentile {percentile}, threshold 3: the paper's optimum",
            theirs=[2],
        )  # fmt: skip
    yield picture(
        folder / "sweep_froc.png",
        "**Figure 4a of the paper.** Infarcts found over suspected anomalies a scan at a threshold of 3; the percentile N "
        "rises from 10 to 75 from left to right. The star is the paper's optimum.",
        "Sensitivity over suspected anomalies for every latent size and percentile",
    )
    yield picture(
        folder / "sweep_volume.png",
        "**Figure 4b of the paper.** Share of the infarcts' volume that was found, at a threshold of 3.",
        "Share of infarct volume by latent size and percentile",
    )
    yield heading("What the paper's figure cannot show", 3)
    yield paragraph(
        "At a fixed threshold a higher percentile only raises every score: N and the number of findings are one and the "
        "same thing. So every latent size and percentile also gets the threshold that suits it, and all are compared at "
        "equal false positives."
    )
    yield picture(
        folder / "sweep_thresholds.png",
        "**Threshold and percentile stand for each other.** Left: the threshold that each N needs; right: what difference "
        "between percentiles is left then.",
        "Threshold needed by percentile, and sensitivity left",
    )
    yield picture(
        folder / "sweep_joint.png",
        "**Infarcts found at equal false positives**, by latent size and percentile.",
        "Sensitivity at equal false positives by latent size and percentile",
    )
    yield table(
        ["at false positives", "WMH", "best latent size", "N", "threshold", "infarcts found, %", "with 100 and 50, %",
         "gain, points", "gain in unseen people", "chosen again, %"],
        [
            [r["false_positives_allowed"], r["wmh"], r["latent_size"], r["percentile"], r["threshold"],
             _bracketed(_f(r["infarcts_found_percent"], 0), r["found_low_percent"], r["found_high_percent"], 0),
             _f(r["paper_setting_found_percent"], 0),
             _bracketed(_signed(r["gain_points"]), r["gain_low_points"], r["gain_high_points"], 0),
             _signed(r["gain_in_unseen_patients_points"]), _f(r["chosen_again_percent"], 0)]
            for r in optimum
        ],
        "The joint optimum of latent size, percentile and threshold",
    )  # fmt: skip
    yield paragraph(
        "The best of so many settings is partly the luckiest. Gain in unseen people: the setting that is best for people "
        "drawn with replacement, less the paper's 100 and 50, in the people who were not drawn. Chosen again: how often "
        "the same setting is the best for people drawn anew. Where the gain's interval holds 0 and the setting is seldom "
        "chosen again, there is no best one to speak of.",
        "fine",
    )
    if (folder / "trained.csv").is_file():
        yield table(
            ["latent size", "scans", "patches drawn", "sampling", "seed", "patch-steps", "epochs", "best epoch",
             "training-validation loss"],
            [[*list(row.values())[:5], f"{int(row['patch_steps']):,}", *list(row.values())[6:]]
             for row in _rows(folder / "trained.csv")],
            "How the models of the sweep were trained (published: 687 patients, 1,000,000 patches, until the loss had not "
            "fallen for 10 epochs)",
        )  # fmt: skip
        yield paragraph(f"Trained on {', '.join(about.get('trained on', []))}.", "fine")
    yield folded("All latent sizes and percentiles at a threshold of 3", [_plain_table(at_3)])


# --- experiment 2 --------------------------------------------------------------------------------------------


def _categories(folder: Path) -> Iterator[str]:
    about = _about(folder)
    yield _simulated(about)
    rows = _rows(folder / "categories.csv")
    unreviewed = [row for row in rows if row["category"] == "unreviewed"]
    yield table(
        ["category", "findings", "%", "a scan", "published", "%", "a scan"],
        [list(row.values()) for row in rows if row not in unreviewed],
        f"Suspected anomalies in {about.get('scans', '?')} scans, categories from {about.get('categories from', '?')}; "
        f"the paper's table 2, {published.PATIENTS} patients, categories from a radiologist",
        theirs=[4, 5, 6],
        last_is_total=True,
    )
    if unreviewed:
        yield paragraph(f"{unreviewed[0]['findings']} more have no category yet.")
    yield paragraph(
        "The truth of a simulation knows no vessel, calcification or bone among the findings, and no infarct that was "
        "overlooked: what is neither infarct, hyperintensity nor artefact is normal tissue, enlarged perivascular spaces "
        "and wide sulci included. Here a finding that touches an infarct counts once; the paper counts the infarcts found. "
        "The paper's counts add up to 1952, not to its 1953, and its text has 865 hyperintensities.",
        "fine",
    )


# --- experiment 3, and what is open --------------------------------------------------------------------------


def _missed(folder: Path) -> Iterator[str]:
    about = _about(folder)
    yield _simulated(about)
    theirs = ", ".join(f"{count} {region}" for region, count in published.MISSED_BY_REGION.items())
    yield paragraph(str(about.get("missed", "")))
    yield paragraph(
        f"In the publication {published.MISSED} of {published.INFARCTS} are missed (median {published.MISSED_MEDIAN_ML} ml, "
        f"nearly all under 1 ml): {theirs}."
    )
    yield _plain_table(_rows(folder / "missed_by_region.csv"))
    yield picture(
        folder / "missed.png",
        "**Missed infarcts by volume and region.**",
        "Missed and found infarcts by volume and region",
    )
    if (folder / "missed_neighbours.png").is_file():
        yield picture(
            folder / "missed_neighbours.png",
            "**Figure 6 of the paper.** Patches of missed infarcts, and the training patches nearest to them in latent "
            "space: the normal tissue that the model takes them for.",
            "Patches of missed infarcts beside their nearest training patches",
        )
    yield folded("Every missed infarct", [_plain_table(_rows(folder / "missed.csv"))])


def _ablations(folder: Path) -> Iterator[str]:
    yield _simulated(_about(folder))
    yield paragraph(
        "What the paper leaves open, one change at a time, all else equal; and what else the same scores could be read by, "
        "alone and together. Measured on these people, not chosen on them."
    )
    yield _plain_table(_rows(folder / "ablations.csv"))


_SECTIONS: dict[str, Callable[[Path], Iterator[str]]] = {
    "evaluation": _evaluation,
    "sweep": _sweep,
    "categories": _categories,
    "missed": _missed,
    "ablations": _ablations,
}
_TITLES = {
    "evaluation": "What is found",
    "sweep": "Experiment 1: latent size and percentile",
    "categories": "Experiment 2: what the suspected anomalies are",
    "missed": "Experiment 3: missed infarcts",
    "ablations": "The open questions",
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
    return paragraph(f"**What was simulated.** {said}" + (f" Models: {models}." if models else ""), "note")


def _rows(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8-sig") as content:
        return list(csv.DictReader(content))


def _plain_table(rows: Rows) -> str:
    """A CSV as it is, but for underscores in its heading and digits beyond the fourth."""
    if not rows:
        return paragraph("None.")
    return table(
        [name.replace("_", " ") for name in rows[0]],
        [[_short(cell) for cell in row.values()] for row in rows],
        theirs=[k for k, name in enumerate(rows[0]) if name.startswith("paper_")],
    )


def _short(cell: str) -> str:
    try:
        return f"{float(cell):.4g}" if "." in cell and len(cell) > 6 else cell
    except ValueError:
        return cell


def _anchor(title: str) -> str:
    return title.partition(":")[0].lower().replace(" ", "-")


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
