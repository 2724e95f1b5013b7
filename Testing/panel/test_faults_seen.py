"""What a real Slicer showed to be wrong, each with its whole kind."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import qt
import slicer
from AnomalyDetectionLib.panel import findings_view, first_run
from AnomalyDetectionLib.panel.widgets import ON_DARK, ON_LIGHT, say
from AnomalyDetectionLib.reporting.drawing import font
from AnomalyDetectionLib.scene.volumes import ijk_to_ras, oriented_image
from made_result_folder import result_folder
from PIL import ImageFont

from panel.at_the_panel import a_volume, detect, visible


def test_a_brain_mask_given_as_a_segmentation_does_not_stay_over_everything(sample, engine, slicer_app):
    flair = sample.ui.flairSelector.currentNode()
    mask = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "brain by hand")
    segment = slicer.vtkSegment()
    voxels = np.ones(slicer.util.arrayFromVolume(flair).shape, np.uint8)
    segment.AddRepresentation("Binary labelmap", oriented_image(voxels, ijk_to_ras(flair)))
    mask.GetSegmentation().AddSegment(segment, "brain")
    mask.CreateDefaultDisplayNodes()
    sample.ui.brainMaskSelector.choose(mask)
    engine("replay")
    detect(sample, slicer_app)
    assert sample.panel.result is not None
    assert not mask.GetDisplayNode().GetVisibility()


def test_an_error_of_our_own_is_one_sentence_with_its_traceback_under_details(sample, engine, slicer_app):
    engine("break")
    detect(sample, slicer_app)
    sentence = sample.ui.outcomeLabel.text
    assert "went wrong inside" in sentence
    assert "under Details" in sentence
    assert "Traceback" not in sentence
    sample.ui.detailsButton.click()
    details = sample.ui.detailsText.plainText
    assert "Traceback (most recent call last)" in details
    assert "KeyError: 'a fault of ours'" in details


def test_the_line_below_the_progress_bar_shows_no_temporary_path(sample, engine, slicer_app):
    engine("replay")
    said = set()
    sample.ui.detectButton.click()

    def ended():
        said.add(sample.ui.stageLabel.text)
        return not sample.panel.detect.running

    slicer_app.wait(ended, 240)
    said.add(sample.ui.stageLabel.text)
    assert not any(str(slicer_app.app.temporaryPath) in line for line in said)
    assert 'Scoring patches of "Simulated T1"' in said, "the volume is named in place of its file"


@pytest.mark.parametrize("when", ["start", "run"])
def test_folders_of_a_killed_slicer_are_cleared_at_the_next_start_and_run_and_those_of_others_are_not(
    when, sample, engine, slicer_app
):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    running = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    temporary = Path(slicer_app.app.temporaryPath)
    names = (f"AnomalyDetection-{ended.pid}-x", f"AnomalyDetection-{running.pid}-x", "AnomalyDetection-mine")
    for name in names:
        (temporary / name).mkdir()
        (temporary / name / "T1.nrrd").write_bytes(b"a head")
    if when == "start":
        slicer_app.app.emit("startupCompleted()")
    else:
        engine("replay")
        detect(sample, slicer_app)
    left = {path.name for path in temporary.glob("AnomalyDetection-*")}
    running.communicate()
    assert left == set(names[1:])


def test_a_second_click_on_a_hint_meets_the_same_button(detected):
    button = detected.panel.review.hints.button("unknown")
    place = button.geometry
    for _ in range(2):
        button.click()
        assert button.geometry == place
    assert button.checked


def test_a_narrow_panel_shows_all_of_the_review_at_once(detected, slicer_app):
    """380 pixels of width, and what a laptop's 768 leave: five rows and more, and all that a finding is given."""
    window = slicer_app.app.window
    window.resize(380, 560)
    slicer_app.rest(0.4)
    inside = window.area.viewport()
    ui = detected.ui
    of_a_finding = (ui.findingsTable, ui.acceptButton, ui.rejectButton, ui.categoryButtons, ui.noteEdit)
    of_the_views = (ui.sideBySideButton, ui.threeDButton, ui.layoutBackButton)
    for widget in (*of_a_finding, ui.newFindingButton, ui.asDetectedButton, *of_the_views):
        corner = widget.mapTo(inside, qt.QPoint(widget.width - 1, widget.height - 1))
        assert visible(widget)
        assert corner.x() < inside.width, widget.objectName
        assert corner.y() < inside.height, widget.objectName
    assert (ui.findingsTable.height - ui.findingsTable.horizontalHeader().height) // 22 >= 5
    column = (
        "hintsWidget",
        "findingsTable",
        "stepWidget",
        "reviewWidget",
        "newFindingButton",
        "sideBySideButton",
    )
    for above, below in itertools.pairwise(column):
        assert getattr(ui, above).geometry.bottom() < getattr(ui, below).geometry.top(), (
            f"{above} covers {below}"
        )


