"""The Slicer module: choose a T1 and a FLAIR, click Detect anomalies, review, export.

The panel's sections are in AnomalyDetectionLib/panel and the bridge to the scene in AnomalyDetectionLib/scene; the
detection runs in a separate process.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Union

import slicer
import vtk
from AnomalyDetectionLib.detection.detection_settings import DetectionSettings, setting_of
from AnomalyDetectionLib.panel.self_test import AnomalyDetectionTest
from slicer import vtkMRMLLabelMapVolumeNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

__all__ = [  # Slicer looks for these names
    "AnomalyDetection",
    "AnomalyDetectionLogic",
    "AnomalyDetectionTest",
    "AnomalyDetectionWidget",
]


class AnomalyDetection(ScriptedLoadableModule):
    """The module's title, help and acknowledgement."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Anomaly Detection")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Colors", "Segmentations"]
        self.parent.contributors = ["The AnomalyDetection developers"]
        self.parent.helpText = _(
            "Marks tissue that looks unusual on a T1 and a FLAIR of the brain: above all chronic infarcts, but also white"
            " matter hyperintensities and other abnormal tissue. Choose the two volumes, click"
            " <b>Detect anomalies</b>, give each finding a category with the keys 1 to 8, move on with U (next"
            " unreviewed), N and P, and export.<br><br><b>Research use only. Not a medical device; not for diagnosis.</b>"
        )
        self.parent.acknowledgementText = _(
            "The method is that of van Hespen KM, Zwanenburg JJM, Dankbaar JW, Geerlings MI, Hendrikse J, Kuijf"
            " HJ: An anomaly detection approach to identify chronic brain infarcts on MRI. Scientific Reports 11,"
            " 7714 (2021), <a href='https://doi.org/10.1038/s41598-021-87013-4'>doi:10.1038/s41598-021-87013-4</a>."
            " Please cite it."
        )
        slicer.app.connect("startupCompleted()", _register)


def _register() -> None:
    """Register the sample in the Sample Data module, and the layout for scenes that were saved with it.

    Temporary files that a killed Slicer has left are removed, as they contain images of a patient.
    """
    from AnomalyDetectionLib.files.run_folders import remove_leftovers
    from AnomalyDetectionLib.panel.sample_data import register
    from AnomalyDetectionLib.scene import view_layout

    register()
    remove_leftovers(Path(slicer.app.temporaryPath))
    layoutNode = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if layoutNode is not None:
        view_layout.register(layoutNode)


@parameterNodeWrapper
class AnomalyDetectionParameterNode:
    """The choices on the panel; they are saved with the scene.

    t1, flair, brainMask: the inputs.
    result: the score volume of the current result.
    model: "" for the default, a bundled model's name, or "file"; modelFile: the path then.
    device: "auto", "cpu" or "gpu".
    percentile, stride: -1 and 0 stand for the model's own.

    Threshold and minimum size are not among them: each result keeps its own.
    """

    t1: vtkMRMLScalarVolumeNode
    flair: vtkMRMLScalarVolumeNode
    brainMask: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    result: vtkMRMLScalarVolumeNode
    addResult: bool = False
    overlayOpacity: Annotated[float, WithinRange(0, 1)] = 0.4
    showOverlay: bool = True
    showOutlines: bool = True
    fillOutlines: bool = False
    acceptedOnly: bool = False
    anonymousReport: bool = False
    model: str = ""
    modelFile: str = ""
    device: str = DetectionSettings.device
    percentile: Annotated[float, WithinRange(-1, setting_of("percentile").bounds[1])] = -1.0
    stride: Annotated[int, WithinRange(0, setting_of("stride").bounds[1])] = 0
    register: bool = DetectionSettings.register
    biasCorrection: bool = DetectionSettings.bias_correction
    keepIntermediate: bool = False


class AnomalyDetectionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: Any = None
        self.panel: Any = None
        self._parameterNode: Any = None
        self._parameterNodeGuiTag: Any = None
        self._replaced = False

    def setup(self) -> None:
        """Called once, when the module is first opened."""
        from AnomalyDetectionLib.panel.panel import Panel

        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/AnomalyDetection.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.ui.resultSelector.addAttribute("vtkMRMLScalarVolumeNode", "AnomalyDetection.Result")
        self.logic = AnomalyDetectionLogic()
        self.panel = Panel(self.ui, slicer.mrmlScene, sceneLogics(), self.logic)
        scene = slicer.mrmlScene
        for event, method in (
            (scene.StartCloseEvent, self.onSceneStartClose),
            (scene.EndCloseEvent, self.onSceneEndClose),
            (scene.EndImportEvent, self.onSceneContentReplaced),
            (scene.EndUndoEvent, self.onSceneContentReplaced),
            (scene.EndRedoEvent, self.onSceneContentReplaced),
            (scene.NodeAddedEvent, self.onNodeAddedOrRemoved),
            (scene.NodeRemovedEvent, self.onNodeAddedOrRemoved),
        ):
            self.addObserver(scene, event, method)
        # Before the selectors notice the removal and choose the next volume.
        about_to_go = scene.NodeAboutToBeRemovedEvent
        self.addObserver(scene, about_to_go, self.onNodeAboutToBeRemoved, priority=100.0)
        self.initializeParameterNode()
        if self.parent.isEntered:  # reloaded while it is open, when Slicer does not call enter()
            self.enter()

    def cleanup(self) -> None:
        """Called when Slicer closes, or the module is reloaded."""
        self.removeObservers()
        if self._parameterNode is not None:
            # Otherwise the hidden widgets of a reloaded panel would continue to write.
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNode = None
        if self.panel is not None:
            self.panel.cleanup()

    def enter(self) -> None:
        """Called each time the module is opened."""
        self.initializeParameterNode()
        self.panel.enter()

    def exit(self) -> None:
        """Called each time another module is opened; a running detection continues."""
        self.panel.exit()

    def onSceneStartClose(self, caller: Any, event: Any) -> None:
        self.panel.close_scene()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller: Any, event: Any) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneContentReplaced(self, caller: Any, event: Any) -> None:
        self._replaced = True
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onNodeAddedOrRemoved(self, caller: Any, event: Any) -> None:
        self.panel.nodes_changed()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller: Any, event: Any, node: Any) -> None:
        self.panel.node_goes(node)

    def initializeParameterNode(self) -> None:
        """Follow the scene's parameter node, which exists as long as the module is open."""
        parameterNode = self.logic.getParameterNode()
        known = self._parameterNode is not None and (
            self._parameterNode.parameterNode is parameterNode.parameterNode
        )
        # After an import or an undo the node is the same, but not what it refers to.
        if known and not self._replaced:
            self.panel.refresh()
        else:
            self.setParameterNode(parameterNode)
        self._replaced = False

    def setParameterNode(self, parameterNode: Any) -> None:
        """Follow a parameter node; None: none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self._parameterNode = parameterNode
        # Changes of the widgets while they are being filled are not choices of the user.
        self.panel.parameters = None
        if parameterNode is not None:
            # Slicer's connectGui does the same, but does not return the tag that disconnectGui needs.
            self._parameterNodeGuiTag = parameterNode.connectParametersToGui(self.widgetsByParameter())
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self.panel.set_parameters(parameterNode)

    def widgetsByParameter(self) -> dict[str, Any]:
        """The widgets that the .ui file binds to a parameter."""
        widgets = [(widget.property("SlicerParameterName"), widget) for widget in vars(self.ui).values()]
        return {name: widget for name, widget in widgets if name}

    def onParametersModified(self, caller: Any = None, event: Any = None) -> None:
        self.panel.refresh()


class AnomalyDetectionLogic(ScriptedLoadableModuleLogic):
    """Detection for scripts, and for the panel: `process` waits, `start` does not."""

    def getParameterNode(self) -> AnomalyDetectionParameterNode:
        """The scene's parameter node."""
        return AnomalyDetectionParameterNode(super().getParameterNode())

    def standby(self) -> Any:
        """Start an engine that waits for a job, as starting takes two seconds: give it to `start`, or `cancel` it.

        Returns a `StandbyEngine`. Raises an InputError if Slicer's Python or the temporary folder cannot be
        used.
        """
        from AnomalyDetectionLib.panel.slicer_python import python_command
        from AnomalyDetectionLib.scene.engine_job import StandbyEngine

        return StandbyEngine(python_command(), Path(slicer.app.temporaryPath))

    def start(self, inputs: Any, replace: Any = None, standby: Any = None) -> Any:
        """Start a run and return at once.

        Args:
            inputs: `AnomalyDetectionLib.scene.detection_job.DetectionInputs`.
            replace: the result to update; None: add a new result.
            standby: an engine of `standby`; it ends with the run.

        Returns a `DetectionJob`: `poll` it, then `finish` or `cancel` it. Raises an InputError if the volumes
        cannot be passed to the engine.
        """
        from AnomalyDetectionLib.panel.slicer_python import python_command
        from AnomalyDetectionLib.scene.detection_job import DetectionJob

        return DetectionJob(
            slicer.mrmlScene,
            sceneLogics(),
            inputs,
            python=python_command(),
            replace=replace,
            temporary=Path(slicer.app.temporaryPath),
            standby=standby,
        )

    def process(
        self,
        t1Node: Any,
        flairNode: Any,
        brainMaskNode: Any = None,
        *,
        onProgress: Callable[[Any], None] | None = None,
        replace: Any = None,
        keep_intermediate: bool = False,
        **settings: Any,
    ) -> Any:
        """Detect anomalies and wait for the result. Uses a GPU if there is one.

        Args:
            t1Node, flairNode: scalar volumes of one head.
            brainMaskNode: segmentation or label map of the brain; None: find the brain.
            onProgress: called with stage, fraction and message of each step.
            replace: a result to update; None: add a new result.
            keep_intermediate: whether the prepared volumes are listed in Slicer.
            settings: model, device, threshold, ...: the fields of `AnomalyDetectionLib.detection.detection_settings.DetectionSettings`.

        Returns the score volume (vtkMRMLScalarVolumeNode) and the segmentation (vtkMRMLSegmentationNode).
        Raises an InputError if the volumes cannot be used, or the run failed; the message says why.
        """
        from AnomalyDetectionLib.errors import InputError
        from AnomalyDetectionLib.panel.first_run import missing_requirements
        from AnomalyDetectionLib.scene.detection_job import DetectionInputs
        from AnomalyDetectionLib.scene.input_checks import problems

        missing = missing_requirements()
        if missing:
            raise InputError(
                f"Python packages are missing ({', '.join(missing)}): open the module Anomaly Detection and click"
                " Detect anomalies once, which offers to install them."
            )
        wrong = problems(t1Node, flairNode, brainMaskNode)
        if wrong:
            raise InputError(wrong[0])
        inputs = DetectionInputs(
            t1Node, flairNode, brainMaskNode, DetectionSettings(**settings), keep_intermediate
        )
        job = self.start(inputs, replace)
        try:
            state = "running"
            while state == "running":
                slicer.app.processEvents()
                time.sleep(0.05)
                state = job.state  # before the progress, so that the last is not lost
                for progress in job.poll():
                    if onProgress is not None:
                        onProgress(progress)
            result = job.finish()
        finally:
            job.cancel()
        return result.score, result.segmentation


def sceneLogics() -> Any:
    """Slicer's logics, for the bridge to the scene."""
    from AnomalyDetectionLib.scene.nodes import Logics

    return Logics(
        application=slicer.app.applicationLogic(),
        colors=slicer.modules.colors.logic(),
        segmentations=slicer.modules.segmentations.logic(),
    )
