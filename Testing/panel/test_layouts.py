"""The layouts: side by side, three planes with 3D, back, and the layout that a reader keeps."""

from __future__ import annotations

import pytest
import slicer
from AnomalyDetectionLib.scene.places import centre_of
from made_result_folder import result_folder

from panel.at_the_panel import a_volume, composite, detect, numbers, shown_in


def test_a_result_arrives_side_by_side_and_one_click_goes_back(sample, engine, slicer_app):
    manager = slicer.app.layoutManager()
    before = manager.layout
    assert not sample.ui.layoutBackButton.enabled
    engine("replay")
    detect(sample, slicer_app)
    assert manager.sliceViewNames() == ["AnomalyT1", "AnomalyFLAIR"]
    result = sample.panel.result
    assert shown_in("AnomalyT1") == (result.shown_t1, None)
    assert shown_in("AnomalyFLAIR") == (result.flair, result.score)
    assert sample.ui.layoutBackButton.enabled
    sample.ui.layoutBackButton.click()
    assert manager.layout == before
    assert not sample.ui.layoutBackButton.enabled


def test_who_keeps_a_layout_has_it_kept(sample, engine, slicer_app):
    before = slicer.app.layoutManager().layout
    sample.ui.keepLayoutCheckBox.click()
    engine("replay")
    detect(sample, slicer_app)
    assert slicer.app.layoutManager().layout == before
    assert slicer.app.userSettings().value("AnomalyDetection/KeepLayout")
    assert composite("Red").GetForegroundVolumeID() == sample.panel.result.score.GetID()


def test_in_a_layout_that_is_kept_only_what_has_to_be_touched_is(panel, slicer_app, tmp_path):
    own, gone = a_volume("ADC"), a_volume("an old one")
    panel.ui.keepLayoutCheckBox.click()
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    composite("Red").SetBackgroundVolumeID(own.GetID())
    composite("Green").SetBackgroundVolumeID(gone.GetID())
    composite("Yellow").SetBackgroundVolumeID(None)
    assert panel.panel.folders.open(result_folder(tmp_path / "results"))
    result = panel.panel.result
    shown = {name: composite(name).GetBackgroundVolumeID() for name in ("Red", "Green", "Yellow")}
    assert shown == {"Red": own.GetID(), "Green": gone.GetID(), "Yellow": None}
    assert composite("Red").GetForegroundVolumeID() is None
    # A view that comes into sight is filled where it is empty, and only there.
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
    slicer_app.rest(0.1)
    assert composite("Green").GetBackgroundVolumeID() == gone.GetID()
    assert shown_in("Yellow") == (result.flair, result.score)
    # Of the patient before nothing may stay.
    assert panel.panel.folders.open(result_folder(tmp_path / "next"))
    assert composite("Red").GetBackgroundVolumeID() == own.GetID()
    assert composite("Yellow").GetForegroundVolumeID() == panel.panel.result.score.GetID()


def test_in_a_layout_that_is_kept_the_overlay_comes_on_the_flair_that_is_there(panel, tmp_path):
    panel.ui.keepLayoutCheckBox.click()
    folders = [result_folder(tmp_path / name) for name in ("first", "second")]
    assert panel.panel.folders.open(folders[0])
    first = panel.panel.result
    panel.panel.folders._forget()  # both stay in the scene
    assert panel.panel.folders.open(folders[1])
    second = panel.panel.result
    red = composite("Red")
    assert (red.GetBackgroundVolumeID(), red.GetForegroundVolumeID()) == (
        second.flair.GetID(), second.score.GetID(),
    )  # fmt: skip
    composite("Green").SetBackgroundVolumeID(first.t1.GetID())
    composite("Green").SetForegroundVolumeID(None)
    composite("Yellow").SetBackgroundVolumeID(second.flair.GetID())
    composite("Yellow").SetForegroundVolumeID(None)
    panel.panel.show(second)
    assert composite("Green").GetBackgroundVolumeID() == second.shown_t1.GetID()
    assert composite("Yellow").GetForegroundVolumeID() == second.score.GetID()
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView


def layouts():
    """`slicer.app.layoutManager()`, and the node class with the names of Slicer's layouts."""
    return slicer.app.layoutManager(), slicer.vtkMRMLLayoutNode


@pytest.mark.parametrize("former", ["SlicerLayoutConventionalView", "SlicerLayoutFourUpView"])
def test_3d_is_one_key_away_and_one_back(former, panel, slicer_app, tmp_path):
    manager, known = layouts()
    own = getattr(known, former)
    manager.setLayout(own)
    assert panel.panel.folders.open(result_folder(tmp_path / "results"))
    beside = manager.layout
    ways = (
        (lambda: slicer_app.type("D"), lambda: slicer_app.type("D")),
        (panel.ui.threeDButton.click, panel.ui.layoutBackButton.click),
    )
    for there, back in ways:
        there()
        slicer_app.rest(0.05)
        assert manager.layout == known.SlicerLayoutFourUpView
        back()
        slicer_app.rest(0.05)
        assert manager.layout == beside
        assert manager.sliceViewNames() == ["AnomalyT1", "AnomalyFLAIR"]
    panel.ui.layoutBackButton.click()
    assert manager.layout == own
    for there, back in ways:
        there()
        slicer_app.rest(0.05)
        assert manager.layout == known.SlicerLayoutFourUpView
        back()
        assert manager.layout == own
        assert not panel.ui.layoutBackButton.enabled


