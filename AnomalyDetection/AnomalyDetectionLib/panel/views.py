"""The views of the application: layouts, finding numbers, and clicks on findings."""

from __future__ import annotations

from typing import Any

import qt
import slicer
import vtk

from ..errors import InputError
from ..scene import finding_numbers, slice_views, three_d, view_layout
from ..scene.nodes import nodes_of_class
from ..scene.places import centre_of, finding_at
from ..scene.result import Result
from ..scene.result_nodes import NUMBERS, ROLE
from ..scene.segmentation import has_surfaces, show_surfaces
from .widgets import Observers, timer

KEEP_LAYOUT = "AnomalyDetection/KeepLayout"
"""Application setting: keep the user's layout when a result arrives."""

CLICK_PIXELS = 3  # a mouse that moves further between press and release is dragging, pixels
SURFACES_MS = 400
"""How long findings must be unchanged before their surfaces are updated, ms, so that sliders stay smooth in 3D."""


class Views:
    """Layouts, 3D, numbers and clicks for the current result."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._observers = Observers()
        self._places: finding_numbers.Places = {}
        self._numbered: tuple[int | None, int | None] | None = None
        self._pressed: tuple[int, int] | None = None
        self._three_d = False
        self._arrangement: int | None = None
        self._surfaces = timer(SURFACES_MS, self.make_surfaces)
        ui = panel.ui
        ui.sideBySideButton.clicked.connect(self.side_by_side)
        ui.threeDButton.clicked.connect(self.three_d)
        ui.layoutBackButton.clicked.connect(self.back)
        ui.keepLayoutCheckBox.checked = self.keeps_layout
        ui.keepLayoutCheckBox.toggled.connect(
            lambda keep: slicer.app.userSettings().setValue(KEEP_LAYOUT, bool(keep))
        )

    @property
    def keeps_layout(self) -> bool:
        """Whether the user's layout and volumes are kept when a result arrives."""
        return str(slicer.app.userSettings().value(KEEP_LAYOUT) or "").lower() == "true"

    @property
    def own(self) -> tuple[str, ...]:
        """The names of the slice views that show results; in all others the user's volumes are kept."""
        node = self._panel.layout_node
        three_d = node is not None and view_layout.is_three_d(node)
        beside = () if self.keeps_layout else (view_layout.T1_VIEW, view_layout.FLAIR_VIEW)
        return (*beside, *view_layout.PLANES) if three_d else beside

    def refresh(self) -> None:
        """Enable the buttons that apply to the current result."""
        ui, parameters, node = self._panel.ui, self._panel.parameters, self._panel.layout_node
        pair = parameters is not None and parameters.t1 is not None and parameters.flair is not None
        ui.sideBySideButton.enabled = node is not None and (pair or self._panel.result is not None)
        ui.threeDButton.enabled = node is not None and self._panel.result is not None
        ui.layoutBackButton.enabled = node is not None and view_layout.is_arranged(node)
        self.keep_off_other_patients()

    def arrange(self) -> None:
        """Show a new result with T1 and FLAIR side by side, unless the user keeps a layout."""
        if not self.keeps_layout and self._panel.layout_node is not None:
            self.side_by_side()

    def side_by_side(self) -> None:
        """Show T1 and FLAIR side by side, with the overlay on the FLAIR."""
        parameters, result = self._panel.parameters, self._panel.result
        t1, flair, score = parameters.t1, parameters.flair, None
        if result is not None:
            t1, flair, score = result.shown_t1 or t1, result.flair, result.score
        scene, application = self._panel.scene, self._panel.logics.application
        view_layout.side_by_side(
            scene,
            application,
            self._panel.layout_node,
            t1=t1,
            flair=flair,
            score=score,
            opacity=self._panel.ui.opacitySlider.value,
            at=self._place(),
        )
        if result is not None and not self._panel.ui.showOverlayCheckBox.checked:
            slice_views.set_overlay_visible(scene, result, False)
        # New views get their size only when the window is drawn and can be fitted only then.
        qt.QTimer.singleShot(0, lambda: self._fit(flair))
        self._panel.refresh()

    def three_d(self) -> None:
        """Show three planes and 3D with the findings inside the brain."""
        result = self._panel.result
        if result is None or self._panel.layout_node is None:
            return
        self._three_d = True
        with slicer.util.WaitCursor():
            view_layout.four_up(self._panel.layout_node)
            three_d.show_in_3d(self._panel.scene, result)
            three_d.show_surface_of(self._panel.scene, result)
            self._panel.display.show_in_views(view_layout.PLANES)
        self._panel.review.show_selected()
        qt.QTimer.singleShot(0, _look_at_all)
        self._panel.refresh()

    def back(self) -> None:
        """Restore the previous layout and what its views showed, unless that belongs to another result."""
        if self._panel.layout_node is not None:
            view_layout.put_back(self._panel.layout_node)
            self._panel.display.show_in_views(())
        self._panel.review.show_selected()
        self._panel.refresh()

    def take(self, result: Result | None) -> None:
        """Follow another result, or none."""
        self._surfaces.stop()
        self._three_d = result is not None and has_surfaces(result.segmentation)
        three_d.show_surface_of(self._panel.scene, result)
        self.findings_changed()

    def findings_changed(self) -> None:
        """Update numbers and surfaces after outlines have changed."""
        result, self._numbered = self._panel.result, None
        for node in nodes_of_class(self._panel.scene, "vtkMRMLMarkupsFiducialNode"):
            if node.GetAttribute(ROLE) == NUMBERS:
                node.RemoveAllControlPoints()  # another result's
        try:
            self._places = {} if result is None else finding_numbers.number_places(result)
        except InputError:  # the volumes were not saved with the scene
            self._places = {}
        self.show_numbers()
        if self._three_d and result is not None and not has_surfaces(result.segmentation):
            self._surfaces.start()

    def connect(self) -> None:
        """Follow the volumes in the views and, while the module is open, layout, slices and clicks, too."""
        self._observers.remove()
        node, events = self._panel.layout_node, vtk.vtkCommand
        for composite in nodes_of_class(self._panel.scene, "vtkMRMLSliceCompositeNode"):
            self._observers.add(composite, events.ModifiedEvent, self.keep_off_other_patients)
        if not self._panel.entered:
            return
        if node is not None:
            self._observers.add(node, events.ModifiedEvent, self._layout_changed)
            self._arrangement = node.GetViewArrangement()
        for slice_node in slice_views.shown_slice_nodes(self._panel.scene):
            self._observers.add(slice_node, events.ModifiedEvent, self.show_numbers)
        for interactor in _interactors():
            self._observers.add(interactor, events.LeftButtonPressEvent, self._press)
            self._observers.add(interactor, events.LeftButtonReleaseEvent, self._let_go)
        self.show_numbers()

    def keep_off_other_patients(self, *_: Any) -> None:
        """Hide outlines and numbers where a view shows the image of another patient."""
        if (result := self._panel.result) is not None:
            slice_views.keep_off_other_patients(self._panel.scene, result)

    def stop(self) -> None:
        """Called before the scene or the panel is closed."""
        self._surfaces.stop()
        self._observers.remove()

    def pointed_at(self) -> list[float] | None:
        """The position of the mouse in a slice view, else of the crosshair: RAS mm; None: neither."""
        crosshair = self._panel.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        if crosshair is None:
            return None
        ras = [0.0, 0.0, 0.0]
        if crosshair.GetCursorPositionRAS(ras):
            return ras
        ras = list(crosshair.GetCrosshairRAS())
        return ras if any(ras) else None

    def show_numbers(self, *_: Any) -> None:
        """Show the numbers of the current slice, if they are not shown yet."""
        result, selected = self._panel.result, self._panel.review.selected
        if result is None:
            return
        index = finding_numbers.slice_in_view(result, slice_views.shown_slice_nodes(self._panel.scene))
        if (index, selected) == self._numbered:
            return
        self._numbered = index, selected
        here = {} if index is None else self._places.get(index, {})
        shown = set(self._panel.review.table.numbers)
        places = {number: place for number, place in here.items() if number in shown}
        finding_numbers.show_numbers(self._panel.scene, result, places, selected)

    def _place(self) -> list[float] | None:
        """The position of the selected finding."""
        result, selected = self._panel.result, self._panel.review.selected
        return None if result is None or selected is None else centre_of(result, selected).tolist()

    def _fit(self, flair: Any) -> None:
        if flair.GetScene() is not None:
            view_layout.fit(self._panel.scene, self._panel.logics.application, flair, at=self._place())

    def _layout_changed(self, *_: Any) -> None:
        node = self._panel.layout_node
        if node is not None and node.GetViewArrangement() != self._arrangement:
            self._arrangement = node.GetViewArrangement()
            qt.QTimer.singleShot(0, self._follow_layout)

    def _follow_layout(self) -> None:
        """Move views that were not visible until now to the selected finding, too."""
        if self._panel.entered:
            self.connect()
            self._panel.display.show_in_views(())
            self._panel.review.show_selected()
            self._panel.refresh()

    def make_surfaces(self) -> None:
        """Create the surfaces of the current findings for 3D."""
        if self._panel.result is not None:
            show_surfaces(self._panel.result.segmentation)

    def _press(self, interactor: Any, _event: str) -> None:
        self._pressed = tuple(interactor.GetEventPosition())

    def _let_go(self, interactor: Any, _event: str) -> None:
        before, self._pressed = self._pressed, None
        result, now = self._panel.result, interactor.GetEventPosition()
        if before is None or result is None:
            return
        if max(abs(a - b) for a, b in zip(before, now, strict=True)) > CLICK_PIXELS:
            return
        ras = self.pointed_at()
        number = None if ras is None else finding_at(result, ras)
        if number in self._panel.review.table.numbers:
            self._panel.review.mark(number)


def _interactors() -> list[Any]:
    """The interactors of the slice views in the layout; empty without a window."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return []
    widgets = [manager.sliceWidget(name) for name in manager.sliceViewNames()]
    return [widget.sliceView().interactor() for widget in widgets if widget is not None]


def _look_at_all() -> None:
    """Centre the head in the first 3D view, seen from the front."""
    manager = slicer.app.layoutManager()
    if manager is None or manager.threeDViewCount == 0:
        return
    view = manager.threeDWidget(0).threeDView()
    view.resetFocalPoint()
    view.resetCamera()
