"""The report: what it says, what it keeps to itself, and that it needs nothing but itself."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from hashlib import sha256
from itertools import chain

import numpy as np
import pytest
from AnomalyDetectionLib.detection.hints import UNKNOWN
from AnomalyDetectionLib.dicom.patient import NOBODY
from AnomalyDetectionLib.model.false_positive_curve import FalsePositiveCurve
from AnomalyDetectionLib.reporting.notice import NOTICE
from AnomalyDetectionLib.reporting.report import MOST_PICTURES, report_html
from AnomalyDetectionLib.reporting.report_pictures import BAR_MM, PIXELS, KeyPictures, in_letters
from made_reports import JANE, OLD_INFARCT, RECORD, SMALL_ONE, a_scan, many_patches, parsed, reviewed
from PIL import Image


@pytest.fixture(scope="module")
def scan():
    """Scores with two findings."""
    return a_scan(OLD_INFARCT | SMALL_ONE)


def written(scan, **changes):
    """The report of a scan as a tree."""
    scores, findings = scan
    options = {"scores": scores, "findings": findings, "reviewed": reviewed(findings), "record": RECORD}
    return parsed(report_html(**{**options, **changes}))


def cells(page):
    """The rows of the table of findings that are findings, as lists of texts."""
    bodies = page.all("table", "findings")[0].all("tbody")
    rows = [body.all("tr") for body in bodies if body.attributes.get("class") != "total"]
    return [[cell.text for cell in row.all("td")] for row in chain.from_iterable(rows)]


def test_it_says_things_in_the_order_of_a_reader(scan):
    page = written(scan, remarks=["T1 and FLAIR did not line up"])
    headings = [element.text for level in ("h1", "h2") for element in page.all(level)]
    assert headings == [
        *("Suspected anomalies of the brain", "Reasons to doubt this result", "Findings", "Overview"),
        *("Pictures of the findings", "Limits", "How this was made"),
    ]
    text = page.all("main")[0].text
    places = [text.index(part) for part in (NOTICE, "T1 and FLAIR did not line up.", "2 suspected anomalies")]
    assert places == sorted(places)
    assert NOTICE in page.all("footer", "running")[0].text


def test_it_needs_nothing_but_itself_and_runs_nothing(scan):
    page = written(scan)
    assert not any(map(page.all, ("script", "link", "iframe", "object", "form", "base", "a:link")))
    for element in page.all():
        assert not any(name.startswith("on") or name == "style" for name in element.attributes)
        assert element.attributes.get("href", "#").startswith("#")
        assert element.attributes.get("src", "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
    style = page.all("style")[0].text
    assert not re.search(r"@import|url\(|expression", style)
    policy = next(e for e in page.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    assert policy.attributes["content"] == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_links_lead_to_places_on_the_page(scan):
    page = written(scan)
    places = {element.attributes["id"] for element in page.all() if "id" in element.attributes}
    targets = [element.attributes["href"][1:] for element in page.all("a")]
    assert targets == ["finding-1", "finding-2"]
    assert set(targets) <= places


def test_the_burden_is_told_in_millilitres_and_as_a_share_of_the_brain(scan):
    scores, findings = scan
    text = written(scan).all("p", "result")[0].text
    total = sum(finding.volume_ml for finding in findings.items)
    brain = scores.study.flair_brain.sum() * scores.study.flair_grid.voxel_ml
    assert f"together {total:.2f} ml: {100 * total / brain:.2f} % of the {brain:,.0f} ml of brain" in text
    assert "The largest is number 1" in text
    assert f"By hint: 2 {UNKNOWN}" in text


def test_what_a_normal_scan_has_is_said_where_it_is_known(scan):
    scores, findings = scan
    assert "normal scan" not in written(scan).all("p", "result")[0].text
    curve = FalsePositiveCurve(np.array([2.0, 4.0, 6.0]), np.array([8.0, 2.0, 0.5]), 12, 1, 0.3)
    known = replace(scores, false_positive_curve=curve)
    text = written((known, findings)).all("p", "result")[0].text
    low, high = curve.interval(3.0)
    said = "a normal scan has about 4.0 findings besides white matter hyperintensities (95 % interval"
    assert f"{said} {low:.1f} to" in text
    assert "counted on 12 normal scans" in text
    assert high < 9.95
    beyond = replace(findings, min_patches=2)  # another rule of what a finding is
    assert "normal scan" not in written((known, beyond)).all("p", "result")[0].text


def test_every_finding_is_a_row_with_its_figures(scan):
    _, findings = scan
    for row, finding in zip(cells(written(scan)), findings.items, strict=True):
        assert row[:3] == [str(finding.number), f"{finding.volume_ml:.2f}", f"{finding.peak_score:.2f}"]
        assert row[3:5] == [finding.side, finding.region]
        right, front, up = (float(part[2:]) * (-1 if part[0] in "LPI" else 1) for part in row[5].split(", "))
        assert np.allclose((right, front, up), finding.centroid_ras, atol=0.51)
        assert row[6] == finding.hint


def test_a_coordinate_is_a_letter_and_a_number():
    written_so = [in_letters(mm, "RL") for mm in (25.2, -25.2, 0.3, -0.3, -0.6)]
    assert written_so == ["R 25", "L 25", "R 0", "R 0", "L 1"]


def test_what_a_reader_has_decided_is_said(scan):
    _, findings = scan
    first, second = reviewed(findings)
    first = replace(first, category=4, decision="accepted", note="Compare with 2019.\nNew?")
    page = written(scan, reviewed=[first, replace(second, decision="rejected")])
    said = page.all("p", "result")[1].text
    assert said.startswith(f"A reader has reviewed all: 1 accepted ({first.volume_ml:.2f} ml, ")
    assert f"1 rejected ({second.volume_ml:.2f} ml)" in said
    assert f"By category: 1 infarct, not known before ({first.volume_ml:.2f} ml)." in said
    rows = cells(page)
    assert rows[0][-1] == "accepted: infarct, not known before"
    assert rows[1] == ["", "Compare with 2019.\nNew?"]
    assert rows[2][-1] == "rejected"
    assert "Compare with 2019." in page.all("article")[0].text


def test_an_unreviewed_scan_has_no_empty_columns_for_a_review(scan):
    page = written(scan)
    heads = [head.text for head in page.all("th")]
    assert heads == ["No.", "Volume, ml", "Peak score", "Side", "Region", "Centre, mm", "Hint"]
    assert "No reader has reviewed the findings." in page.all("caption")[0].text
    assert len(page.all("p", "result")) == 1


def test_whose_it_is_stands_on_top_and_on_every_sheet(scan):
    page = written(scan, patient=JANE)
    about = page.all("dl", "about")[0].text
    for word in ("Doe, Jane", "MRN-417", "1948-02-11", "female", "2025-11-03", "ACC-77"):
        assert word in about
    assert "Doe, Jane" in page.all("title")[0].text
    foot = page.all("footer", "running")[0].text
    assert all(word in foot for word in ("Doe, Jane", "MRN-417", NOTICE))
    assert "do not identify the patient (no DICOM)" in written(scan).all("p", "about")[0].text
    assert "do not identify the patient." in written(scan, patient=NOBODY).all("p", "about")[0].text


def test_no_name_turns_the_date_beside_it_at_the_foot_of_a_sheet(scan):
    page = written(scan, patient=replace(JANE, name="\u05d1\u05df, \u05d3\u05d5\u05d3"))
    parts = page.all("footer", "running")[0].all("bdi")
    assert [part.text for part in parts] == [
        "\u05d1\u05df, \u05d3\u05d5\u05d3",
        "MRN-417",
        "2025-11-03",
        NOTICE,
    ]


def test_how_rare_a_finding_is_stands_in_words_and_rounded(scan):
    _, findings = scan
    rates = {0.86: "about 0.9", 0.023: "about 0.02", 12.2: "about 12", 0.004: "under 0.01"}
    for rate, words in rates.items():
        rated = [replace(finding, per_normal_scan=rate) for finding in reviewed(findings)]
        page = written(scan, reviewed=rated)
        assert f"findings like it in a normal scan: {words} " in page.all("article")[0].text


def test_an_anonymous_report_tells_nothing_of_whose_it_is(scan):
    _, findings = scan
    first, second = reviewed(findings)
    told = {"patient": JANE, "reviewed": [replace(first, note="Mrs Doe fell in 2019", category=4), second]}
    scores, _ = scan
    options = {"scores": scores, "findings": findings, "record": RECORD, **told}
    secrets = (
        *("Doe", "Jane", "MRN", "1948", "2025", "ACC-77", "follow-up", "clinic", "nii", "2026", "fell"),
        "private",
    )
    open_text, text = report_html(**options), report_html(**options, anonymous=True)
    assert all(secret in open_text for secret in secrets if secret != "private")
    without_pictures = re.sub(r"base64,[^\"]+", "", text)
    assert not [secret for secret in secrets if secret.lower() in without_pictures.lower()]
    assert "11" * 32 in text
    assert "infarct, not known before" in text


NASTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><svg onload=alert(1)>",
    "</title><b>bold</b>",
    "--> <!-- ]]> &lt;i&gt; **strong** `'",
)


TEXTS = ("note", "region", "side", "hint", "hint_evidence")


@pytest.mark.parametrize("nasty", NASTY)
def test_text_is_text_wherever_it_comes_from(scan, nasty):
    _, findings = scan
    first, second = reviewed(findings)
    first = replace(first, decision="accepted", **dict.fromkeys(TEXTS, nasty))
    record = {
        "model": {"name": nasty, "sha256": nasty},
        "limits": [nasty],
        "inputs": {"t1": {"path": nasty, "description": nasty, "sha256": nasty}, "flair": {"volume": nasty}},
        "device": nasty,
        "versions": {nasty: nasty},
        "run": {"finished_utc": nasty, "seconds": {nasty: 1.0}},
    }
    who = replace(JANE, name=nasty, patient_id=nasty, study_description=nasty, sex=nasty)
    said = {"reviewed": [first, second], "record": record, "patient": who}
    page = written(scan, **said, remarks=[nasty], selection=nasty)
    harmless = replace(first, **dict.fromkeys(TEXTS, "a"))
    plain = written(scan, reviewed=[harmless, second], patient=JANE)
    usual = {element.name for element in plain.all()} | {"section", "ul", "li"}
    assert {element.name for element in page.all()} <= usual
    assert not any(name.startswith("on") for element in page.all() for name in element.attributes)
    for place in (("title",), ("footer",), ("dl", "about"), ("dl", "provenance")):
        assert nasty in page.all(*place)[0].text
    assert [row for row in cells(page) if row == ["", nasty]]


def test_no_line_breaks_between_a_number_and_its_unit(scan):
    scores, findings = scan
    noted = [replace(finding, note="12 mm, she says") for finding in reviewed(findings)]
    options = {"scores": scores, "findings": findings, "reviewed": noted, "record": RECORD}
    page = report_html(**options, remarks=["It misses 7 % of the brain"])
    assert page.count("12 mm, she says") == 2 * len(noted), "what somebody wrote stays as it is"
    text = re.sub("<svg.*?</svg>|<[^>]*>|12 mm, she says", "", page.partition("<main")[2], flags=re.DOTALL)
    assert not re.findall(r"\d (?:%|ml\b|mm\b|s\b|degrees\b)|centre [RL] ", text)
    for held in ("7 %", "2.2 degrees", "4.00 mm", "3.5 s", "112 ml"):
        assert held.replace(" ", "\N{NO-BREAK SPACE}") in text


def test_a_name_that_is_no_text_can_be_written(scan):
    scores, findings = scan
    record = {"inputs": {"t1": {"path": "scan\udcff.nii"}}}
    page = report_html(scores=scores, findings=findings, reviewed=reviewed(findings), record=record)
    assert b"scan&#56575;.nii" in page.encode("utf-8")


def test_a_record_of_an_earlier_version_is_enough(scan):
    for record in ({}, {"model": "none"}, {"inputs": None, "run": 3, "alignment": {}}):
        page = written(scan, record=record)
        assert "score above 3, at least 1 connected patch" in page.all("dl", "provenance")[0].text


def test_where_it_comes_from_is_told(scan):
    text = written(scan).all("dl", "provenance")[0].text
    for words in (
        "paper, SHA256 abab",
        "/clinic/Doe_Jane/T1.nii.gz, 200 x 244 x 38 voxels of 0.90 x 0.90 x 4.00 mm, SHA256 1111",
        "moved by 5.8 mm, turned by 2.2 degrees",
        "compared with the patches of the normal scans it was trained on",
        "found by deepbet, 112 ml, 1,234 patches scored",
        "3.5 s (reading 0.1, scoring 3.4)",
        "2026-11-23 14:52:07",
    ):
        assert words in text


def test_scores_that_are_probabilities_are_not_told_as_those_of_patches(scan):
    record = {**RECORD, "settings": {**RECORD["settings"], "scores_are_probabilities": True}}
    text = written(scan, record=record).all("dl", "provenance")[0].text
    assert "the probability of an anomaly" in text
    assert "compared with the patches" not in text


def test_without_findings_there_is_a_report_all_the_same():
    page = written(a_scan({}))
    text = page.all("p", "result")[0].text
    assert text.startswith("No suspected anomaly in")
    assert [head.text for head in page.all("h2")] == ["Overview", "Limits", "How this was made"]
    assert len(page.all("img")) == 1
    limits = page.all("ul", "limits")[0].text
    assert "is not necessarily normal" in limits
    assert "mirrored T1 and FLAIR" in limits


def test_many_findings_are_all_in_the_table_and_the_file_stays_small():
    scores, findings = a_scan(many_patches(60))
    text = report_html(scores=scores, findings=findings, reviewed=reviewed(findings), record=RECORD)
    assert len(text) < 5_000_000
    page = parsed(text)
    assert len(cells(page)) == 60
    assert len(page.all("article")) == MOST_PICTURES
    assert f"the other {60 - MOST_PICTURES} are in the table" in page.all("p", "lead")[0].text
    assert len(page.all("a")) == MOST_PICTURES


def test_what_was_accepted_has_pictures_first_and_what_was_rejected_last():
    scores, findings = a_scan(many_patches(30))
    first, *others, last = reviewed(findings)
    judged = [replace(first, decision="rejected"), *others, replace(last, decision="accepted")]
    page = written((scores, findings), reviewed=judged)
    pictured = [article.attributes["id"] for article in page.all("article")]
    assert pictured == [f"finding-{n}" for n in (*range(2, 25), 30)]


def test_what_was_hidden_is_in_the_table_and_has_no_picture(scan):
    scores, findings = scan
    shown = replace(findings, items=findings.items[:1])
    page = written((scores, shown), reviewed=reviewed(findings))
    assert len(cells(page)) == 2
    assert len(page.all("article")) == 1
    assert "Left out of the pictures on request: 2." in page.all("p", "lead")[0].text


def test_each_finding_has_its_slice_and_a_closer_look_at_both_images(scan):
    for article in written(scan).all("article"):
        names = [tile.all("text")[0].text for tile in article.all("figure", "tile")]
        assert names == ["FLAIR", "T1", "FLAIR"]
        for tile in article.all("figure", "tile"):
            image = tile.all("img")[0].attributes
            picture = Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2])))
            assert picture.size == (int(image["width"]), int(image["height"]))
            assert picture.mode == "L"
            assert tile.all("svg")[0].attributes["viewbox"] == f"0 0 {picture.width} {picture.height}"
            assert [text.text for text in tile.all("text")][2:6] == ["A", "P", "R", "L"]


def corners(path: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of an SVG path of straight lines along the axes."""
    x = [float(n) for n in re.findall(r"[MH](-?[\d.]+)", path)]
    y = [float(n) for n in re.findall(r"(?:M-?[\d.]+ |V)(-?[\d.]+)", path)]
    return min(x), min(y), max(x), max(y)


