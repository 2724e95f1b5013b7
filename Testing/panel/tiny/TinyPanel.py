"""A module as small as can be, to try the stand-ins on."""

# ruff: noqa: N802, N806 (names as Slicer has them)
from pathlib import Path
from typing import Annotated, Union

import qt
import slicer
import vtk
from slicer import vtkMRMLLabelMapVolumeNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import *  # noqa: F403
from slicer.util import VTKObservationMixin


class TinyPanel(ScriptedLoadableModule):  # noqa: F405
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)  # noqa: F405
        self.parent.title = _("Tiny panel")


@parameterNodeWrapper
class TinyParameters:
    volume: vtkMRMLScalarVolumeNode
    mask: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    strength: Annotated[float, WithinRange(0, 10)] = 3.0
    count: Annotated[int, WithinRange(1, 9)] = 2
    on: bool = True
    words: str = "hello"
    kind: Annotated[str, Choice(["one", "two"])] = "two"
    path: Path


class TinyPanelWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):  # noqa: F405
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)  # noqa: F405
        VTKObservationMixin.__init__(self)
        self.clicks, self.entered, self.cleaned, self.seen = 0, 0, 0, []

    def setup(self):
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/TinyPanel.ui"))
        self.layout.addWidget(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.ui.goButton.clicked.connect(self.onGo)
        self.logic = ScriptedLoadableModuleLogic()  # noqa: F405
        self.logic.moduleName = "TinyPanel"
        self.parameters = TinyParameters(self.logic.getParameterNode())
        self.tag = self.parameters.connectGui(self.ui)
        self.addObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.onModified)
        self.ui.volumeSelector.nodeActivated.connect(lambda node: self.seen.append(node))
        qt.QTimer.singleShot(0, self.onGo)

    def onGo(self):
        self.clicks += 1

    def onModified(self, caller, event):
        self.ui.goButton.enabled = self.parameters.volume is not None

    def enter(self):
        self.entered += 1

    def cleanup(self):
        self.cleaned += 1
        self.removeObservers()
