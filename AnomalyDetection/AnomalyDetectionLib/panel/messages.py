"""Messages on the panel, which take no space while they are empty."""

from __future__ import annotations

from typing import Any

import qt
import slicer

ON_LIGHT = {"error": "#b03024", "warning": "#8a5a00", "good": "#1a7340"}
ON_DARK = {"error": "#ff8a7a", "warning": "#f0b040", "good": "#6fd08c"}
"""Text colours that are legible in Slicer's light and dark style."""

CHOSEN = "QPushButton:checked { background-color: palette(highlight); color: palette(highlighted-text); }"
"""Style of checked buttons, whose pressed state is hardly visible in the dark style."""


def say(label: Any, text: str, kind: str = "") -> None:
    """Set the text of a label; an empty label takes no space.

    Args:
        text: plain text.
        kind: "", "error", "warning" or "good".
    """
    label.text = text
    label.styleSheet = f"color: {_colours()[kind]};" if kind else ""
    label.visible = bool(text)


class Line(qt.QObject):
    """A label of one line, so that nothing below it moves; text that does not fit is in its tool tip.

    Args:
        label: QLabel whose size policy ignores the width of its text.

    Attributes:
        text: the full text.
    """

    def __init__(self, label: Any) -> None:
        qt.QObject.__init__(self)
        self._label, self.text, self._whole = label, "", False
        # Deferred, as a new text would disturb a running layout; a child of the label, so that it is deleted with it.
        self._resized = qt.QTimer(label)
        self._resized.setSingleShot(True)
        self._resized.setInterval(0)
        self._resized.timeout.connect(self._fit)
        label.installEventFilter(self)

    def say(self, text: str, kind: str = "", *, whole: bool = False) -> None:
        """Set the text as `say` does; line breaks become spaces.

        Args:
            whole: use as many lines as needed, if no widgets below would move.
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


def _colours() -> dict[str, str]:
    """The text colours for Slicer's current style."""
    dark = slicer.app.palette().color(qt.QPalette.Window).lightness() < 128
    return ON_DARK if dark else ON_LIGHT
