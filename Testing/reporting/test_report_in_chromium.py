"""The report as a browser shows and prints it: Chromium without a window and without a network."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from AnomalyDetectionLib.reporting.notice import NOTICE
from AnomalyDetectionLib.reporting.report import MOST_PICTURES, report_html
from made_reports import JANE, OLD_INFARCT, RECORD, SMALL_ONE, a_scan, many_patches, reviewed

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND"),
)
PAPERS = {"A4": (8.27, 11.69), "Letter": (8.5, 11.0)}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A Chromium of its own; skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("chromium or its driver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Paths of reports by name: "usual" is reviewed, "many" has 60 findings, "none" none."""
    folder = tmp_path_factory.mktemp("Berichte é")
    long_word = "Verschluss" * 12
    paths = {}
    for name, patches in (("usual", OLD_INFARCT | SMALL_ONE), ("many", many_patches(60)), ("none", {})):
        scores, findings = a_scan(patches)
        seen = reviewed(findings)
        if name == "usual":
            note = f"Compare with 2019. {long_word}"
            seen[0] = replace(seen[0], category=4, decision="accepted", note=note)
        paths[name] = folder / f"{name}.html"
        page = report_html(
            scores=scores,
            findings=findings,
            reviewed=seen,
            record=RECORD,
            patient=replace(JANE, study_description=long_word),
            remarks=["T1 and FLAIR did not line up"],
        )
        paths[name].write_text(page, encoding="utf-8")
    return paths


def opened(browser, path, width):
    """Open a file in a window of this width, with its messages and the addresses it really asked."""
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    window = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
    browser.get(path.as_uri())
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    refused = {
        event["params"]["requestId"]
        for event in events
        if event["method"] == "Network.loadingFailed" and event["params"].get("blockedReason") == "csp"
    }
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent" and event["params"]["requestId"] not in refused
    ]
    return [entry["message"] for entry in browser.get_log("browser")], asked