def test_the_page_draws_what_belongs_to_a_picture_over_it(scan):
    pictures = KeyPictures(*scan)
    for number, article in enumerate(written(scan).all("article"), start=1):
        for tile, figure in zip(pictures.of(number), article.all("figure", "tile"), strict=True):
            assert [path.attributes["d"] for path in figure.all("path", "finding")] == [tile.outline]
            boxes = [box.attributes for box in figure.all("rect", "box")]
            edges = [[float(box[name]) for name in ("x", "y", "width", "height")] for box in boxes]
            assert edges == ([] if tile.box is None else [pytest.approx(tile.box, abs=0.051)])
            left, _, right, _ = corners(figure.all("path", "bar")[0].attributes["d"])
            assert right - left == pytest.approx(tile.bar, abs=0.051)
            words = [text.text for text in figure.all("text")]
            assert words == [tile.name, tile.position, "A", "P", "R", "L", f"{tile.bar_mm:g} mm"]


def test_the_outline_lies_round_the_finding_and_the_bar_is_as_long_as_it_says(scan):
    scores, findings = scan
    pictures = KeyPictures(scores, findings)
    for number, patches in ((1, OLD_INFARCT), (2, SMALL_ONE)):
        whole, t1, flair = pictures.of(number)
        assert replace(t1, name="FLAIR", jpeg=flair.jpeg, alternative=flair.alternative) == flair
        left, top, right, bottom = corners(flair.outline)
        assert flair.bar_mm == BAR_MM["close"]
        pixel_mm = flair.bar_mm / flair.bar
        width_mm, height_mm = len(patches) * 4 * 0.9, 4 * 0.9
        assert (right - left) * pixel_mm == pytest.approx(width_mm, abs=1.0)
        assert (bottom - top) * pixel_mm == pytest.approx(height_mm, abs=1.0)
        # In the middle of the closer look, unless the image ends there.
        assert abs((left + right) / 2 - PIXELS / 2) * pixel_mm < 12
        x, y, wide, high = whole.box
        outer = corners(whole.outline)
        assert x <= outer[0] < outer[2] <= x + wide
        assert y <= outer[1] < outer[3] <= y + high


