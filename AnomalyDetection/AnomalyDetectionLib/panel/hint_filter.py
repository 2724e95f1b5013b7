"""A button for each hint, with the number of its findings; it shows or hides them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from ..scene.findings_table import FindingRow
from .labels import HINT_SHORT

NARROW = 340  # available width in pixels; if the buttons need more, they are placed in two rows


class HintFilter:
    """The row of buttons above the table.

    Their positions never change, so that a second click hits the same button.

    Args:
        widget: QWidget with a grid layout.
        changed: called with the hints to hide.
    """

    def __init__(self, widget: Any, changed: Callable[[list[str]], None]) -> None:
        self._changed = changed
        self._buttons: dict[str, Any] = {}
        grid = widget.layout()
        for hint, short in HINT_SHORT.items():
            button = qt.QPushButton(f"{_(short)} 9")
            button.setCheckable(True)
            button.setChecked(True)
            tip = _("Show the findings that are {hint}: in this table, in the slices and in 3D.").format(
                hint=_(hint)
            )
            button.setToolTip(tip)
            button.setStyleSheet("padding: 2px 0px;")
            button.clicked.connect(self._clicked)
            self._buttons[hint] = button
        needed = max(button.sizeHint.width() for button in self._buttons.values())
        columns = next((n for n in (len(self._buttons), 3) if needed * n <= NARROW), 2)
        for place, button in enumerate(self._buttons.values()):
            # So that the panel can be narrow
            button.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
            grid.addWidget(button, place // columns, place % columns)

    def refresh(self, rows: Sequence[FindingRow], hidden: Collection[str]) -> None:
        """Set the number of findings for each hint, and the hidden hints."""
        hints = [row.hint for row in rows]
        for hint, button in self._buttons.items():
            button.setText(f"{_(HINT_SHORT[hint])} {hints.count(hint)}")
            button.setChecked(hint not in hidden)
            font = button.font
            font.setStrikeOut(hint in hidden)  # the pressed state is hardly visible in the dark style
            button.setFont(font)

    def button(self, hint: str) -> Any:
        """The QPushButton of a hint."""
        return self._buttons[hint]

    def _clicked(self) -> None:
        self._changed([hint for hint, button in self._buttons.items() if not button.checked])