def test_a_long_name_of_patient_and_series_takes_one_line_and_is_whole_in_the_tool_tip(detected, slicer_app):
    ui, flair = detected.ui, detected.panel.result.flair
    slicer_app.app.window.resize(380, 560)
    slicer_app.rest(0.2)
    before = places(ui), ui.studyLabel.height
    name = "Featherstonehaugh-Cholmondeley Wilhelmina Alexandra 2021-04-07 t2_space_dark-fluid_sag_p2_iso_ND"
    flair.SetName(name)
    detected.panel.refresh()
    slicer_app.rest(0.2)
    assert (places(ui), ui.studyLabel.height) == before
    assert ui.studyLabel.text.startswith("Featherstonehaugh")
    assert ui.studyLabel.text.endswith("…")
    assert ui.studyLabel.fontMetrics().horizontalAdvance(ui.studyLabel.text) <= ui.studyLabel.width
    assert name in ui.studyLabel.toolTip
    assert "paper" in ui.studyLabel.toolTip


def places(ui):
    names = ("findingsTable", "acceptButton", "rejectButton", "categoryButtons", "noteEdit")
    root = ui.findingsTable.window()
    return {name: getattr(ui, name).mapTo(root, qt.QPoint(0, getattr(ui, name).height)).y() for name in names}


@pytest.mark.parametrize("width", [380, 700])
def test_remarks_take_one_line_whatever_their_length_and_are_whole_under_details(
    width, panel, slicer_app, tmp_path
):
    assert panel.panel.folders.open(result_folder(tmp_path / "Doe Jane 2021-04-07 t2_tirm_dark-fluid"))
    window = slicer_app.app.window
    window.resize(width, 560)
    panel.panel.detect.tell([], "Done in 9 s.")
    slicer_app.rest(0.2)
    before = places(panel.ui)
    remarks = [
        "The FLAIR is noisy, and more of it than fits into a line of any panel. " * 3,
        "T1 moved.",
        "x" * 300,
    ]
    panel.panel.detect.tell(remarks, "Done in 9 s.")
    slicer_app.rest(0.2)
    assert places(panel.ui) == before
    assert all(y < window.area.viewport().height for y in places(panel.ui).values())
    label = panel.ui.outcomeLabel
    assert label.text.startswith("The FLAIR is noisy")
    assert label.text.endswith("…")
    assert label.fontMetrics().horizontalAdvance(label.text) <= label.width
    assert label.toolTip == "\n".join([*remarks, "Done in 9 s."])
    panel.ui.detailsButton.click()
    assert all(remark in panel.ui.detailsText.plainText for remark in remarks)
    panel.ui.detailsButton.click()
    by_hand = "This finding cannot be grown from here, as the tissue is the same all round it. " * 3
    panel.panel.review.tell(by_hand, "warning")
    slicer_app.rest(0.2)
    assert places(panel.ui) == before
    assert panel.ui.findingsSummaryLabel.toolTip == by_hand


