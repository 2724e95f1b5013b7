"""What research's commands share: how their options are made, and what they say when they are stopped."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from AnomalyDetectionLib.commands.options import PATH, PROGRAM, finite
from AnomalyDetectionLib.commands.progress import Report, progress_of
from AnomalyDetectionLib.errors import InputError

Decorator = Callable[[Any], Any]

COUNT = click.IntRange(min=1)
DEVICES = ["auto", "cpu", "cuda", "mps"]


def option(names: str, kind: Any, text: str, default: Any = None, **more: Any) -> Decorator:
    """An option whose help shows its default.

    Args:
        names: its name; behind a space that of its argument, if it is another.
        kind: as click has it; a list: the words to choose from.
        default: None: there is none, or `text` tells it.
        more: further settings as of `click.option`.
    """
    if default is not None:
        more = {"default": default, "show_default": True, **more}
    kind = click.Choice(kind) if isinstance(kind, list) else kind
    return click.option(*names.split(), type=kind, help=text, **more)


def path_option(names: str, metavar: str, text: str, **more: Any) -> Decorator:
    """A file or folder."""
    return option(names, PATH, text, metavar=metavar, **more)


def output(text: str, metavar: str = "DIR") -> Decorator:
    """Where to write; it has to be given."""
    return path_option("--output", metavar, text, required=True)


def repeated(names: str, kind: Any, text: str, metavar: str | None = None, **more: Any) -> Decorator:
    """An option that can be given several times."""
    return option(names, kind, f"{text}; can be given several times.", multiple=True, metavar=metavar, **more)


def share(names: str, text: str, default: float = 0.0) -> Decorator:
    """A number from 0 to 1."""
    return option(names, click.FloatRange(0, 1), text, default, callback=finite)


def seed(text: str = "Seed of all random numbers.", default: int = 0, **more: Any) -> Decorator:
    """The same seed gives the same results."""
    return option("--seed", click.IntRange(min=0), text, default, **more)


ROOT = option(
    "--root",
    PATH,
    "Folder that the paths in the table are relative to.  [default: the current folder]",
    Path(),
    show_default=False,
)


@contextmanager
def resumable(progress: str, rest: str) -> Iterator[Report]:
    """The progress of a command that can be stopped; `rest`: from where the same command continues."""
    try:
        with progress_of(progress) as report:
            yield report
    except KeyboardInterrupt:
        raise InputError(f"Stopped; the same command continues {rest}.") from None


def typed() -> str:
    """The command as it was typed, for the model's card."""
    return shlex.join([PROGRAM, *sys.argv[1:]])


def check_folder_of(file: Path) -> None:
    """Check before the work that a file can be written."""
    if not file.parent.is_dir():
        raise InputError(f"The folder {file.parent} is not there; make it, or choose another --output.")
