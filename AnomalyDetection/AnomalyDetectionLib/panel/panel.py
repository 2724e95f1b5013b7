"""The panel: the state that its sections share, and how they follow the scene and each other."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ..scene.nodes import Logics
from ..scene.orphans import all_recreatable, hide_orphans, let_go_of_copies, orphans_in, remove_orphans
from ..scene.result import Result, make_again, prepare_for_sliders, remove_forgotten, result_of, results_in
from ..scene.result_nodes import can_be_made_again
from ..scene.view_layout import is_side_by_side
from .advanced_section import AdvancedSection
from .comparison_section import ComparisonSection
from .detect_section import DetectSection
from .display_section import DisplaySection
from .export_section import ExportSection
from .inputs_section import InputsSection
from .manual_edits import ManualEdits
from .moved_flair import MovedFlair
from .result_folders import ResultFolders
from .review_section import ReviewSection
from .shortcuts import Shortcuts
from .views import Views
from .widgets import WheelGuard, timer
from .worklist_section import WorklistSection

SETTLE_MS = 200
"""How long the scene must be unchanged before new volumes are processed, ms; a study adds many nodes."""

IDLE_MS = 1500  # how long after a result is shown the first move of a slider is prepared, ms


class Panel:
    """The sections over one .ui, one scene and one parameter node.

    `ui`: the widgets of AnomalyDetection.ui by name (`slicer.util.childWidgetVariables`).

    Attributes:
        parameters: the parameter node wrapper; None while a scene is closed.
        entered: whether the module is the one that is open.
    """

    def __init__(self, ui: Any, scene: Any, logics: Logics, logic: Any) -> None:
        self.ui, self.scene, self.logics = ui, scene, logics
        self.logic = logic
        self.parameters: Any = None
        self._shown: tuple[Any, ...] | None = None
        self._followed: tuple[Any, ...] = ()
        self._choosing = False
        self.entered = False
        self.advanced = AdvancedSection(self)
        self.inputs = InputsSection(self)
        self.display = DisplaySection(self)
        self.views = Views(self)
        self.by_hand = ManualEdits(self)
        self.moved = MovedFlair(self)
        self.earlier = ComparisonSection(self)
        self.review = ReviewSection(self)
        self.export = ExportSection(self)
        self.detect = DetectSection(self)
        self.folders = ResultFolders(self)
        self.worklist = WorklistSection(self)
        self.keys = Shortcuts(self)
        self._wheel = WheelGuard(ui.inputsCollapsibleButton.parentWidget(), ui.earlierSelector)
        self._timer = timer(SETTLE_MS, self._nodes_settled)
        self._idle = timer(IDLE_MS, self._prepare)
        ui.resultSelector.nodeActivated.connect(self._result_chosen)

    @property
    def layout_node(self) -> Any:
        """The application's vtkMRMLLayoutNode, or None where there are no views."""
        return self.scene.GetFirstNodeByClass("vtkMRMLLayoutNode")

    @property
    def result(self) -> Result | None:
        """The current result; always of the chosen T1 and FLAIR."""
        result = self._chosen_result()
        return result if result is not None and self.is_of_pair(result) else None

    @property
    def pair(self) -> tuple[Any, Any]:
        """The chosen T1 and FLAIR."""
        parameters = self.parameters
        return (None, None) if parameters is None else (parameters.t1, parameters.flair)

    def is_of_pair(self, result: Result) -> bool:
        """Whether a result is of the chosen T1 and FLAIR. A missing T1 matches any."""
        t1, flair = self.pair
        return result.flair is flair and (t1 is None or result.t1 is None or result.t1 is t1)

    def set_parameters(self, parameters: Any) -> None:
        """Follow another parameter node; None: the scene is being closed."""
        self.parameters = parameters
        self._shown = None
        if parameters is not None:
            result = self._chosen_result()
            if result is None:
                found = results_in(self.scene)
                result = found[-1] if found else None
                self._choose(None if result is None else result.score)
            if result is not None and parameters.flair is None:
                parameters.flair = result.flair
                if parameters.t1 is None:
                    parameters.t1 = result.t1
            self.inputs.begin()
            self.inputs.guess()
            self._followed = self.pair
        self.refresh()

    def refresh(self) -> None:
        """Update the panel to the parameter node and the scene."""
        if self._choosing:  # more changes will follow
            return
        self._follow_pair()
        result = self.result
        shown = (self.why_no_result(),) if result is None else (result.score.GetID(), result.table.GetID())
        if shown != self._shown:
            first, self._shown = self._shown is None, shown
            self.folders.take(result)
            self.by_hand.follow(result)
            self.moved.follow(result)
            self.display.take(result)
            self.review.take(result)
            self.earlier.take(result)
            self.views.take(result)
            if result is None and not first:
                self.display.show_nothing()
            self.inputs.fold(result is not None)
        self.inputs.refresh()
        self.detect.refresh()
        self.display.refresh()
        self.views.refresh()
        self.export.refresh()
        self.earlier.refresh()
        self.advanced.refresh()

    def nodes_changed(self) -> None:
        """Called when nodes were added or removed; more changes may follow."""
        self._timer.start()

    def findings_changed(self) -> None:
        """Show findings that were derived again, or whose outlines were edited."""
        self.by_hand.settle()
        self.review.refill()
        self.views.findings_changed()

    def node_goes(self, node: Any) -> None:
        """Called before a node is removed: empty its selector, which would otherwise choose the next node."""
        parameters = self.parameters
        if parameters is None or self.scene.IsClosing():
            return
        self._choosing = True  # the node still exists, and a refresh would choose it again with its result
        try:
            for name in ("t1", "flair", "brainMask"):
                if getattr(parameters, name) is node:
                    self.inputs.emptied(name)
                    setattr(parameters, name, None)
        finally:
            self._choosing = False

    def show(self, result: Result, *, arrange: bool = False) -> None:
        """Make a result the current one, and show it in the panel and the views.

        `arrange`: for a new result: show the views side by side, unless the user keeps a layout.
        """
        self._shown = ()
        self.detect.seen(result)
        self._choosing = True
        try:
            self.parameters.result, self.parameters.flair = result.score, result.flair
            if result.t1 is not None:
                self.parameters.t1 = result.t1
        finally:
            self._choosing = False
        self._followed = self.pair
        self.refresh()
        self.display.show_in_views()
        self.earlier.refresh()  # the T1 view shows the T1 again
        if arrange:
            self.views.arrange()
        self._idle.start()
        if self.review.selected is None and self.review.table.numbers:
            self.review.select(self.review.table.numbers[0])
        else:
            self.review.show_selected()

    def why_no_result(self) -> str:
        """The message that is shown in place of findings."""
        result, parameters = self._chosen_result(), self.parameters
        if result is not None and parameters.flair is not None and result.flair is not parameters.flair:
            return _('No result of "{name}" yet. The result of "{other}" is not shown over it.').format(
                name=parameters.flair.GetName(), other=result.flair.GetName()
            )
        if result is not None and result.t1 is not None and parameters.t1 is not None:
            return _('No result of "{name}" with this FLAIR yet; that with "{other}" is not shown.').format(
                name=parameters.t1.GetName(), other=result.t1.GetName()
            )
        score = None if self.parameters is None else self.parameters.result
        if result is None and score is not None and score.GetScene() is not None:
            return _("A part of this result was deleted: detect anomalies again.")
        return _("No result yet.")

    def enter(self) -> None:
        """Called when the module is opened."""
        self.entered = True
        self.inputs.guess()
        self.refresh()
        self.by_hand.take(adopt=True)
        self.keys.connect()
        self.views.connect()
        self.detect.take_up()

    def exit(self) -> None:
        """Called when another module is opened; a running detection continues."""
        self.entered = False
        self.detect.refresh()
        self.keys.disconnect()
        self.views.connect()

    def close_scene(self) -> None:
        """Called before the scene is closed."""
        self._stop()
        self.set_parameters(None)

    def cleanup(self) -> None:
        """Called before the panel is deleted."""
        self._stop()
        self.worklist.stop()
        self.advanced.stop()
        self.keys.disconnect()
        self.views.stop()
        self.review.nearest.stop()

    def _stop(self) -> None:
        """Save the open review, end what runs, and follow nothing in the scene."""
        self._idle.stop()
        self._timer.stop()
        self.folders.stop()
        self.earlier.stop()
        self.detect.stop()
        self.display.forget()
        self.by_hand.stop()
        self.moved.stop()

    def _chosen_result(self) -> Result | None:
        node = None if self.parameters is None else self.parameters.result
        # The parameter node keeps a deleted node until it is updated.
        return None if node is None or node.GetScene() is None else result_of(node)

    def _follow_pair(self) -> None:
        """After another T1 or FLAIR was chosen, show their result, if there is one. A FLAIR also selects the T1 of its result."""
        pair = self.pair
        if pair == self._followed or self.scene.IsBatchProcessing():
            return
        before, self._followed = self._followed, pair
        of_flair = [result for result in results_in(self.scene) if result.flair is pair[1]]
        own = [result for result in of_flair if self.is_of_pair(result)]
        if not own and pair[1] not in before:
            own = of_flair
        if own:
            shown = self.result
            self.show(own[-1] if shown is None else shown)
        elif pair[1] is not None and self.layout_node is not None and is_side_by_side(self.layout_node):
            self.views.side_by_side()

    def _prepare(self) -> None:
        if (result := self.result) is not None:
            prepare_for_sliders(result)

    def _nodes_settled(self) -> None:
        let_go_of_copies(self.scene)
        remove_forgotten(self.scene)
        self._ask_about_orphans()
        if self.parameters is not None:
            self.inputs.guess()
            self.refresh()
            self.views.connect()  # there may be new views

    def _ask_about_orphans(self) -> None:
        """Ask whether to delete the rest of a result of which a part was deleted; else make outlines and table again."""
        orphans = orphans_in(self.scene)
        if not orphans:
            return
        hide_orphans(self.scene, orphans)
        curable = [node for node in orphans if can_be_made_again(node)]
        if curable:
            text = _(
                "The outlines or the table of a result were deleted. Delete the rest of that result as well: its"
                ' scores, and its findings with your review? "No" makes outlines and table again.'
            )
        else:
            text = _(
                "A volume that a result belongs to was deleted. Delete the rest of that result as well: its outlines,"
                " and its findings with your review?"
            )
        delete = all_recreatable(orphans) or bool(slicer.util.confirmYesNoDisplay(text))
        if not delete:
            for node in curable:
                result = make_again(self.scene, self.logics, node)
                if result is not None and self.is_of_pair(result):
                    self.show(result)
                elif result is not None:
                    self.display.keep_out_of_sight(result)
            orphans = orphans_in(self.scene)
        remove_orphans(self.scene, orphans, delete)

    def _result_chosen(self, node: Any) -> None:
        """Show the result that the user has chosen."""
        if self.scene.IsBatchProcessing():  # opened just now: the volumes are not loaded yet
            return
        result = None if node is None else result_of(node)
        if result is not None and self.parameters is not None and not self._choosing:
            self.show(result)

    def _choose(self, score: Any) -> None:
        """Set the result in the parameter node without reacting to the change of its selector."""
        self._choosing = True
        try:
            self.parameters.result = score
        finally:
            self._choosing = False
