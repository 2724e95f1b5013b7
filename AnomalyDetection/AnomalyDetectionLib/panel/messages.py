"""Lines of text on the panel that are only there when they say something."""

from __future__ import annotations

from typing import Any

import qt
import slicer

ON_LIGHT = {"error": "#b03024", "warning": "#8a5a00", "good": "#1a7340"}
ON_DARK = {"error": "#ff8a7a", "warning": "#f0b040", "good": "#6fd08c"}
"""Each is read on the panels of Slicer's light and dark style."""


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


def _colours() -> dict[str, str]:
    """Of the style that Slicer has now."""
    dark = slicer.app.palette().color(qt.QPalette.Window).lightness() < 128
    return ON_DARK if dark else ON_LIGHT
