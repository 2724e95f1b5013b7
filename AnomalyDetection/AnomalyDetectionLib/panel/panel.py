"""The panel as a whole: what its sections share, and how they follow the scene and each other."""

from __future__ import annotations

from typing import Any

import qt

from ..scene.logics import Logics
from ..scene.result import Result, remove_forgotten, result_of, results_in
from .advanced import Advanced
from .detect import Detect
from .display import Display
from .export import Export
from .inputs import Inputs
from .keys import Keys
from .review import Review

SETTLE_MS = 200
"""How long the scene has to be quiet before new volumes are looked at: a study comes as many nodes."""


class Panel:
    """The sections over one .ui, one scene and one parameter node.

    Args:
        ui: the widgets of AnomalyDetection.ui by name (`slicer.util.childWidgetVariables`).
        scene: vtkMRMLScene.
        logics: that belong to it.
        start: starts a run, as `AnomalyDetectionLogic.start`.

    Attributes:
        parameters: the parameter node wrapper; None while a scene is closed.
    """

    def __init__(self, ui: Any, scene: Any, logics: Logics, start: Any) -> None:
        self.ui, self.scene, self.logics = ui, scene, logics
        self.start = start
        self.parameters: Any = None
        self._shown: tuple[Any, ...] | None = None
        self._choosing = False
        self.advanced = Advanced(self)
        self.inputs = Inputs(self)
        self.display = Display(self)
        self.review = Review(self)
        self.export = Export(self)
        self.detect = Detect(self)
        self.keys = Keys(self)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(SETTLE_MS)
        self._timer.timeout.connect(self._nodes_settled)
        ui.resultSelector.nodeActivated.connect(self._result_chosen)

    @property
    def layout_node(self) -> Any:
        """The application's vtkMRMLLayoutNode, or None where there are no views."""
        return self.scene.GetFirstNodeByClass("vtkMRMLLayoutNode")

    @property
    def result(self) -> Result | None:
        """The result that is shown and reviewed."""
        node = None if self.parameters is None else self.parameters.result
        # The parameter node remembers a node that was deleted until it is told.
        return None if node is None or node.GetScene() is None else result_of(node)

    def set_parameters(self, parameters: Any) -> None:
        """Follow another parameter node; None: the scene is being closed."""
        self.parameters = parameters
        self._shown = None
        if parameters is not None:
            if self.result is None:
                found = results_in(self.scene)
                self._choose(found[-1].score if found else None)
            self.inputs.guess()
        self.refresh()

    def refresh(self) -> None:
        """Make everything on the panel agree with the parameter node and the scene."""
        result = self.result
        shown = () if result is None else (result.score.GetID(), result.table.GetID())
        if shown != self._shown:
            self._shown = shown
            self.display.take(result)
            self.review.take(result)
        self.inputs.refresh()
        self.detect.refresh()
        self.display.refresh()
        self.export.refresh()
        self.advanced.refresh()

    def nodes_changed(self) -> None:
        """Nodes came or went; there may be more to come."""
        self._timer.start()

    def show(self, result: Result) -> None:
        """Make a result the one that is shown, in the panel and in the views."""
        self._shown = ()
        self._choose(result.score)
        self.refresh()
        self.display.show_in_views()
        self.review.select_first()

    def enter(self) -> None:
        """The module is opened."""
        self.inputs.guess()
        self.refresh()
        self.keys.connect()

    def exit(self) -> None:
        """Another module is opened; a run goes on."""
        self.keys.disconnect()

    def _nodes_settled(self) -> None:
        remove_forgotten(self.scene)
        if self.parameters is not None:
            self.inputs.guess()
            self.refresh()

    def _result_chosen(self, node: Any) -> None:
        """The user chose a result: the views follow."""
        if (
            self.scene.IsBatchProcessing()
        ):  # being opened: the box has changed, and the volumes are not read yet
            return
        result = None if node is None else result_of(node)
        if result is not None and self.parameters is not None and not self._choosing:
            self.show(result)

    def _choose(self, score: Any) -> None:
        """Let the parameter node hold another result; its box says so as if the user had chosen it."""
        self._choosing = True
        try:
            self.parameters.result = score
        finally:
            self._choosing = False

    def close_scene(self) -> None:
        """The scene is about to be closed."""
        self.detect.stop()
        self.display.forget()
        self._timer.stop()
        self.set_parameters(None)

    def cleanup(self) -> None:
        """The panel is about to be deleted."""
        self._timer.stop()
        self.advanced.stop()
        self.keys.disconnect()
        self.detect.stop()
        self.display.forget()
