"""Before anything is run: volumes, guesses, models, and what stands in the way."""

from __future__ import annotations

import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.commands.detect import detect
from AnomalyDetectionLib.model import bundled
from AnomalyDetectionLib.panel import advanced_section
from conftest import REPOSITORY
from made_dicom import classic_series

from panel.at_the_panel import a_volume, visible
from panel.stand_ins.dicom import DicomDatabase, use

MODULE = REPOSITORY / "AnomalyDetection" / "AnomalyDetection.py"


def test_an_empty_scene_disables_detect_and_says_what_to_do(panel):
    assert not panel.ui.detectButton.enabled
    assert "Choose" in panel.ui.detectButton.toolTip
    assert "sample" in panel.ui.inputsMessageLabel.text
    assert not visible(panel.ui.progressWidget)
    assert not visible(panel.ui.detailsButton)
    for button in ("exportTableButton", "undoButton", "nextButton", "thresholdSlider", "hideOverlayButton"):
        assert not getattr(panel.ui, button).enabled, button


def test_each_slider_has_decimals_of_its_own(panel):
    """Two for the threshold, as the bundled models' own have."""
    sliders = panel.ui.thresholdSlider, panel.ui.minimumSizeSlider, panel.ui.opacitySlider
    assert [slider.decimals for slider in sliders] == [2, 0, 2]


def test_the_sample_can_be_run_at_once(sample):
    assert sample.ui.t1Selector.currentNode().GetName() == "Simulated T1"
    assert sample.ui.flairSelector.currentNode().GetName() == "Simulated FLAIR"
    assert sample.ui.detectButton.enabled
    assert "Choose" not in sample.ui.detectButton.toolTip
    assert sample.ui.inputsMessageLabel.text == ""


def test_volumes_are_guessed_by_their_names_when_the_module_is_opened(slicer_app):
    module = slicer_app.load_module(MODULE)
    flair, t1 = a_volume("3D FLAIR"), a_volume("T1 MPRAGE")
    a_volume("DWI b1000")
    widget = slicer_app.open(module)
    assert widget.ui.t1Selector.currentNode() is t1
    assert widget.ui.flairSelector.currentNode() is flair


@pytest.fixture
def a_dicom_study(slicer_app, tmp_path, monkeypatch):
    """Loads volumes as if from Slicer's DICOM database: a kind of series for each name."""
    database = DicomDatabase()
    use(database, monkeypatch)

    def load(**kinds):
        nodes = []
        for name, kind in kinds.items():
            node = a_volume(name)
            uid = f"1.2.{len(database.files)}"
            image = sitk.Image(8, 8, 2, sitk.sitkInt16)
            database.files[uid] = str(classic_series(tmp_path / name, image, kind=kind)[0])
            node.SetAttribute("DICOM.instanceUIDs", uid)
            nodes.append(node)
        return nodes

    return load


def test_dicom_volumes_are_guessed_by_how_they_were_taken_and_it_is_said(slicer_app, a_dicom_study):
    module = slicer_app.load_module(MODULE)
    flair, t1, other = a_dicom_study(first="FLAIR", second="T1", third="T2")
    widget = slicer_app.open(module)
    assert (widget.ui.t1Selector.currentNode(), widget.ui.flairSelector.currentNode()) == (t1, flair)
    said = widget.ui.inputsMessageLabel.text
    assert 'T1: "second" (inversion recovery, gradient echo' in said
    assert 'FLAIR: "first" (inversion recovery, spin echo' in said
    widget.ui.t1Selector.choose(other)
    assert 'T1: "second"' not in widget.ui.inputsMessageLabel.text
    assert 'FLAIR: "first"' in widget.ui.inputsMessageLabel.text


def test_two_equally_good_dicom_volumes_leave_the_box_empty_and_it_is_said(slicer_app, a_dicom_study):
    module = slicer_app.load_module(MODULE)
    (flair, t1, _) = a_dicom_study(first="FLAIR", second="T1", third="T1")
    widget = slicer_app.open(module)
    assert (widget.ui.t1Selector.currentNode(), widget.ui.flairSelector.currentNode()) == (None, flair)
    assert (
        '2 T1 series are equally good ("second", "third"): choose one.' in widget.ui.inputsMessageLabel.text
    )
    widget.ui.t1Selector.choose(t1)
    assert "equally good" not in widget.ui.inputsMessageLabel.text


