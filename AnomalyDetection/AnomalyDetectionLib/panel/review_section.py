"""Findings: navigation, category, decision, note, undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..errors import InputError
from ..scene import findings_table, slice_views
from ..scene.places import centre_of, slices_of
from ..scene.result import Result, hidden_hints, hidden_numbers, hide_hints, show_again
from ..scene.segmentation import emphasise, emphasised, name_segments
from .findings_view import BY_SCORE, BY_SLICE, FindingsView
from .hint_filter import HintFilter
from .labels import SHORT, hint_in_words
from .nearest_tissue_view import NearestTissueView
from .widgets import CHOSEN, Line, timer

ORDERS = (BY_SCORE, BY_SLICE)
COLUMNS_OF_CATEGORIES = 3
TYPING_MS = 700  # how long a note must be unchanged before it is stored in the scene, ms

GO_ON = "AnomalyDetection/GoOn"
"""Application setting: go to the next unreviewed finding after a category was given."""


class ReviewSection:
    """The section "Findings" of the panel."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._selected: int | None = None
        self._slices: dict[int, int] = {}
        ui = panel.ui
        self.table = FindingsView(ui.findingsTable, self.select)
        for text in (_("by score"), _("by slice")):
            ui.orderSelector.addItem(text)
        ui.orderSelector.currentIndexChanged.connect(self.refill)
        ui.moreColumnsCheckBox.toggled.connect(self.table.show_more)
        ui.nextButton.clicked.connect(self.next)
        ui.previousButton.clicked.connect(self.previous)
        ui.nextUnreviewedButton.clicked.connect(self.next_unreviewed)
        ui.undoButton.clicked.connect(self.undo)
        ui.acceptButton.clicked.connect(self.accept)
        ui.rejectButton.clicked.connect(self.reject)
        goes_on = slicer.app.userSettings().value(GO_ON)  # None: never chosen
        ui.goOnCheckBox.checked = str(goes_on).lower() != "false"
        ui.goOnCheckBox.toggled.connect(lambda on: slicer.app.userSettings().setValue(GO_ON, bool(on)))
        ui.noteEdit.editingFinished.connect(self.keep_note)
        # Qt does not call the editing finished when a dialog opens, such as that of saving the scene.
        self._typing = timer(TYPING_MS, self.keep_note, parent=ui.noteEdit)
        ui.noteEdit.textEdited.connect(lambda _text: self._typing.start())
        # Leave the note field, so that N, P and the digits work as shortcuts again.
        ui.noteEdit.returnPressed.connect(lambda: ui.findingsTable.setFocus())
        for button in (ui.acceptButton, ui.rejectButton, ui.earlierBesideButton):
            button.setStyleSheet(CHOSEN)
        self._summary_line = Line(ui.findingsSummaryLabel)
        self._category_buttons = self._make_category_buttons()
        self.hints = HintFilter(ui.hintsWidget, self._hide)
        self.nearest = NearestTissueView(panel)
        self.take(None)

    @property
    def selected(self) -> int | None:
        """The number of the selected finding."""
        return self._selected

    def take(self, result: Result | None) -> None:
        """Show the findings of another result, and select the finding that was selected last."""
        self._selected = None if result is None else emphasised(result.segmentation)
        self.refill()

    def refill(self) -> None:
        """Fill the table again from the scene, and keep the selection if possible."""
        result, rows = self._panel.result, self._shown_rows()
        self._slices = {} if result is None else slices_of(result)
        self.table.fill(rows, self._slices, ORDERS[self._panel.ui.orderSelector.currentIndex])
        self._mark(self._selected if self._selected in self.table.numbers else None)

    def select(self, number: int) -> None:
        """Select a finding in the table and move the slice views to it."""
        self.keep_note()  # buttons take no focus from the note field on macOS
        self._mark(number)
        self.show_selected()

    def mark(self, number: int) -> None:
        """Select a finding without moving the views, for example after a click on it."""
        self.keep_note()
        self._mark(number)
        if self._panel.result is not None:
            emphasise(self._panel.result.segmentation, number)
            self._panel.views.show_numbers()

    def next(self) -> None:
        """Go to the next row, if there is one."""
        self._step(1)

    def previous(self) -> None:
        """Go to the previous row, if there is one."""
        self._step(-1)

    def next_unreviewed(self) -> None:
        """Go to the next unreviewed finding; after the last row continue with the first, and say when all are done."""
        numbers = self.table.numbers
        open_ones = {row.number for row in self._shown_rows() if not row.reviewed}
        begin = numbers.index(self._selected) + 1 if self._selected in numbers else 0
        for number in numbers[begin:] + numbers[:begin]:
            if number in open_ones:
                self.select(number)
                return
        self._refresh(finding=False)

    def accept(self) -> None:
        """Accept the finding; if it is accepted, clear the decision."""
        self._decide("accepted")

    def reject(self) -> None:
        """Reject the finding; if it is rejected, clear the decision."""
        self._decide("rejected")

    def set_category(self, category: int) -> None:
        """Give the finding a category: 1 to 8, or 0 for none; its first one leads to the next unreviewed finding."""
        self.keep_note()
        row = self._row()
        self._change(findings_table.set_category, category)
        if row is not None and category and not row.category and self._panel.ui.goOnCheckBox.checked:
            self.next_unreviewed()

    def keep_note(self) -> None:
        """Store the text of the note field in the scene, also while it is being typed."""
        row, text = self._row(), self._panel.ui.noteEdit.text
        if row is not None and text != row.note:
            self._change(findings_table.set_note, text)

    def undo(self) -> None:
        """Undo the last change and go to its finding."""
        self.keep_note()
        result = self._panel.result
        if result is None:
            return

        def edits() -> dict[int, str]:
            return {row.number: row.edited for row in findings_table.rows(result.table, all=True)}

        before, number = edits(), findings_table.undo(result.table)
        if number is None:
            return
        now = edits().get(number)
        if before[number] != now or now:
            self.show_again()
        else:
            name_segments(result.segmentation, result.table)
            self._update_row(number)
        if number in self.table.numbers:
            self.select(number)
        self._refresh()

    def tell(self, text: str, kind: str = "") -> None:
        """Show a message above the table."""
        self._summary_line.say(text, kind, whole=self._panel.result is None)

    def show_again(self) -> None:
        """Update views and table after outlines were edited, or an edit was undone."""
        result = self._panel.result
        if result is None:
            return
        problem = ""
        try:
            show_again(self._panel.scene, self._panel.logics, result)
        except InputError as error:
            problem = str(error)
        self._panel.findings_changed()
        if problem:
            self.tell(problem, "error")

    def show_selected(self) -> None:
        """Move the visible slice views to the selected finding, and emphasise its outline."""
        result = self._panel.result
        if result is None:
            return
        emphasise(result.segmentation, self._selected)
        if self._selected is not None:
            point = centre_of(result, self._selected).tolist()
            slice_views.jump(self._panel.scene, point, self._panel.logics.application)
        self._panel.views.show_numbers()

    def _make_category_buttons(self) -> list[Any]:
        grid = self._panel.ui.categoryButtons.layout()
        buttons = []
        names = [*findings_table.CATEGORIES, _("no category")]
        for place, name in enumerate(names):
            category = (place + 1) % len(names)
            button = qt.QPushButton(f"{category} {_(SHORT[category] or 'none')}")
            button.setCheckable(True)
            button.setToolTip(_("{name} (key {key})").format(name=_(name), key=category))
            # So that the panel can be narrow.
            button.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
            button.setStyleSheet(f"QPushButton {{ text-align: left; padding: 2px 3px; }} {CHOSEN}")
            button.clicked.connect(self._setter(category))
            grid.addWidget(button, place // COLUMNS_OF_CATEGORIES, place % COLUMNS_OF_CATEGORIES)
            buttons.append((category, button))
        return buttons

    def _setter(self, category: int) -> Callable[[], None]:
        def set_it() -> None:
            self.set_category(category)

        return set_it

    def _hide(self, hints: list[str]) -> None:
        result = self._panel.result
        if result is None:
            return
        self.keep_note()
        hide_hints(result, hints)
        self.refill()
        if self._selected is None:
            emphasise(result.segmentation, None)
        self._panel.views.findings_changed()

    def _shown_rows(self) -> list[findings_table.FindingRow]:
        """The findings that are present and not hidden."""
        result = self._panel.result
        if result is None:
            return []
        hidden = hidden_numbers(result)
        return [row for row in findings_table.rows(result.table) if row.number not in hidden]

    def _step(self, by: int) -> None:
        numbers = self.table.numbers
        if not numbers:
            return
        if self._selected not in numbers:
            self.select(numbers[0 if by > 0 else -1])
            return
        place = numbers.index(self._selected) + by
        if 0 <= place < len(numbers):
            self.select(numbers[place])

    def _mark(self, number: int | None) -> None:
        self._selected = number
        self.table.select(number)
        self._refresh()

    def _decide(self, decision: str) -> None:
        self.keep_note()
        row = self._row()
        if row is not None:
            wanted = "" if row.decision == decision else decision
            self._change(findings_table.set_decision, wanted)

    def _change(self, change: Callable[[Any, int, Any], None], value: int | str) -> None:
        result = self._panel.result
        if result is None or self._selected is None:
            self._refresh()  # a clicked button must not stay pressed
            return
        change(result.table, self._selected, value)
        name_segments(result.segmentation, result.table)
        self._update_row(self._selected)
        self._refresh(finding=False)

    def _row(self) -> findings_table.FindingRow | None:
        result = self._panel.result
        if result is None or self._selected is None:
            return None
        return next((row for row in findings_table.rows(result.table) if row.number == self._selected), None)

    def _update_row(self, number: int) -> None:
        row = next((row for row in self._shown_rows() if row.number == number), None)
        if row is not None:
            self.table.update(row, self._slices)

    def _refresh(self, *, finding: bool = True) -> None:
        """Update the buttons to the finding's review, and the counts above. `finding`: whether the selection has changed."""
        ui, row, result = self._panel.ui, self._row(), self._panel.result
        for widget in (ui.findingsTable, ui.stepWidget, ui.reviewWidget, ui.hintsWidget, ui.orderSelector):
            widget.visible = result is not None
        ui.reviewWidget.enabled = row is not None
        ui.newFindingButton.visible = ui.asDetectedButton.visible = result is not None
        ui.asDetectedButton.enabled = row is not None and bool(row.edited)
        ui.acceptButton.checked = row is not None and row.decision == "accepted"
        ui.rejectButton.checked = row is not None and row.decision == "rejected"
        for category, button in self._category_buttons:
            button.setChecked(row is not None and row.category == category)
        numbers, shown = self.table.numbers, self._shown_rows()
        ui.nextButton.enabled = bool(numbers) and self._selected != numbers[-1]
        ui.previousButton.enabled = bool(numbers) and self._selected != numbers[0]
        ui.nextUnreviewedButton.enabled = any(not one.reviewed for one in shown)
        ui.undoButton.enabled = result is not None and findings_table.can_undo(result.table)
        if result is not None:
            found = [row for row in findings_table.rows(result.table) if row.edited != findings_table.ADDED]
            self.hints.refresh(found, hidden_hints(result))
        self._say_how_far(result, shown)
        note = "" if row is None else row.note
        if ui.noteEdit.text != note:  # else the cursor would move while a note is being typed
            ui.noteEdit.text = note
        if finding:
            # Always visible, so that widgets below do not move when the selection changes.
            ui.hintLabel.text = "" if row is None else hint_in_words(row)
            ui.hintLabel.visible = result is not None
            self.nearest.show(None if row is None else row.number)
            self._panel.earlier.show(None if row is None else row.number)

    def _say_how_far(self, result: Result | None, shown: list[findings_table.FindingRow]) -> None:
        """Show above the table what there is and how much of it is reviewed, or that all is done."""
        if result is None:
            self.tell(self._panel.why_no_result())
            return
        left = [row for row in shown if row.edited != findings_table.DELETED]
        hidden = len(findings_table.rows(result.table)) - len(shown)
        done = bool(shown) and findings_table.unreviewed(result.table) == 0
        if hidden and not shown:
            text = _("All {hidden} suspected anomalies are hidden.")
        elif not shown:
            text = _("No suspected anomaly at this threshold.")
        elif done:
            text = _("{reviewed} of {count} reviewed, {volume:.1f} ml: done.")
            if self._panel.worklist.is_open:
                text += _(" Shift+N: next patient.")
        elif len(left) == 1:
            text = _("1 finding, {volume:.1f} ml; {reviewed} of 1 reviewed")
        else:
            text = _("{count} findings, {volume:.1f} ml; {reviewed} of {count} reviewed")
        if hidden and shown and not done:
            text += _("; {hidden} more hidden")
        text = text.format(
            count=len(left),
            volume=sum(row.volume_ml for row in left),
            reviewed=sum(row.reviewed for row in left),
            hidden=hidden,
        )
        self.tell(text, "good" if done else "")