@pytest.mark.parametrize("keep_scores", [True, False])
def test_no_sentence_makes_the_panel_wider_than_a_laptop_has_room_for(
    keep_scores, panel, slicer_app, tmp_path
):
    """Slicer makes the panel as wide as its widest line: without the score map a sentence says why sliders are off."""
    assert panel.panel.folders.open(result_folder(tmp_path / "results", keep_scores=keep_scores))
    for section in ("inputs", "worklist", "display", "export", "advanced"):
        getattr(panel.ui, f"{section}CollapsibleButton").collapsed = False
    for label in ("export", "worklist", "inputs"):  # words that have no place to break a line
        names = "/srv/Featherstonehaugh-Cholmondeley/t2_space_dark-fluid_sag_p2_iso_ND", "脑" * 200, "a" * 200
        say(getattr(panel.ui, f"{label}MessageLabel"), f"Written: {' '.join(names)}.")
    slicer_app.rest(0.1)
    assert slicer_app.app.window.area.widget().minimumSizeHint.width() <= 380


def test_an_elided_line_follows_the_width_of_the_panel(panel, slicer_app, tmp_path):
    assert panel.panel.folders.open(result_folder(tmp_path / "results"))
    panel.panel.detect.tell(["As long as it takes to be cut in a narrow panel and whole in a wide one."])
    lengths = []
    for width in (380, 900, 380):
        slicer_app.app.window.resize(width, 560)
        slicer_app.rest(0.2)
        lengths.append(len(panel.ui.outcomeLabel.text))
    assert lengths[0] == lengths[2] < lengths[1]
    assert "…" not in panel.panel.detect.outcome.text


def test_the_wheel_scrolls_the_panel_and_changes_no_box_or_slider_by_the_way(panel, slicer_app, tmp_path):
    assert panel.panel.folders.open(result_folder(tmp_path / "results"))
    for section in ("display", "advanced"):
        getattr(panel.ui, f"{section}CollapsibleButton").collapsed = False
    slicer_app.rest(0.1)
    root = panel.ui.inputsCollapsibleButton.parentWidget()
    widgets = [w for kind in (qt.QComboBox, qt.QSlider, qt.QAbstractSpinBox) for w in root.findChildren(kind)]
    assert len(widgets) > 12

    def state():
        boxes = [w.currentIndex for w in widgets if isinstance(w, qt.QComboBox)]
        return boxes + [w.value for w in widgets if not isinstance(w, qt.QComboBox)]

    def turn(widget):
        middle = qt.QPointF(widget.width / 2, widget.height / 2)
        event = qt.QWheelEvent(
            middle, widget.mapToGlobal(middle), qt.QPoint(0, -120), qt.QPoint(0, -120),
            qt.Qt.NoButton, qt.Qt.NoModifier, qt.Qt.NoScrollPhase, False,
        )  # fmt: skip
        qt.QApplication.sendEvent(widget, event)

    panel.ui.noteEdit.setFocus()
    before = state()
    for widget in widgets:
        assert not widget.focusPolicy & qt.Qt.WheelFocus & ~qt.Qt.StrongFocus
        turn(widget)
    assert state() == before
    panel.ui.orderSelector.setFocus()
    turn(panel.ui.orderSelector)
    assert panel.ui.orderSelector.currentIndex == 1, "who has clicked into it means it"
    panel.ui.earlierSelector.setFocus()
    turn(panel.ui.earlierSelector)
    assert not panel.panel.earlier.running
    assert panel.ui.earlierSelector.currentIndex == 0


def test_the_columns_that_are_asked_for_are_wide_enough(panel, tmp_path, monkeypatch):
    monkeypatch.setattr(findings_view, "in_words", lambda rate: "under 0.01")
    assert panel.panel.folders.open(result_folder(tmp_path / "results"))
    panel.ui.moreColumnsCheckBox.click()
    table = panel.ui.findingsTable
    for number in (1, 2):
        table.item(number, findings_view.RATE).setText("under 0.01")
    panel.panel.review.refill()
    for column in findings_view.MORE:
        needed = max(table.sizeHintForColumn(column), table.horizontalHeader().sectionSizeHint(column))
        assert table.columnWidth(column) >= needed, findings_view.COLUMNS[column]


