"""The table of the findings: columns, order, and the selected row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from ..model.false_positive_curve import in_words
from ..scene.findings_table import CATEGORIES, FindingRow
from .labels import (
    DECISIONS,
    EDITED,
    HINT_SHORT,
    SHORT,
    about_edit,
    about_finding,
    hint_in_words,
    short_region,
)

COLUMNS = ("No.", "Region", "ml", "", "Category", "", "Slice", "Peak", "Rate", "Hint", "Note", "Before")
NUMBER, REGION, VOLUME, SYMBOL, CATEGORY, DECISION, SLICE, PEAK, RATE, HINT, NOTE, BEFORE = range(
    len(COLUMNS)
)
MORE = (SLICE, PEAK, RATE, HINT, NOTE)
"""Columns that are hidden by default; the tool tip of each row has their values, too."""

BY_SCORE, BY_SLICE = "score", "slice"
ROW_PIXELS = 22


class FindingsView:
    """The QTableWidget of the panel.

    `chosen`: called with the number of the finding whose row the user selects.
    """

    def __init__(self, table: Any, chosen: Callable[[int], None]) -> None:
        self._table, self._chosen = table, chosen
        self._numbers: list[int] = []
        self._filling = False
        self._changes: Mapping[int, str] = {}
        table.setColumnCount(len(COLUMNS))
        table.setHorizontalHeaderLabels([_(name) for name in COLUMNS])
        header = table.horizontalHeader()
        for column, tip in (
            (SYMBOL, _("What the finding may be: ") + ", ".join(_(short) for short in HINT_SHORT.values())),
            (DECISION, _("✓ accepted, ✗ rejected")),
            (
                RATE,
                _(
                    "Findings in a normal scan that are as unusual or more, besides white matter hyperintensities"
                ),
            ),
        ):
            table.horizontalHeaderItem(column).setToolTip(tip)
        header.setMinimumSectionSize(20)
        header.setSectionResizeMode(REGION, qt.QHeaderView.Stretch)
        for column, pixels in ((NUMBER, 32), (VOLUME, 44), (SYMBOL, 22), (CATEGORY, 86), (DECISION, 22)):
            table.setColumnWidth(column, pixels)
        table.verticalHeader().visible = False
        table.verticalHeader().setDefaultSectionSize(ROW_PIXELS)
        table.setWordWrap(False)
        table.itemSelectionChanged.connect(self._selection_changed)
        header.moveSection(BEFORE, VOLUME + 1)  # beside the current volume
        table.setColumnWidth(BEFORE, 52)
        table.setColumnHidden(BEFORE, True)
        table.horizontalHeaderItem(BEFORE).setToolTip(
            _(
                "Change since the earlier result: new, ▲ grown, ▼ shrunken, = known, and the earlier volume (ml)"
            )
        )
        self.show_more(False)

    @property
    def numbers(self) -> list[int]:
        """The findings in the order in which the table shows them."""
        return list(self._numbers)

    def show_more(self, more: bool) -> None:
        """Show or hide the additional columns; with them the table scrolls sideways."""
        for column in MORE:
            self._table.setColumnHidden(column, not more)
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(REGION, qt.QHeaderView.Interactive if more else qt.QHeaderView.Stretch)
        self._fit_more()

    def show_changes(self, changes: Mapping[int, str] | None) -> None:
        """Show the change of each finding since an earlier result; None: hide the column."""
        self._changes = changes or {}
        self._table.setColumnHidden(BEFORE, changes is None)
        for place, number in enumerate(self._numbers):
            self._table.item(place, BEFORE).setText(self._changes.get(number, ""))

    def fill(self, rows: Sequence[FindingRow], slices: Mapping[int, int], order: str) -> None:
        """Show these findings. `slices`: the slice of each, 1 the lowest on the head."""
        ordered = in_order(rows, slices, order)
        self._filling = True
        self._numbers = [row.number for row in ordered]
        self._table.setRowCount(len(ordered))
        for place, row in enumerate(ordered):
            self._fill(place, row, slices.get(row.number))
        self._filling = False
        self._fit_more()

    def update(self, row: FindingRow, slices: Mapping[int, int]) -> None:
        """Update one finding; its row does not move."""
        if row.number in self._numbers:
            self._fill(self._numbers.index(row.number), row, slices.get(row.number))

    def select(self, number: int | None) -> None:
        """Select the row of a finding and scroll to it; None: no row."""
        self._filling = True
        self._table.clearSelection()
        if number in self._numbers:
            place = self._numbers.index(number)
            self._table.selectRow(place)
            self._table.scrollToItem(self._table.item(place, NUMBER))
        else:
            self._table.setCurrentCell(-1, -1)
        self._filling = False

    def _fit_more(self) -> None:
        """Give the additional columns their full width, as the table scrolls sideways anyway."""
        for column in (REGION, *MORE):
            if not self._table.isColumnHidden(MORE[0]):
                self._table.resizeColumnToContents(column)

    def _fill(self, place: int, row: FindingRow, slice_number: int | None) -> None:
        values = (
            f"{row.number}{EDITED[row.edited]}",
            short_region(row),
            f"{row.volume_ml:.2f}" if row.volume_ml < 9.995 else f"{row.volume_ml:.1f}",
            HINT_SHORT.get(row.hint, row.hint)[:1],
            _(SHORT[row.category]),
            DECISIONS[row.decision],
            "" if slice_number is None else str(slice_number),
            f"{row.peak_score:.2f}",
            "" if row.per_normal_scan is None else in_words(row.per_normal_scan),
            _(HINT_SHORT.get(row.hint, row.hint))[2:],
            row.note,
            self._changes.get(row.number, ""),
        )
        tips = {
            SYMBOL: hint_in_words(row),
            CATEGORY: _(CATEGORIES[row.category - 1]) if row.category else _("unreviewed"),
            DECISION: _(row.decision or "neither accepted nor rejected"),
            NOTE: row.note,
        }
        if row.edited:
            tips[NUMBER] = about_edit(row)
        whole = about_finding(row)
        for column, value in enumerate(values):
            item = self._table.item(place, column)
            if item is None:
                item = qt.QTableWidgetItem()
                self._table.setItem(place, column, item)
            item.setText(value)
            if column in (NUMBER, VOLUME, SLICE, PEAK, RATE):
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            item.setToolTip(tips.get(column) or whole)

    def _selection_changed(self) -> None:
        place = self._table.currentRow()
        if not self._filling and 0 <= place < len(self._numbers):
            self._chosen(self._numbers[place])


def in_order(rows: Sequence[FindingRow], slices: Mapping[int, int], order: str) -> list[FindingRow]:
    """The findings in reading order: the most unusual first, or from the top of the head down."""

    def by_score(row: FindingRow) -> tuple[float, float, int]:
        return -row.peak_score, -row.volume_ml, row.number

    if order == BY_SLICE:
        return sorted(rows, key=lambda row: (-slices.get(row.number, 0), by_score(row)))
    return sorted(rows, key=by_score)