def test_a_guess_never_goes_over_the_users_own_choice(panel, slicer_app):
    other = a_volume("something else")
    panel.ui.flairSelector.choose(other)
    a_volume("T1 MPRAGE")
    a_volume("3D FLAIR")
    slicer_app.leave()
    slicer_app.open(slicer_app.app.moduleManager().module("AnomalyDetection"))
    assert panel.ui.flairSelector.currentNode() is other


def test_the_same_volume_twice_stops_a_run_and_is_said(panel):
    volume = a_volume("one")
    panel.ui.t1Selector.choose(volume)
    panel.ui.flairSelector.choose(volume)
    assert not panel.ui.detectButton.enabled
    assert panel.ui.inputsMessageLabel.text
    assert panel.ui.inputsMessageLabel.text in panel.ui.detectButton.toolTip
    assert visible(panel.ui.inputsMessageLabel)


def test_swapped_volumes_are_suspected_but_may_be_run(sample):
    t1, flair = sample.ui.t1Selector.currentNode(), sample.ui.flairSelector.currentNode()
    sample.ui.t1Selector.choose(flair)
    sample.ui.flairSelector.choose(t1)
    assert (
        "swap" in sample.ui.inputsMessageLabel.text.lower() or "exchange" in sample.ui.inputsMessageLabel.text
    )
    assert sample.ui.detectButton.enabled


def test_a_result_is_no_input(detected):
    detected.ui.t1Selector.choose(detected.panel.result.score)
    assert not detected.ui.detectButton.enabled
    assert "result of an earlier detection" in detected.ui.inputsMessageLabel.text


@pytest.fixture
def two_models(slicer_app, monkeypatch, a_random_model, a_context_model):
    """A module that comes with a model of each kind; the first is its default."""
    monkeypatch.setattr(bundled, "DEFAULT_MODEL", a_random_model.stem)
    for module in (bundled, advanced_section):
        monkeypatch.setattr(module, "bundled_models", lambda: [a_random_model, a_context_model])
    monkeypatch.setattr(advanced_section, "DEFAULT_MODEL", a_random_model.stem)


def test_models_are_chosen_by_their_titles_the_default_first(two_models, panel):
    ui = panel.ui
    assert [ui.modelSelector.itemText(place) for place in range(3)] == [
        "random", "Surroundings (random)", "A model file",
    ]  # fmt: skip
    assert ui.modelSelector.currentIndex == 0
    assert ui.modelSelector.toolTip == "random weights"
    ui.modelSelector.currentIndex = 1
    assert ui.modelSelector.toolTip == "random weights that see whole slices"
    assert panel.panel.advanced.model() == "surroundings"


def test_what_means_nothing_to_a_model_cannot_be_set_for_it(two_models, panel):
    def asked():
        settings = panel.panel.advanced.settings()
        return settings.percentile, settings.stride

    ui = panel.ui
    assert asked() == (None, None), "the model's own"
    ui.percentileSpinBox.value = 60
    ui.strideSpinBox.value = 3
    assert asked() == (60, 3)
    ui.modelSelector.currentIndex = 1
    assert not ui.percentileSpinBox.enabled
    assert not ui.strideSpinBox.enabled
    assert asked() == (None, None)
    ui.modelSelector.currentIndex = 0
    assert ui.percentileSpinBox.enabled
    assert asked() == (60, 3)


def test_a_model_file_that_is_not_there_stops_a_run(sample):
    sample.ui.modelSelector.currentIndex = sample.ui.modelSelector.count - 1
    assert not sample.ui.detectButton.enabled
    assert "model file" in sample.ui.detectButton.toolTip
    assert visible(sample.ui.modelFileEdit)
    sample.ui.modelSelector.currentIndex = 0
    assert sample.ui.detectButton.enabled
    assert not visible(sample.ui.modelFileEdit)


def test_the_panel_explains_a_setting_in_the_words_of_the_command_line(panel):
    ui = panel.ui
    options = {option.name: (option.help or "").partition("  [")[0] for option in detect.params}
    for widget, name in (
        (ui.thresholdSlider, "threshold"),
        (ui.minimumSizeSlider, "min_patches"),
        (ui.deviceSelector, "device"),
        (ui.percentileSpinBox, "percentile"),
        (ui.strideSpinBox, "stride"),
    ):
        assert widget.toolTip.startswith(options[name])
    for box, name in ((ui.registerCheckBox, "register"), (ui.biasCorrectionCheckBox, "bias_correction")):
        assert box.toolTip.lower() == f"off: {options[name]}".lower()
    assert "The paper uses 4." in ui.strideSpinBox.toolTip
