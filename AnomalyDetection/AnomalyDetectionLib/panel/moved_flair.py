"""Findings stay on the FLAIR that is moved in the scene; that its voxels have changed, or the T1 is elsewhere, is said."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from ..scene.result import Result
from ..scene.result_nodes import stands_with_flair, t1_moved_mm
from .remarks import MOVED, MOVED_MM
from .widgets import Observers, timer

REST_MS = 200  # how long the FLAIR must be unchanged, ms; a transform is dragged in many steps


class MovedFlair:
    """Follows the FLAIR of the current result."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._observers = Observers()
        self._voxels = 0
        self._apart = False
        self._timer = timer(REST_MS, self._check)

    def follow(self, result: Result | None) -> None:
        """Follow the FLAIR of another result, or none."""
        self.stop()
        if result is None:
            return
        self._voxels, self._apart = _state_of_voxels(result), _are_apart(result)
        for event in (vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLTransformableNode.TransformModifiedEvent):
            for node in (result.flair, result.t1):
                if node is not None:
                    self._observers.add(node, event, self._changed)
        self._timer.start()  # it may have been moved while another result was shown

    def stop(self) -> None:
        """Follow nothing."""
        self._timer.stop()
        self._observers.remove()

    def _changed(self, *_: Any) -> None:
        self._timer.start()

    def _check(self) -> None:
        result = self._panel.result
        if result is None:
            return
        if not stands_with_flair(result):
            self._panel.by_hand.take(adopt=True)
            self._panel.review.show_again()
        before, self._voxels = self._voxels, _state_of_voxels(result)
        if before != self._voxels:
            changed = _(
                'The voxels of "{name}" were changed in the scene, and the findings are those of before: if it shows'
                " something else now, detect anomalies again."
            )
            self._panel.detect.tell([changed.format(name=result.flair.GetName())])
        before_apart, self._apart = self._apart, _are_apart(result)
        if self._apart and not before_apart:
            self._panel.detect.tell([_(MOVED)])


def _are_apart(result: Result) -> bool:
    return t1_moved_mm(result) > MOVED_MM


def _state_of_voxels(result: Result) -> int:
    image = result.flair.GetImageData()
    return 0 if image is None else int(image.GetMTime())
