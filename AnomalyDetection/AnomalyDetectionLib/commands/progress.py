"""How all commands report progress, and how they notice a request to stop."""

from __future__ import annotations

import _thread
import contextlib
import errno
import itertools
import os
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
"""Called with the stage, the fraction of the run done, and a message."""


def check_output(folder: Path) -> None:
    """Check before the work that the results can be written.

    The folder is locked against other runs until the command ends.
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
    """A context manager that gives a function to report progress with; only that function writes to standard output."""
    stdout = sys.stdout
    # Libraries may print to standard output, which would confuse a program that reads our records.
    with contextlib.redirect_stdout(sys.stderr):
        if kind == "json":
            yield _unless_stopped(_json_lines(stdout))
        elif kind == "bar" and sys.stderr is not None:  # a program without a console may have none
            with _bar() as report:
                yield _unless_stopped(report)
        else:
            yield _unless_stopped(lambda stage, fraction, message: None)


def _json_lines(stream: TextIO) -> Report:
    def report(stage: str, fraction: float, message: str) -> None:
        try:
            stream.write(Progress(stage, fraction, message).line + "\n")
            stream.flush()
        except OSError as error:  # click would end the command without a word
            if not reader_is_gone(error, stream):
                raise
            raise InputError("Stopped, because the program that read the progress is gone.") from error

    return report


def reader_is_gone(error: OSError, stream: TextIO) -> bool:
    """Whether an error says that the program that read this stream has ended; what Python still flushes then goes nowhere."""
    on_windows = sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None
    if gone := on_windows or error.errno == errno.EPIPE:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return gone


def wants_records(arguments: Sequence[str]) -> bool:
    """Whether the command line has `--progress json`: a program then reads the records on standard output."""
    return "--progress=json" in arguments or ("--progress", "json") in itertools.pairwise(arguments)


def say_error(failure: Failure, in_words: str, arguments: Sequence[str]) -> None:
    """Report why a command failed: a line on standard error, and a record for a program that asked for records.

    Args:
        failure: the record to write.
        in_words: the same as a sentence that names command-line options.
        arguments: of the command line; they say whether records are wanted.
    """
    if wants_records(arguments):
        with contextlib.suppress(OSError, ValueError):  # the reader has closed the pipe
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
    """Remembers a request to stop, from the user or from another program.

    KeyboardInterrupt alone is not enough: a library's callback or a broad `except` can swallow it. So it is raised
    again at the next report of progress.
    """

    asked = False

    @classmethod
    def ask(cls, _signal: int, _frame: FrameType | None) -> None:
        cls.asked = True
        raise KeyboardInterrupt

    @staticmethod
    def from_thread() -> None:
        """Request a stop from another thread; the main thread is interrupted."""
        _thread.interrupt_main(signal.SIGTERM)


def _unless_stopped(report: Report) -> Report:
    def checked(stage: str, fraction: float, message: str) -> None:
        if Stop.asked:
            raise KeyboardInterrupt
        report(stage, fraction, message)

    return checked
