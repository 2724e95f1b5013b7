"""The stand-ins do what Slicer does, as far as the panel relies on it."""

from __future__ import annotations

from typing import Annotated, Union

import ctk
import numpy as np
import pytest
import qt
import slicer
from conftest import REPOSITORY
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer_scene import add_volume

UI = REPOSITORY / "AnomalyDetection" / "Resources" / "UI" / "AnomalyDetection.ui"


def a_volume(name: str):
    return add_volume(slicer.mrmlScene, np.zeros((2, 3, 4)), np.eye(4), name)


def wrapped(defaults=None, **kinds):
    """A parameter node with these parameters."""
    made = type("Choices", (), {"__annotations__": kinds, **(defaults or {})})
    return parameterNodeWrapper(made)(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))


@pytest.fixture
def box(a_slicer_application):
    """A box for a scalar volume, or none."""
    made = slicer.qMRMLNodeComboBox()
    made.nodeTypes, made.noneEnabled, made.showChildNodeTypes = ["vtkMRMLScalarVolumeNode"], True, False
    made.setMRMLScene(slicer.mrmlScene)
    yield made
    made.setMRMLScene(None)


def test_properties_are_attributes_and_setters_still_there(a_slicer_application):
    button = qt.QPushButton()
    button.objectName = "goButton"
    button.enabled = True
    button.setText("Run")
    assert button.text == "Run"
    assert button.isEnabled()
    assert button.name == button.objectName == "goButton"
    with pytest.raises(TypeError):
        button.text()


def test_the_node_box_follows_the_scene_and_the_parameter_the_box(box):
    seen = []
    box.nodeActivated.connect(seen.append)
    parameters = wrapped(volume=slicer.vtkMRMLScalarVolumeNode)
    parameters.connectParametersToGui({"volume": box})
    first, second = a_volume("first"), a_volume("second")
    assert box.texts() == ["None", "first", "second"]
    assert parameters.volume is None
    box.choose(second)
    assert parameters.volume is second
    assert seen == [second]
    second.SetName("renamed")
    assert box.texts() == ["None", "first", "renamed"]
    parameters.volume = first
    assert box.currentNode() is first
    assert seen == [second, first]  # a program: Slicer tells that as if it were the user
    parameters.volume = first
    assert seen == [second, first]
    slicer.mrmlScene.RemoveNode(first)
    assert box.currentNode() is second  # Qt takes the row beside the one that goes
    box.choose(None)
    assert box.currentNode() is None
    assert parameters.volume is None


def test_hidden_nodes_and_other_kinds_are_not_offered(box):
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    a_volume("hidden").SetHideFromEditors(True)
    assert box.texts() == ["None"]
    masks = Union[slicer.vtkMRMLSegmentationNode, slicer.vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    wrapped(mask=masks).connectParametersToGui({"mask": box})
    assert box.texts() == ["None", "labels"]  # the parameter's types, not the .ui file's


def test_widgets_and_parameters_follow_each_other_within_the_parameters_range(a_slicer_application):
    strength, count, on = ctk.ctkSliderWidget(), qt.QSpinBox(), qt.QCheckBox()
    strength.decimals = 1
    parameters = wrapped(
        {"strength": 3.0, "count": 2, "on": True},
        strength=Annotated[float, WithinRange(0, 10)],
        count=Annotated[int, WithinRange(1, 9)],
        on=bool,
    )
    parameters.connectParametersToGui({"strength": strength, "count": count, "on": on})
    assert (strength.value, strength.maximum) == (3.0, 10)
    strength.value = 4.2
    assert parameters.strength == 4.2
    parameters.strength = 1.5
    assert strength.value == 1.5
    count.value = 7
    on.checked = False
    assert (parameters.count, parameters.on) == (7, False)
    with pytest.raises(ValueError, match="within"):
        parameters.strength = 11
    with pytest.raises(TypeError):
        parameters.count = 2.5
    with pytest.raises(RuntimeError, match="no connector"):
        parameters.connectParametersToGui({"count": strength})


@pytest.mark.parametrize("union", ["Union[A, B]", "A | B | None"])
def test_a_union_of_nodes_has_to_be_written_as_slicer_reads_it(a_slicer_application, union):
    names = {"A": slicer.vtkMRMLSegmentationNode, "B": slicer.vtkMRMLLabelMapVolumeNode, "Union": Union}
    with pytest.raises(TypeError):
        wrapped(mask=eval(union, names))


def test_messages_are_kept_and_answered(a_slicer_application):
    dialogs = a_slicer_application.dialogs
    dialogs.answers = [qt.QMessageBox.Cancel]
    assert not slicer.util.confirmOkCancelDisplay("Really?")
    assert slicer.util.confirmOkCancelDisplay("Really now?")
    slicer.util.errorDisplay("Broken.", detailedText="Why.")
    assert dialogs.texts == ["Really?", "Really now?", "Broken."]
    dialogs.paths = ["some/file.csv"]
    assert qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), "Export", "", "*.csv") == "some/file.csv"
    assert qt.QFileDialog.getSaveFileName() == ""


def test_what_qt_5_cannot_read_is_refused(a_slicer_application, tmp_path):
    path, text = tmp_path / "new.ui", UI.read_text("utf-8")
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