@pytest.mark.parametrize("width", [1200, 800, 400])
@pytest.mark.parametrize("name", ["usual", "many", "none"])
def test_everything_is_shown_nothing_overflows_and_nothing_is_fetched(browser, reports, name, width):
    messages, asked = opened(browser, reports[name], width)
    assert messages == []
    assert [address for address in asked if not address.startswith("data:")] == [reports[name].as_uri()]
    pictures = browser.execute_script(
        "return Array.from(document.images, i => [i.complete, i.naturalWidth, i.getBoundingClientRect().width])"
    )
    assert len(pictures) == {"usual": 7, "many": 1 + 3 * MOST_PICTURES, "none": 1}[name]
    assert all(complete and natural > 0 and shown > 50 for complete, natural, shown in pictures)
    inner, whole = browser.execute_script(
        "return [document.documentElement.clientWidth, document.documentElement.scrollWidth]"
    )
    assert whole <= inner
    beyond = browser.execute_script(
        "return Array.from(document.querySelectorAll('main *')).filter(e => !e.closest('.wide')"
        " && e.getBoundingClientRect().right > document.documentElement.clientWidth).map(e => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []
    if width > 700:
        table = browser.execute_script(
            "return Array.from(document.querySelectorAll('.wide'), e => e.scrollWidth - e.clientWidth)"
        )
        assert all(more <= 0 for more in table)


def test_the_drawing_lies_exactly_over_its_picture(browser, reports):
    opened(browser, reports["usual"], 1200)
    differences = browser.execute_script(
        "return Array.from(document.querySelectorAll('.tile'), t => {"
        " const a = t.querySelector('img').getBoundingClientRect(), b = t.querySelector('svg').getBoundingClientRect();"
        " return Math.max(...['left', 'top', 'right', 'bottom'].map(side => Math.abs(a[side] - b[side])))})"
    )
    assert len(differences) == 6
    assert max(differences) < 0.5
    heights = browser.execute_script(
        "return Array.from(document.querySelectorAll('.tile img'), i => i.getBoundingClientRect().height)"
    )
    assert max(heights) - min(heights) < 2  # one row


def test_the_outlines_can_be_taken_off(browser, reports):
    opened(browser, reports["usual"], 1200)
    visible = "return getComputedStyle(document.querySelector('path.finding')).visibility"
    assert browser.execute_script(visible) == "visible"
    browser.execute_script("document.getElementById('bare').click()")
    assert browser.execute_script(visible) == "hidden"


def test_a_script_that_got_into_the_page_would_not_run(browser, reports, tmp_path):
    text = reports["none"].read_text("utf-8")
    path = tmp_path / "attacked.html"
    attack = '<script>document.title = "run"</script><img src=x onerror="document.title = 1">'
    path.write_text(text.replace("</main>", f'{attack}<img src="https://example.org/x.png"></main>'), "utf-8")
    messages, asked = opened(browser, path, 800)
    assert browser.title.startswith("Suspected anomalies")
    assert any("Content Security Policy" in message for message in messages)
    assert [address for address in asked if not address.startswith("data:")] == [path.as_uri()]


@pytest.fixture(scope="module")
def printed(browser, reports, tmp_path_factory):
    """Print a report to a PDF: `printed(name, paper)`."""
    folder = tmp_path_factory.mktemp("printed")

    def to_pdf(name, paper):
        path = folder / f"{name} {paper}.pdf"
        if not path.exists():
            opened(browser, reports[name], 1200)
            width, height = PAPERS[paper]
            options = {"paperWidth": width, "paperHeight": height, "preferCSSPageSize": True}
            made = browser.execute_cdp_cmd("Page.printToPDF", options)
            path.write_bytes(base64.b64decode(made["data"]))
        return path

    return to_pdf


def told_by(program, *arguments):
    """What a program of poppler says of a PDF."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} (poppler-utils) is not installed")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize(("name", "pages"), [("usual", 3), ("many", 12), ("none", 2)])
def test_every_printed_page_says_whose_it_is_and_what_it_is_not(printed, name, pages, paper):
    sheets = told_by("pdftotext", "-layout", printed(name, paper), "-").split("\f")[:-1]
    assert len(sheets) <= pages
    for number, sheet in enumerate(sheets, start=1):
        assert NOTICE in sheet
        assert "Doe, Jane" in sheet
        assert re.search(rf"\b{number} ?/ ?{len(sheets)}\b", sheet)
    text = "\n".join(sheets)
    for heading in ("Overview", "Limits", "How this was made"):
        assert heading in text


@pytest.mark.parametrize("paper", PAPERS)
def test_a_long_table_repeats_its_heads_and_cuts_no_row(printed, paper):
    sheets = told_by("pdftotext", "-layout", printed("many", paper), "-").split("\f")[:-1]
    rows = [len(re.findall(r"^ *\d+ +\d+\.\d\d +\d+\.\d\d ", sheet, re.MULTILINE)) for sheet in sheets]
    assert sum(rows) == 60
    assert all("Peak score" in sheet for sheet, count in zip(sheets, rows, strict=True) if count)
    assert sum(count > 0 for count in rows) > 1


@pytest.mark.parametrize("paper", PAPERS)
def test_no_picture_is_cut_and_a_finding_stays_with_its_pictures(printed, paper):
    lines = told_by("pdfimages", "-list", printed("many", paper)).splitlines()[2:]
    pages = [int(line.split()[0]) for line in lines if line.split()[2] == "image"]
    assert len(pages) == 1 + 3 * MOST_PICTURES  # one that is cut would be on two pages
    sheets = told_by("pdftotext", "-layout", printed("many", paper), "-").split("\f")[:-1]
    for number, sheet in enumerate(sheets, start=1):
        findings = len(re.findall(r"score: peak", sheet))
        overview = "FLAIR, at most" in sheet
        assert pages.count(number) == 3 * findings + overview