def test_an_installation_that_fails_gives_pips_own_reason(slicer_app, monkeypatch, capsys):
    said = "Collecting click\nERROR: Could not find a version that satisfies click\nERROR: No matching distribution\n"

    def fails(requirements):
        print(said)  # as Slicer does; its exception knows the exit code alone
        raise subprocess.CalledProcessError(1, "pip install")

    monkeypatch.setattr(first_run, "_install", fails)
    with pytest.raises(first_run.InstallationError, match="No matching distribution"):
        first_run.install(["click>=8.1"], ask=lambda text: True, progress=lambda text: None)
    assert said in capsys.readouterr().out, "the console goes on to show it"


def test_text_in_pictures_is_drawn_by_the_engine_that_slicer_does_not_disturb():
    assert font(12).layout_engine == ImageFont.Layout.BASIC


@pytest.fixture
def dressed(slicer_app):
    """Gives Slicer a style: colours by their roles."""
    before = slicer_app.app.palette()

    def dress(**colours):
        palette = slicer_app.app.palette()
        for role, colour in colours.items():
            palette.setColor(getattr(qt.QPalette, role), qt.QColor(colour))
        slicer_app.app.setPalette(palette)

    yield dress
    slicer_app.app.setPalette(before)


@pytest.mark.parametrize("style", ["#f0f0f0", "#323232"])
@pytest.mark.parametrize("kind", ["error", "warning", "good"])
def test_what_the_panel_says_in_colour_is_read_on_light_and_dark_style(style, kind, panel, dressed):
    def brightness(colour):
        parts = (colour.redF(), colour.greenF(), colour.blueF())
        return sum(w * part**2.2 for w, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True)) + 0.05

    dressed(Window=style)
    say(panel.ui.outcomeLabel, "text", kind)
    said = qt.QColor(panel.ui.outcomeLabel.styleSheet.removeprefix("color: ").rstrip(";"))
    low, high = sorted((brightness(said), brightness(qt.QColor(style))))
    assert high / low > 4.5, "the least contrast for text, by WCAG"


@pytest.mark.parametrize(("window", "text"), [("#f0f0f0", "#000000"), ("#323232", "#ffffff")])
def test_what_was_chosen_is_seen_on_light_and_dark_style(window, text, panel, slicer_app, tmp_path, dressed):
    def blue(button):
        colour = button.grab().toImage().pixelColor(6, button.height // 2)
        return colour.blue() - colour.red()

    dressed(Window=window, Button=window, ButtonText=text, Highlight="#2a82da")
    assert panel.panel.folders.open(result_folder(tmp_path / "results"))
    for key in ("A", "3", "P"):  # and back from the next finding
        slicer_app.type(key)
    slicer_app.rest(0.1)
    buttons = dict(panel.panel.review._category_buttons)
    assert min(map(blue, (panel.ui.acceptButton, buttons[3]))) > 60
    assert max(map(blue, (panel.ui.rejectButton, buttons[4]))) < 30


def test_colours_of_text_are_those_of_the_style_or_made_for_both(panel):
    root = panel.ui.inputsCollapsibleButton.parentWidget()
    for widget in root.findChildren(qt.QWidget):
        own = set(
            re.findall(r"#[0-9a-fA-F]{3,8}|rgb|: *(?:black|white|gr[ae]y|red|green|blue)", widget.styleSheet)
        )
        assert own <= {*ON_DARK.values(), *ON_LIGHT.values()}, widget.objectName


def test_another_volume_than_the_pair_does_not_move_the_boxes(sample):
    a_volume("another")
    assert sample.ui.t1Selector.currentNode().GetName() == "Simulated T1"
