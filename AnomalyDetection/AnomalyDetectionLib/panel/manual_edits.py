"""Edits by the reader: changes in the Segment Editor are taken over, and missed findings can be added."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ..errors import InputError
from ..scene import editing
from ..scene.findings_table import ADDED, CHANGED, rows
from ..scene.result import Result
from .widgets import Observers, timer

REST_MS = 300
"""How long the segments must be unchanged before edits are taken over, ms; one brush stroke makes many changes."""


class ManualEdits:
    """Follows the segments of the current result."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._observers = Observers()
        self._edited = False  # since all segments were drawn
        self._timer = timer(REST_MS, self.take)
        panel.ui.newFindingButton.clicked.connect(self.add)
        panel.ui.asDetectedButton.clicked.connect(self.as_detected)

    def follow(self, result: Result | None) -> None:
        """Follow another result, or none."""
        self.stop()
        self._edited = False
        if result is None:
            return
        segmentation = result.segmentation.GetSegmentation()
        for event in (
            slicer.vtkSegmentation.SourceRepresentationModified,
            slicer.vtkSegmentation.SegmentModified,  # renamed
            slicer.vtkSegmentation.SegmentAdded,
            slicer.vtkSegmentation.SegmentRemoved,
        ):
            self._observers.add(segmentation, event, self._changed)

    def settle(self) -> None:
        """The segments are those of the findings: nothing needs to be taken over."""
        self._timer.stop()

    def stop(self) -> None:
        """Follow nothing."""
        self._timer.stop()
        self._observers.remove()

    def take(self, *, adopt: bool = False) -> None:
        """Update the table to the current segments.

        `adopt`: also turn segments that the reader has added into findings, and draw all as they count; not while one may
        still be painted.
        """
        self._timer.stop()
        result = self._panel.result
        if result is None:
            return
        self._panel.review.keep_note()
        changed = editing.take_edits(result)
        try:
            if adopt:
                changed += editing.adopt_segments(self._panel.scene, self._panel.logics, result)
        except InputError as error:
            self._panel.review.tell(str(error), "error")
        self._edited = self._edited or bool(changed)
        if self._edited and adopt:
            self._edited = False
            self._panel.review.show_again()  # where segments overlap, a voxel is one finding's
        elif changed:
            self._panel.findings_changed()

    def add(self) -> None:
        """Add a finding at the crosshair, or at the mouse over a slice view."""
        result = self._panel.result
        if result is None:
            return
        self.take(adopt=True)
        ras = self._panel.views.pointed_at()
        if ras is None:
            text = _("Hold Shift and move the mouse over the lesion in a slice, then add it.")
            self._panel.review.tell(text, "warning")
            return
        try:
            with slicer.util.WaitCursor():
                number = editing.add_finding(self._panel.scene, self._panel.logics, result, ras)
        except InputError as error:
            self._panel.review.tell(str(error), "warning")
            return
        self._panel.findings_changed()
        self._panel.review.mark(number)

    def as_detected(self) -> None:
        """Restore the detected outline of the selected finding, after a question if the reader's is lost by it."""
        result, number = self._panel.result, self._panel.review.selected
        if result is None or number is None:
            return
        self.take()
        edited = next((row.edited for row in rows(result.table) if row.number == number), "")
        questions = {
            CHANGED: _(
                "Replace your outline of finding {number} by the detected one? Undo brings yours back."
            ),
            ADDED: _("Remove finding {number}, which you have added? Undo brings it back."),
        }
        question = questions.get(edited)
        if question and not slicer.util.confirmYesNoDisplay(question.format(number=number)):
            return
        try:
            editing.as_detected(self._panel.scene, self._panel.logics, result, number)
        except InputError as error:
            self._panel.review.tell(str(error), "error")
            return
        self._panel.findings_changed()

    def _changed(self, *_: Any) -> None:
        self._timer.start()
