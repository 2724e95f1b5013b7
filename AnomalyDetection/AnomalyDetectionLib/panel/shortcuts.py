"""Shortcuts: next, previous, next unreviewed, categories, accept, reject, undo, 3D, next patient, and a key to hide the overlay."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import qt
import slicer

from ..scene import view_layout

HOLD = "H"  # overlay and outlines are hidden while this key is held


class Shortcuts:
    """Shortcuts of the main window while the module is open; text fields still receive their keys."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._shortcuts: list[Any] = []
        self._release = _Release(panel.display.restore_overlay)

    def connect(self) -> None:
        """Activate the shortcuts."""
        window = slicer.util.mainWindow()
        if self._shortcuts or window is None:
            return
        review = self._panel.review
        actions: dict[str, Callable[[], None]] = {
            "N": review.next,
            "P": review.previous,
            "U": review.next_unreviewed,
            "A": review.accept,
            "R": review.reject,
            "Ctrl+Shift+Z": review.undo,
            "M": self._panel.by_hand.add,
            "D": self._three_d,
            "Shift+N": self._panel.worklist.next,
            HOLD: self._hold,
        }
        actions |= {str(category): partial(review.set_category, category) for category in range(9)}
        for key, action in actions.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), window)
            shortcut.setAutoRepeat(key in ("N", "P"))
            shortcut.activated.connect(action)
            self._shortcuts.append(shortcut)

    def disconnect(self) -> None:
        """Deactivate the shortcuts."""
        self._release.stop()
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []

    def _three_d(self) -> None:
        """Switch to the 3D layout, or back."""
        ui = self._panel.ui
        if ui.layoutBackButton.enabled and not view_layout.is_side_by_side(self._panel.layout_node):
            self._panel.views.back()
        elif ui.threeDButton.enabled:
            self._panel.views.three_d()

    def _hold(self) -> None:
        self._panel.display.hide_overlay()
        self._release.wait()


class _Release(qt.QObject):
    """An event filter of the application that waits for the release of a key; installed only while it is held."""

    def __init__(self, released: Callable[[], None]) -> None:
        qt.QObject.__init__(self)
        self._released = released
        self._waiting = False

    def wait(self) -> None:
        if not self._waiting:
            self._waiting = True
            slicer.app.installEventFilter(self)

    def stop(self) -> None:
        if self._waiting:
            self._waiting = False
            slicer.app.removeEventFilter(self)
            self._released()

    def eventFilter(self, _watched: Any, event: Any) -> bool:  # noqa: N802 (Qt's name)
        kind = event.type()
        if kind in (qt.QEvent.WindowDeactivate, qt.QEvent.ApplicationDeactivate) or (
            kind == qt.QEvent.KeyRelease and not event.isAutoRepeat() and event.key() == qt.Qt.Key_H
        ):
            self.stop()
        return False