def test_what_ones_own_views_showed_is_there_again(sample, engine, slicer_app):
    manager, known = layouts()
    manager.setLayout(known.SlicerLayoutConventionalView)
    ui, own, t1 = sample.ui, a_volume("ADC"), sample.ui.t1Selector.currentNode()
    composite("Red").SetBackgroundVolumeID(t1.GetID())
    composite("Green").SetBackgroundVolumeID(own.GetID())
    composite("Green").SetForegroundVolumeID(t1.GetID())
    composite("Green").SetForegroundOpacity(0.7)
    composite("Yellow").SetBackgroundVolumeID(own.GetID())

    def shown():
        views = (composite(name) for name in ("Red", "Green", "Yellow"))
        return [
            (one.GetBackgroundVolumeID(), one.GetForegroundVolumeID(), one.GetForegroundOpacity())
            for one in views
        ]

    before = shown()
    engine("replay")
    detect(sample, slicer_app)
    pair = sample.panel.result.flair.GetID(), sample.panel.result.score.GetID()
    assert composite("AnomalyFLAIR").GetForegroundVolumeID() == pair[1]
    for leave in (None, ui.layoutBackButton, ui.sideBySideButton):
        if leave is not None:
            ui.sideBySideButton.click()
            ui.threeDButton.click()
            slicer_app.rest(0.05)
            assert {volumes[:2] for volumes in shown()} == {pair}
            leave.click()
        ui.layoutBackButton.click()
        slicer_app.rest(0.05)
        assert manager.layout == known.SlicerLayoutConventionalView
        assert shown() == before


def test_back_shows_nothing_of_a_patient_who_is_no_longer_read(panel, slicer_app, tmp_path):
    """What the three planes showed before 3D may be of the result that was shown then."""
    manager, known = layouts()
    manager.setLayout(known.SlicerLayoutConventionalView)
    assert panel.panel.folders.open(result_folder(tmp_path / "first"))
    first = panel.panel.result
    composite("Red").SetBackgroundVolumeID(first.flair.GetID())
    composite("Red").SetForegroundVolumeID(first.score.GetID())
    composite("Green").SetBackgroundVolumeID(first.t1.GetID())
    slicer_app.type("D")
    panel.panel.folders._forget()  # both stay in the scene
    assert panel.panel.folders.open(result_folder(tmp_path / "second"))
    second = panel.panel.result
    panel.ui.layoutBackButton.click()
    slicer_app.rest(0.05)
    assert manager.layout == known.SlicerLayoutConventionalView
    assert shown_in("Red") == (second.flair, second.score)
    assert composite("Green").GetBackgroundVolumeID() == second.shown_t1.GetID()


def test_3d_shows_the_findings_in_the_brain_and_they_follow_a_slider_when_it_rests(detected, slicer_app):
    slicer_app.type("D")
    result = detected.panel.result
    surface = "Closed surface"
    assert result.segmentation.GetSegmentation().ContainsRepresentation(surface)
    (brain,) = slicer.util.getNodes("Brain surface*").values()
    assert 0 < brain.GetDisplayNode().GetOpacity() < 0.3
    assert brain.GetDisplayNode().GetVisibility()
    detected.ui.thresholdSlider.value = 4.5
    detected.panel.display.rederive()
    assert not result.segmentation.GetSegmentation().ContainsRepresentation(surface)
    slicer_app.wait(lambda: result.segmentation.GetSegmentation().ContainsRepresentation(surface), 5)


def test_views_that_come_into_the_layout_go_to_the_finding(detected, slicer_app):
    manager = slicer.app.layoutManager()
    detected.panel.review.select(numbers(detected)[1])
    centre = centre_of(detected.panel.result, detected.panel.review.selected)
    green = manager.sliceWidget("Green").mrmlSliceNode()
    assert abs(slicer.util.arrayFromVTKMatrix(green.GetSliceToRAS())[1, 3] - centre[1]) > 5
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    slicer_app.rest(0.1)
    assert abs(slicer.util.arrayFromVTKMatrix(green.GetSliceToRAS())[1, 3] - centre[1]) < 1


def test_side_by_side_works_before_a_run(sample):
    sample.ui.sideBySideButton.click()
    assert slicer.app.layoutManager().sliceViewNames() == ["AnomalyT1", "AnomalyFLAIR"]
