"""Findings: the table, going from one to the next, category, decision, note, undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from ..detection.hints import EDGE, INFARCT_LIKE, OTHER_ANOMALY, UNKNOWN, WMH_LIKE
from ..model.rates import as_number, in_words
from ..scene import findings_table, slice_views
from ..scene.result import Result, centre_of, hidden_hints, hide_hints
from ..scene.segmentation import emphasise, name_segments
from .messages import say
from .nearest import Nearest

COLUMNS = ("No.", "ml", "Peak", "Rate", "Side", "Hint", "Category", "", "Region", "Note")
NUMBER, VOLUME, PEAK, RATE, SIDE, HINT, CATEGORY, DECISION, REGION, NOTE = range(len(COLUMNS))
DECISIONS = {"": "", "accepted": "✓", "rejected": "✗"}
HINT_SHORT = {
    INFARCT_LIKE: "● infarct",
    WMH_LIKE: "○ WMH",
    OTHER_ANOMALY: "◆ other",
    EDGE: "▫ normal",
    UNKNOWN: "◇ unknown",
}
"""The hints in the table and beside their check boxes; the symbol is what is seen at a glance."""

ROW_PIXELS = 22
SHORT = ("", "WMH", "normal", "infarct, known", "infarct, new", "artefact", "vessel", "calcification", "bone")
"""The categories in the table, where there is little room; the buttons and tooltips have the whole words."""


class Review:
    """The section "Findings" of the panel."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._filling = False
        self._selected: int | None = None
        ui = panel.ui
        table = ui.findingsTable
        table.setColumnCount(len(COLUMNS))
        table.setHorizontalHeaderLabels([_(name) for name in COLUMNS])
        table.horizontalHeaderItem(RATE).setToolTip(
            _("Findings like it, or more unusual, in a normal scan, besides white matter hyperintensities")
        )
        table.verticalHeader().visible = False
        table.verticalHeader().setDefaultSectionSize(ROW_PIXELS)
        table.setWordWrap(False)
        table.sortByColumn(NUMBER, qt.Qt.AscendingOrder)
        table.horizontalHeader().setStretchLastSection(True)
        table.itemSelectionChanged.connect(self._selection_changed)
        ui.nextButton.clicked.connect(self.next)
        ui.previousButton.clicked.connect(self.previous)
        ui.undoButton.clicked.connect(self.undo)
        ui.acceptButton.clicked.connect(self.accept)
        ui.rejectButton.clicked.connect(self.reject)
        ui.noteEdit.editingFinished.connect(self.keep_note)
        ui.noteEdit.returnPressed.connect(self._leave_note)
        self._category_buttons = self._make_category_buttons()
        self._hint_boxes = self._make_hint_boxes()
        self._nearest = Nearest(panel)
        self.take(None)

    @property
    def selected(self) -> int | None:
        """The number of the finding that is looked at."""
        return self._selected

    def take(self, result: Result | None) -> None:
        """Show another result's findings."""
        self._selected = None
        self.refill()

    def refill(self) -> None:
        """Fill the table anew from the scene; the selection stays where it can."""
        table = self._panel.ui.findingsTable
        rows = self._shown_rows()
        self._filling = True
        table.setSortingEnabled(False)
        table.setRowCount(len(rows))
        for place, row in enumerate(rows):
            self._fill(place, row)
        table.setSortingEnabled(True)
        for column in range(len(COLUMNS) - 1):
            table.resizeColumnToContents(column)
        table.setColumnHidden(RATE, all(row.per_normal_scan is None for row in rows))
        self._filling = False
        numbers = [row.number for row in rows]
        self._select_row(self._selected if self._selected in numbers else None)
        self._refresh_review()

    def select(self, number: int) -> None:
        """Go to a finding: its row, its place in every slice view, its outline."""
        self._select_row(number)
        self.show_selected()

    def select_first(self) -> None:
        """Go to the first finding, if there is one."""
        numbers = self._numbers()
        if numbers:
            self.select(numbers[0])

    def next(self) -> None:
        """The next row; after the last one nothing."""
        self._step(1)

    def previous(self) -> None:
        """The row before; before the first one nothing."""
        self._step(-1)

    def accept(self) -> None:
        """Accept the finding, or take that back."""
        self._decide("accepted")

    def reject(self) -> None:
        """Reject the finding, or take that back."""
        self._decide("rejected")

    def set_category(self, category: int) -> None:
        """Give the finding a category: 1 to 8, or 0 for none."""
        self._change(lambda table, number: findings_table.set_category(table, number, category))

    def keep_note(self) -> None:
        """Put what stands in the note's field into the scene, also while it is being typed."""
        row, text = self._row(), self._panel.ui.noteEdit.text
        if row is not None and text != row.note:
            self._change(lambda table, number: findings_table.set_note(table, number, text))

    def undo(self) -> None:
        """Take back the last step, wherever it was."""
        result = self._panel.result
        if result is None:
            return
        number = findings_table.undo(result.table)
        if number is None:
            return
        name_segments(result.segmentation, result.table)
        if number in self._numbers():
            self._update_row(number)
            self.select(number)
        self._refresh_review()

    def show_selected(self) -> None:
        """Centre every slice view on the finding and stress its outline."""
        result = self._panel.result
        if result is None:
            return
        emphasise(result.segmentation, self._selected)
        if self._selected is not None:
            point = centre_of(result, self._selected).tolist()
            slice_views.jump(self._panel.scene, point, self._panel.logics.application)

    def _make_category_buttons(self) -> list[Any]:
        grid = self._panel.ui.categoryButtons.layout()
        buttons = []
        names = [*findings_table.CATEGORIES, _("no category")]
        for place, name in enumerate(names):
            category = (place + 1) % len(names)
            button = qt.QPushButton(f"{category} {_(name)}")
            button.setCheckable(True)
            button.setToolTip(_("{name} (key {key})").format(name=_(name), key=category))
            button.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)  # a narrow panel stays one
            button.setStyleSheet("text-align: left; padding: 2px 3px;")
            button.clicked.connect(self._setter(category))
            grid.addWidget(button, place // 2, place % 2)
            buttons.append((category, button))
        return buttons

    def _make_hint_boxes(self) -> dict[str, Any]:
        """A box for each hint: whether its findings are shown."""
        row = self._panel.ui.hintsWidget.layout()
        boxes = {}
        for hint, short in HINT_SHORT.items():
            box = qt.QCheckBox(_(short))
            box.setChecked(True)
            tip = _("Show the findings that are {hint}: in this table, in the slices and in 3D.").format(
                hint=_(hint)
            )
            if hint == WMH_LIKE:
                tip += " " + _(
                    "In tests on simulated infarcts, hiding them also hid about 1 in 4 findings on infarcts."
                )
            box.setToolTip(tip)
            box.clicked.connect(self._hide_unchecked)
            row.addWidget(box)
            boxes[hint] = box
        return boxes

    def _hide_unchecked(self) -> None:
        result = self._panel.result
        if result is None:
            return
        self.keep_note()
        hide_hints(result, [hint for hint, box in self._hint_boxes.items() if not box.checked])
        self.refill()
        if self._selected is None:
            emphasise(result.segmentation, None)

    def _shown_rows(self) -> list[findings_table.Row]:
        """The findings that are there and not hidden."""
        result = self._panel.result
        if result is None:
            return []
        hidden = hidden_hints(result)
        return [row for row in findings_table.rows(result.table) if row.hint not in hidden]

    def _refresh_hints(self, result: Result | None) -> None:
        """The boxes say how many findings there are of each hint, and whether they are shown."""
        self._panel.ui.hintsWidget.visible = result is not None
        if result is None:
            return
        hints = [row.hint for row in findings_table.rows(result.table)]
        hidden = hidden_hints(result)
        for hint, box in self._hint_boxes.items():
            box.setText(f"{_(HINT_SHORT[hint])} {hints.count(hint)}")
            box.setChecked(hint not in hidden)

    def _setter(self, category: int) -> Callable[[], None]:
        def set_it() -> None:
            self.set_category(category)

        return set_it

    def _fill(self, place: int, row: findings_table.Row) -> None:
        values = (
            row.number,
            round(row.volume_ml, 2),
            round(row.peak_score, 2),
            "" if row.per_normal_scan is None else as_number(row.per_normal_scan),
            _(row.side),
            _(HINT_SHORT.get(row.hint, row.hint)),
            _(SHORT[row.category]),
            DECISIONS[row.decision],
            row.region,
            row.note,
        )
        tips = {
            RATE: _about_rate(row.per_normal_scan),
            HINT: _hint_in_words(row),
            CATEGORY: _(findings_table.CATEGORIES[row.category - 1]) if row.category else _("unreviewed"),
            DECISION: _(row.decision or "neither accepted nor rejected"),
        }
        table = self._panel.ui.findingsTable
        for column, value in enumerate(values):
            item = table.item(place, column)
            if item is None:
                item = qt.QTableWidgetItem()
                table.setItem(place, column, item)
            item.setData(qt.Qt.DisplayRole, value)
            if column in (NUMBER, VOLUME, PEAK, RATE):
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            item.setToolTip(tips.get(column, str(value)))

    def _numbers(self) -> list[int]:
        """The findings in the order in which the table shows them."""
        table = self._panel.ui.findingsTable
        return [int(table.item(place, NUMBER).data(qt.Qt.DisplayRole)) for place in range(table.rowCount)]

    def _step(self, by: int) -> None:
        numbers = self._numbers()
        if not numbers:
            return
        if self._selected not in numbers:
            self.select(numbers[0 if by > 0 else -1])
            return
        place = numbers.index(self._selected) + by
        if 0 <= place < len(numbers):
            self.select(numbers[place])

    def _select_row(self, number: int | None) -> None:
        table = self._panel.ui.findingsTable
        self._filling = True
        if number is None:
            table.clearSelection()
            table.setCurrentCell(-1, -1)
        else:
            place = self._numbers().index(number)
            table.selectRow(place)
            table.scrollToItem(table.item(place, NUMBER))
        self._filling = False
        self._selected = number
        self._refresh_review()

    def _selection_changed(self) -> None:
        if self._filling:
            return
        table = self._panel.ui.findingsTable
        place = table.currentRow()
        if 0 <= place < table.rowCount:
            self._selected = self._numbers()[place]
            self.show_selected()
            self._refresh_review()

    def _decide(self, decision: str) -> None:
        row = self._row()
        if row is not None:
            wanted = "" if row.decision == decision else decision
            self._change(lambda table, number: findings_table.set_decision(table, number, wanted))

    def _leave_note(self) -> None:
        """The note is complete: N, P and the digits are keys again, not letters of it."""
        self._panel.ui.findingsTable.setFocus()

    def _change(self, change: Callable[[Any, int], None]) -> None:
        result = self._panel.result
        if result is None or self._selected is None:
            self._refresh_review()  # a button that was clicked springs back
            return
        change(result.table, self._selected)
        name_segments(result.segmentation, result.table)
        self._update_row(self._selected)
        self._refresh_review()

    def _row(self) -> findings_table.Row | None:
        result = self._panel.result
        if result is None or self._selected is None:
            return None
        return next((row for row in findings_table.rows(result.table) if row.number == self._selected), None)

    def _update_row(self, number: int) -> None:
        result = self._panel.result
        row = next((row for row in findings_table.rows(result.table) if row.number == number), None)
        if row is None:
            return
        table = self._panel.ui.findingsTable
        self._filling = True
        table.setSortingEnabled(False)
        self._fill(self._numbers().index(number), row)
        table.setSortingEnabled(True)
        self._filling = False
        self._select_row(number)

    def _refresh_review(self) -> None:
        """The buttons show the finding's review; the line above counts."""
        ui, row, result = self._panel.ui, self._row(), self._panel.result
        for widget in (ui.findingsTable, ui.stepWidget, ui.reviewWidget):
            widget.visible = result is not None
        ui.reviewWidget.enabled = row is not None
        ui.acceptButton.checked = row is not None and row.decision == "accepted"
        ui.rejectButton.checked = row is not None and row.decision == "rejected"
        for category, button in self._category_buttons:
            button.setChecked(row is not None and row.category == category)
        ui.noteEdit.text = "" if row is None else row.note
        self._refresh_hints(result)
        say(ui.hintLabel, "" if row is None else _hint_in_words(row))
        numbers = self._numbers()
        ui.nextButton.enabled = bool(numbers) and self._selected != numbers[-1]
        ui.previousButton.enabled = bool(numbers) and self._selected != numbers[0]
        ui.undoButton.enabled = result is not None and findings_table.can_undo(result.table)
        say(ui.findingsSummaryLabel, self._summary(result))
        self._nearest.show(None if row is None else row.number)

    def _summary(self, result: Result | None) -> str:
        if result is None:
            score = None if self._panel.parameters is None else self._panel.parameters.result
            if score is not None and score.GetScene() is not None:
                return _("A part of this result was deleted: detect anomalies again.")
            return _("No result yet.")
        rows = self._shown_rows()
        hidden = len(findings_table.rows(result.table)) - len(rows)
        if hidden and not rows:
            return _("All {hidden} suspected anomalies are hidden.").format(hidden=hidden)
        if not rows:
            return _("No suspected anomaly at this threshold.")
        if len(rows) == 1:
            text = _("1 suspected anomaly, {volume:.1f} ml; {unreviewed} unreviewed")
        else:
            text = _("{count} suspected anomalies, {volume:.1f} ml together; {unreviewed} unreviewed")
        if hidden:
            text += _("; {hidden} more hidden")
        return text.format(
            count=len(rows),
            volume=sum(row.volume_ml for row in rows),
            unreviewed=sum(not row.reviewed for row in rows),
            hidden=hidden,
        )


def _hint_in_words(row: findings_table.Row) -> str:
    """The hint with its evidence."""
    return f"{_(row.hint)}: {row.hint_evidence}" if row.hint_evidence else _(row.hint)


def _about_rate(rate: float | None) -> str:
    """What the number in the column says."""
    if rate is None:
        return _("The model does not know how many findings normal scans have.")
    about = in_words(rate) if rate < 0.01 else _("about {rate}").format(rate=in_words(rate))
    return _(
        "A normal scan has {about} findings like this one, or more unusual, besides white matter hyperintensities."
    ).format(about=about)
