"""The stand-ins do what Slicer does, as far as the panel relies on it."""

from __future__ import annotations

from pathlib import Path
from typing import Union

import ctk
import numpy as np
import pytest
import qt
import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer_scene import add_volume

TINY = Path(__file__).parent / "tiny" / "TinyPanel.py"


@pytest.fixture
def tiny(a_slicer_application):
    """The tiny module's panel, open."""
    return a_slicer_application.open(a_slicer_application.load_module(TINY))


def a_volume(name: str):
    return add_volume(slicer.mrmlScene, np.zeros((2, 3, 4)), np.eye(4), name)


def test_properties_are_attributes_and_setters_still_there(tiny):
    button = tiny.ui.goButton
    button.enabled = True
    button.setText("Run")
    assert button.text == "Run"
    assert button.isEnabled()
    assert button.name == button.objectName == "goButton"
    with pytest.raises(TypeError):
        button.text()


def test_a_click_comes_through(tiny, a_slicer_application):
    a_slicer_application.rest(0.05)
    assert tiny.clicks == 1  # the single shot
    tiny.ui.goButton.enabled = True
    tiny.ui.goButton.click()
    assert tiny.clicks == 2


def test_the_node_box_follows_the_scene_and_the_parameter_the_box(tiny):
    box = tiny.ui.volumeSelector
    first, second = a_volume("first"), a_volume("second")
    assert box.texts() == ["None", "first", "second"]
    assert tiny.parameters.volume is None
    box.choose(second)
    assert tiny.parameters.volume is second
    assert tiny.seen == [second]
    assert tiny.ui.goButton.enabled
    second.SetName("renamed")
    assert box.texts() == ["None", "first", "renamed"]
    tiny.parameters.volume = first
    assert box.currentNode() is first
    assert tiny.seen == [second, first]  # a program: Slicer tells that as if it were the user
    tiny.parameters.volume = first
    assert tiny.seen == [second, first]
    slicer.mrmlScene.RemoveNode(first)
    assert box.currentNode() is second  # Qt takes the row beside the one that goes
    box.choose(None)
    assert box.currentNode() is None
    assert tiny.parameters.volume is None


def test_hidden_nodes_and_other_kinds_are_not_offered(tiny):
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    a_volume("hidden").SetHideFromEditors(True)
    assert tiny.ui.volumeSelector.texts() == ["None"]
    assert tiny.ui.maskSelector.texts() == ["None", "labels"]  # the parameter's types, not the .ui file's


def test_widgets_and_parameters_follow_each_other(tiny):
    tiny.ui.strengthSlider.value = 4.2
    assert tiny.parameters.strength == 4.2
    tiny.parameters.strength = 1.5
    assert tiny.ui.strengthSlider.value == 1.5
    tiny.ui.countSpinBox.value = 7
    tiny.ui.onCheckBox.checked = False
    tiny.ui.wordsEdit.text = "other"
    tiny.ui.kindSelector.currentIndex = 0
    tiny.ui.pathEdit.currentPath = "some/where"
    parameters = tiny.parameters
    assert (parameters.count, parameters.on, parameters.words, parameters.kind) == (7, False, "other", "one")
    assert parameters.path == Path("some/where")
    assert tiny.ui.strengthSlider.maximum == 10  # the parameter's range


def test_a_value_out_of_range_or_of_another_type_is_refused(tiny):
    with pytest.raises(ValueError, match="within"):
        tiny.parameters.strength = 11
    with pytest.raises(TypeError):
        tiny.parameters.count = 2.5


def test_a_float_slider_is_refused_for_a_whole_number(tiny):
    @parameterNodeWrapper
    class Whole:
        size: int = 1

    whole = Whole(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    with pytest.raises(RuntimeError, match="no connector"):
        whole.connectParametersToGui({"size": tiny.ui.strengthSlider})


@pytest.mark.parametrize("union", ["Union[A, B]", "A | B | None"])
def test_a_union_of_nodes_has_to_be_written_as_slicer_reads_it(tiny, union):
    names = {"A": slicer.vtkMRMLSegmentationNode, "B": slicer.vtkMRMLLabelMapVolumeNode, "Union": Union}
    either = type("Either", (), {"__annotations__": {"mask": eval(union, names)}})
    with pytest.raises(TypeError):
        parameterNodeWrapper(either)


def test_messages_are_kept_and_answered(tiny, a_slicer_application):
    dialogs = a_slicer_application.dialogs
    dialogs.answers = [qt.QMessageBox.Cancel]
    assert not slicer.util.confirmOkCancelDisplay("Really?")
    assert slicer.util.confirmOkCancelDisplay("Really now?")
    slicer.util.errorDisplay("Broken.", detailedText="Why.")
    assert dialogs.texts == ["Really?", "Really now?", "Broken."]
    assert dialogs.shown[-1].details == "Why."
    dialogs.paths = ["some/file.csv"]
    assert qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), "Export", "", "*.csv") == "some/file.csv"
    assert qt.QFileDialog.getSaveFileName() == ""


def test_a_module_is_reloaded_as_slicer_does(tiny, a_slicer_application):
    slicer.util.reloadScriptedModule("TinyPanel")
    fresh = slicer.modules.TinyPanelWidget
    assert fresh is not tiny
    assert tiny.cleaned == 1
    fresh.ui.wordsEdit.text = "again"
    assert fresh.parameters.words == "again"


def test_layouts_make_their_views(a_slicer_application):
    manager = slicer.app.layoutManager()
    assert sorted(manager.sliceViewNames()) == ["Green", "Red", "Yellow"]
    volume = a_volume("a volume")
    slicer.util.setSliceViewerLayers(background=volume)
    composite = manager.sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == volume.GetID()


def test_a_scene_is_saved_and_opened(a_slicer_application, tmp_path):
    a_volume("kept")
    a_slicer_application.save_scene(tmp_path / "scene.mrb")
    a_slicer_application.open_scene(tmp_path / "scene.mrb")
    assert slicer.util.getNode("kept").GetImageData().GetDimensions() == (4, 3, 2)


def test_what_qt_5_cannot_read_is_refused(a_slicer_application, tmp_path):
    path = tmp_path / "new.ui"
    text = (TINY.parent / "Resources" / "UI" / "TinyPanel.ui").read_text("utf-8")
    path.write_text(text.replace("ctkPathLineEdit::Files", "ctkPathLineEdit::Filter::Files"), "utf-8")
    with pytest.raises(ValueError, match="Qt 5"):
        slicer.util.loadUI(str(path))
    path.write_text(text.replace('"noneEnabled"', '"noneEnabledd"'), "utf-8")
    with pytest.raises(ValueError, match="no property"):
        slicer.util.loadUI(str(path))


def test_sliders_below_one_parent_share_their_decimals_unless_told_not_to(a_slicer_application):
    parent = qt.QWidget()
    sliders = [ctk.ctkSliderWidget(parent) for _ in range(3)]
    sliders[0].synchronizeSiblings = ctk.ctkSliderWidget.SynchronizeWidth
    sliders[0].decimals = 1
    sliders[1].decimals = 0
    assert [slider.decimals for slider in sliders] == [1, 0, 0]
