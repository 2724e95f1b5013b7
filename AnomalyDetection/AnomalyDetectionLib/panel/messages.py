"""Lines of text on the panel that are only there when they say something."""

from __future__ import annotations

from typing import Any

COLOURS = {"": "", "error": "color: #c0392b;", "warning": "color: #b9770e;", "good": "color: #1e8449;"}


def say(label: Any, text: str, kind: str = "") -> None:
    """Put a text on a label; without one the label takes no room.

    Args:
        label: QLabel.
        text: plain text.
        kind: "", "error", "warning" or "good".
    """
    label.text = text
    label.styleSheet = COLOURS[kind]
    label.visible = bool(text)
