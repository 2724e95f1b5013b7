"""How all commands report how far they are, and how they notice that they are to stop."""

from __future__ import annotations

import _thread
import contextlib
import itertools
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

import click

from ..engine.records import Failure, Progress
from ..errors import InputError
from ..files.text import escape_controls

LEAST_FREE_MB = 50

Report = Callable[[str, float, str], None]
"""Called with the stage, the fraction of the whole run done, and a line for people."""


def check_output(folder: Path) -> None:
    """Find out before the work, not after it, whether the results can be written.

    Until the command ends, no other run can write into the folder.
    """
    from ..files.atomic_folder import locked_folder

    with contextlib.ExitStack() as here:
        command = click.get_current_context(silent=True)
        (here.enter_context if command is None else command.with_resource)(locked_folder(folder))
        if shutil.disk_usage(folder).free < LEAST_FREE_MB * 2**20:
            raise InputError(
                f"The disk of the output folder {folder} is full: free at least {LEAST_FREE_MB} MB."
            )


@contextlib.contextmanager
def progress_of(kind: str) -> Iterator[Report]:
    """A listener of the chosen kind. Meanwhile standard output belongs to it alone."""
    stdout = sys.stdout
    # Libraries print what they like; a program that reads our lines must not stumble over it.
    with contextlib.redirect_stdout(sys.stderr):
        if kind == "json":
            yield _unless_stopped(_json_lines(stdout))
        elif kind == "bar":
            with _bar() as report:
                yield _unless_stopped(report)
        else:
            yield _unless_stopped(lambda stage, fraction, message: None)


def _json_lines(stream: TextIO) -> Report:
    def report(stage: str, fraction: float, message: str) -> None:
        stream.write(Progress(stage, fraction, message).line + "\n")
        stream.flush()

    return report


def wants_records(arguments: Sequence[str]) -> bool:
    """Whether a command line says `--progress json`: a program reads standard output, and keeps the rest as a log."""
    return "--progress=json" in arguments or ("--progress", "json") in itertools.pairwise(arguments)


def say_error(failure: Failure, in_words: str, arguments: Sequence[str]) -> None:
    """Why a command ends: a line for people on standard error, and a record for a program that asked for records.

    Args:
        failure: the record.
        in_words: the same in the words of the command line.
        arguments: of the command line, with `--progress json` or without.
    """
    if wants_records(arguments):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            print(failure.line, flush=True)
    click.echo(escape_controls(in_words), err=True)


@contextlib.contextmanager
def _bar() -> Iterator[Report]:
    from tqdm import tqdm

    layout = "{desc:<34}{percentage:3.0f}% |{bar:30}| {elapsed}{postfix}"
    with tqdm(
        total=100, desc="Starting", bar_format=layout, file=sys.stderr, leave=False, disable=None
    ) as bar:

        def report(stage: str, fraction: float, message: str) -> None:
            short = len(message) < 34
            bar.set_description_str(message if short else stage.capitalize(), refresh=False)
            bar.set_postfix_str("" if short else message, refresh=False)
            bar.n = 100 * fraction
            bar.refresh()

        yield report


class Stop:
    """Whether the user, or another program, asked this one to end.

    The KeyboardInterrupt alone is not enough: raised inside a library's callback, or one that catches
    everything, it is lost. So it is raised again with the next report of progress.
    """

    asked = False

    @classmethod
    def ask(cls, _signal: int, _frame: FrameType | None) -> None:
        cls.asked = True
        raise KeyboardInterrupt

    @staticmethod
    def from_thread() -> None:
        """The same from another thread; the main one notices between two steps of Python code."""
        _thread.interrupt_main(signal.SIGTERM)


def _unless_stopped(report: Report) -> Report:
    def checked(stage: str, fraction: float, message: str) -> None:
        if Stop.asked:
            raise KeyboardInterrupt
        report(stage, fraction, message)

    return checked
