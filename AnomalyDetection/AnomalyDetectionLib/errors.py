"""The one error that is meant for people."""

from __future__ import annotations


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one sentence that says what is wrong, with which file, and what to do about it. The
    command line prints it without a traceback and exits with code 2.
    """
