"""Text for people: untrusted text, such as file names, made safe to display; numbers and lists of names."""

from __future__ import annotations

import re
from collections.abc import Sequence
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


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun, such as "1 scan" or "6 people"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def first_of(names: Sequence[str], most: int) -> str:
    """The first of the names, separated by commas."""
    return ", ".join(names[:most]) + (" and more" if len(names) > most else "")
