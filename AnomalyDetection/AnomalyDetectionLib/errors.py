"""The one error that is meant for people."""

from __future__ import annotations

from collections.abc import Sequence


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one sentence that says what is wrong, with which file, and what to do about it, in words that hold
    in every door. The command line prints it without a traceback and exits with code 2.

    Args:
        sentence: with a full stop; lines of a list may follow.
        see: the settings, inputs or commands by which it is done, such as "brain_mask"; the command line adds how it
            calls them.
    """

    def __init__(self, sentence: str = "", *, see: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.see = tuple(see)
