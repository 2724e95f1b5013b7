"""Texts that may be anybody's, such as names of files, made safe to show."""

from __future__ import annotations

import re
from pathlib import Path

# Control characters, line separators, overrides of the direction, halves of characters: what does more to a terminal than
# being seen. Line feeds may be meant.
_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escape_controls(text: str) -> str:
    """A text for a terminal: what is no visible character, such as the beginning of an escape sequence, as its code."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def is_utf8(path: Path) -> bool:
    """Whether a path is text. One that is not, ITK's wrapper answers by ending the whole process."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def display_path(path: Path | str) -> str:
    """A path for a message: bytes that are no UTF-8 as their codes, so that it can be printed anywhere."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