def test_the_picture_shows_what_is_there():
    scores, findings = a_scan(OLD_INFARCT)
    study = scores.study
    bright = study.flair.copy()
    row, column = 2 + 4 * 10, 2 + 4 * 5
    bright[5, row - 2 : row + 2, column - 2 : column + 14] += 3.0
    pictures = KeyPictures(replace(scores, study=replace(study, flair=bright)), findings)
    _, t1, flair = pictures.of(1)
    left, top, right, bottom = (round(n) for n in corners(flair.outline))
    grey = np.asarray(Image.open(io.BytesIO(flair.jpeg)), float)
    inside = grey[top + 4 : bottom - 4, left + 4 : right - 4]
    assert inside.mean() > 240 > 200 > np.median(grey)
    assert np.ptp(np.asarray(Image.open(io.BytesIO(t1.jpeg)), float)[top:bottom, left:right]) < 10


def test_the_sample_has_a_report_in_its_results(sample_run):
    assert sample_run.code == 0, sample_run.stderr
    path = sample_run.output / "report.html"
    assert 100_000 < path.stat().st_size < 5_000_000
    page = parsed(path.read_text("utf-8"))
    assert len(page.all("article")) == len(cells(page)) > 3
    assert "simulated_FLAIR.nii.gz" in page.all("p", "images")[0].text
    assert "a normal scan has about" in page.all("p", "result")[0].text
