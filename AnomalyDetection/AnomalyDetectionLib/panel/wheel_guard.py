"""Make the mouse wheel scroll the panel; it changes only boxes and sliders that have the focus."""

from __future__ import annotations

from typing import Any

import qt


class WheelGuard(qt.QObject):
    """Keeps the wheel from boxes and sliders without the focus.

    Args:
        root: QWidget whose current descendants are guarded.
        menus: combo boxes that act at once when an entry is chosen; these never react to the wheel.
    """

    def __init__(self, root: Any, *menus: Any) -> None:
        qt.QObject.__init__(self)
        self._menus = [menu.objectName for menu in menus]
        for kind in (qt.QComboBox, qt.QSlider, qt.QAbstractSpinBox):
            for widget in root.findChildren(kind):
                widget.setFocusPolicy(qt.Qt.StrongFocus)  # the wheel itself gives no focus
                widget.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802 (Qt's name)
        if event.type() == qt.QEvent.Wheel and (not watched.hasFocus() or watched.objectName in self._menus):
            event.ignore()  # so the parent widget receives it
            return True
        return False
