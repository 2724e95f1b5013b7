"""Lines of text on the panel that are only there when they say something."""

from __future__ import annotations

from typing import Any

import qt
import slicer

ON_LIGHT = {"error": "#b03024", "warning": "#8a5a00", "good": "#1a7340"}
ON_DARK = {"error": "#ff8a7a", "warning": "#f0b040", "good": "#6fd08c"}
"""Each is read on the panels of Slicer's light and dark style."""

CHOSEN = "QPushButton:checked { background-color: palette(highlight); color: palette(highlighted-text); }"
"""For buttons that say what was chosen: pressed in alone, they look like the others in the dark style."""


def say(label: Any, text: str, kind: str = "") -> None:
    """Put a text on a label; without one the label takes no room.

    Args:
        label: QLabel.
        text: plain text.
        kind: "", "error", "warning" or "good".
    """
    label.text = text
    label.styleSheet = f"color: {_colours()[kind]};" if kind else ""
    label.visible = bool(text)


class Line(qt.QObject):
    """A label that keeps to one line, so that nothing below it moves: what does not fit is in its tooltip.

    Args:
        label: QLabel that takes whatever width there is (a size policy that ignores the text's own).

    Attributes:
        text: all that is said.
    """

    def __init__(self, label: Any) -> None:
        qt.QObject.__init__(self)
        self._label, self.text, self._whole = label, "", False
        # Not within the layout's own work, which a new text would disturb; as a child it ends with the label.
        self._resized = qt.QTimer(label)
        self._resized.setSingleShot(True)
        self._resized.setInterval(0)
        self._resized.timeout.connect(self._fit)
        label.installEventFilter(self)

    def say(self, text: str, kind: str = "", *, whole: bool = False) -> None:
        """As the function `say`; line ends become spaces.

        Args:
            whole: in as many lines as it takes, where nothing that is worked with stands below.
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
    """Of the style that Slicer has now."""
    dark = slicer.app.palette().color(qt.QPalette.Window).lightness() < 128
    return ON_DARK if dark else ON_LIGHT
