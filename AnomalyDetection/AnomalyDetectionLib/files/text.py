"""Make untrusted text, such as file names, safe to display."""

from __future__ import annotations

import re
from pathlib import Path

# Control characters, line separators, overrides of the direction, halves of characters: they can
# control a terminal. Line feeds are allowed.
_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escape_controls(text: str) -> str:
    """Replace control characters, such as the start of an escape sequence, by their codes."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def is_utf8(path: Path) -> bool:
    """Whether a path is valid UTF-8; ITK's wrapper aborts the process on one that is not."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def display_path(path: Path | str) -> str:
    """A path for a message, with invalid UTF-8 bytes as escape codes."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
