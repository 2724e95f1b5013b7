"""What the sections of the panel share: messages, timers, observers, and a wheel that scrolls the panel."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import qt
import slicer

ON_LIGHT = {"error": "#b03024", "warning": "#8a5a00", "good": "#1a7340"}
ON_DARK = {"error": "#ff8a7a", "warning": "#f0b040", "good": "#6fd08c"}
"""Text colours that are legible in Slicer's light and dark style."""

CHOSEN = "QPushButton:checked { background-color: palette(highlight); color: palette(highlighted-text); }"
"""Style of checked buttons, whose pressed state is hardly visible in the dark style."""


_LONG_WORD = re.compile(r"([^\s/-]{12,29}[_\\]|[^\s/-]{30})(?=[^\s/-])")
"""What a line may be broken after, beside the places where Qt does, as in a path or the name of a series."""


def say(label: Any, text: str, kind: str = "") -> None:
    """Set the text of a label; an empty label takes no space. `kind`: "", "error", "warning" or "good"."""
    dark = slicer.app.palette().color(qt.QPalette.Window).lightness() < 128
    # Slicer makes the panel as wide as the longest word; a picture is one, too, but must not be broken.
    label.text = text if "<img" in text else _LONG_WORD.sub("\\1\u200b", text)
    label.styleSheet = f"color: {(ON_DARK if dark else ON_LIGHT)[kind]};" if kind else ""
    label.visible = bool(text)


def timer(milliseconds: int, slot: Callable[[], Any], *, repeat: bool = False, parent: Any = None) -> Any:
    """A QTimer that calls a method each time it has been started and this time has passed, or again and again."""
    made = qt.QTimer(parent) if parent is not None else qt.QTimer()
    made.setSingleShot(not repeat)
    made.setInterval(milliseconds)
    made.timeout.connect(slot)
    return made


class Observers:
    """Observers of VTK objects that are removed together."""

    def __init__(self) -> None:
        self._tags: list[tuple[Any, int]] = []

    def add(self, observed: Any, event: Any, slot: Callable[..., Any]) -> None:
        """Call a method at each such event of an object."""
        self._tags.append((observed, observed.AddObserver(event, slot)))

    def remove(self) -> None:
        """Observe nothing."""
        for observed, tag in self._tags:
            observed.RemoveObserver(tag)
        self._tags = []


class Line(qt.QObject):
    """A label of one line, so that nothing below it moves; text that does not fit is in its tool tip.

    `label`: QLabel whose size policy ignores the width of its text.

    Attributes:
        text: the full text.
    """

    def __init__(self, label: Any) -> None:
        qt.QObject.__init__(self)
        self._label, self.text, self._whole = label, "", False
        # Deferred, as a new text would disturb a running layout; a child of the label, so that it is deleted with it.
        self._resized = timer(0, self._fit, parent=label)
        label.installEventFilter(self)

    def say(self, text: str, kind: str = "", *, whole: bool = False) -> None:
        """Set the text as `say` does; line breaks become spaces.

        `whole`: use as many lines as needed, if no widgets below would move.
        """
        self.text, self._whole = text, whole
        say(self._label, text, kind)
        self._label.wordWrap = whole
        self._label.toolTip = "" if whole else text
        self._fit()

    def eventFilter(self, _watched: Any, event: Any) -> bool:  # noqa: N802 (Qt's name)
        if event.type() == qt.QEvent.Resize:
            self._resized.start()
        return False

    def _fit(self) -> None:
        if self.text and not self._whole:
            line = " ".join(self.text.splitlines())
            self._label.text = self._label.fontMetrics().elidedText(line, qt.Qt.ElideRight, self._label.width)


class WheelGuard(qt.QObject):
    """Keeps the mouse wheel from boxes and sliders without the focus, so that it scrolls the panel.

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
