"""The mouse wheel over the panel scrolls the panel: it changes no box or slider that nobody has clicked into."""

from __future__ import annotations

from typing import Any

import qt


class WheelGuard(qt.QObject):
    """Keeps the wheel from boxes and sliders without the focus.

    Args:
        root: QWidget, all in it; what comes into it later is not guarded.
        menus: combo boxes that do something at once when an entry is chosen: these never follow the wheel.
    """

    def __init__(self, root: Any, *menus: Any) -> None:
        qt.QObject.__init__(self)
        self._menus = [menu.objectName for menu in menus]
        for kind in (qt.QComboBox, qt.QSlider, qt.QAbstractSpinBox):
            for widget in root.findChildren(kind):
                widget.setFocusPolicy(qt.Qt.StrongFocus)  # by the wheel itself none gets it
                widget.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802 (Qt's name)
        if event.type() == qt.QEvent.Wheel and (not watched.hasFocus() or watched.objectName in self._menus):
            event.ignore()  # whatever is round it gets it then
            return True
        return False
