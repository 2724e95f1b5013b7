"""The one error that is meant for people, and how a text that may be anybody's is shown to them."""

from __future__ import annotations

import re


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one sentence that says what is wrong, with which file, and what to do about it. The
    command line prints it without a traceback and exits with code 2.
    """


# Control characters, line separators, overrides of the direction, halves of characters: what does more to a terminal than
# being seen. Line feeds may be meant.
_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """A text for a terminal: what is no visible character, such as the beginning of an escape sequence, as its code."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
