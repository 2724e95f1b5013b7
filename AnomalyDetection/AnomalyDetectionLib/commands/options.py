"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import Field, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ..detection.detection_settings import DetectionSettings, setting_of
from ..detection.hints import HINTS
from ..errors import InputError
from ..model.bundled import DEFAULT_MODEL
from .progress import Stop

PROGRAM = "anomaly-detection"
_COMMANDS = ("calibrate", "models")
"""Commands that errors refer to, besides options."""

Command = Callable[..., Any]

PATH = click.Path(path_type=Path)
DEBUG = click.option("--debug", is_flag=True, help="Show the full error report if something goes wrong.")


def _progress(help: str) -> Callable[[Command], Command]:
    kinds = click.Choice(["bar", "json", "none"])
    return click.option("--progress", type=kinds, default="bar", show_default=True, help=help)


def _end_with(_context: click.Context, _parameter: click.Parameter, process: int | None) -> None:
    if process is not None:
        from ..files.parent_process import call_when_process_ends

        call_when_process_ends(process, Stop.from_thread)


PROGRESS = _progress("As for detect.")
PROGRESS_OF_DETECT = _progress(
    "Format of the progress: bar for people, json for programs (one object per line: stage, fraction, message)."
)
PARENT = click.option(
    "--parent",
    metavar="PID",
    type=click.IntRange(min=1),
    hidden=True,
    expose_value=False,
    callback=_end_with,
    help="Id of the program that started this one: the run ends when it ends or crashes.",
)
ABOUT = click.option(
    "--about",
    type=PATH,
    metavar="FILE",
    help="JSON file with entries to add to the model's card: licences, description.",
)

MODELS = click.option(
    "--model",
    "models",
    metavar="NAME|FILE",
    multiple=True,
    default=(DEFAULT_MODEL,),
    show_default=True,
    help="Model to use: one that ships with the program, or a model file (.safetensors); can be given several times to"
    " compare models.",
)


def finite(_context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """A click callback that refuses infinity and NaN, which click accepts as numbers."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number.", param=parameter)
    return value


def _option(one: Field[Any]) -> Callable[[Command], Command]:
    """A setting of `DetectionSettings` as an option; a setting that is on by default becomes an option that turns it off."""
    setting = setting_of(one)
    help = setting.help
    if setting.in_paper:
        help += f"  [default: the model's; {setting.in_paper} in the paper]"
    if setting.kind is bool:
        return click.option(option_of(one.name), one.name, is_flag=True, callback=_negated, help=help)
    kind: Any = click.Choice(setting.choices) if setting.choices else setting.kind
    least, most = (0, None) if setting.positive else setting.bounds
    if setting.kind is float:
        kind = click.FloatRange(least, most, min_open=setting.positive)
    elif setting.kind is int:
        kind = click.IntRange(least, most)
    return click.option(
        option_of(one.name),
        type=kind,
        metavar=setting.unit or None,
        callback=finite if setting.kind is float else None,
        default=one.default,
        show_default=one.default is not None,
        help=help,
    )


def option_of(name: str) -> str:
    """The option of a detection setting or an input."""
    off = setting_of(name).off if name in DetectionSettings.__dataclass_fields__ else ""
    return f"--no-{off}".replace(" ", "-") if off else f"--{name}".replace("_", "-")


def in_words(error: InputError) -> str:
    """The message of an error, followed by the options and commands that it refers to."""
    if not error.see:
        return str(error)
    sentence, line_end, rest = str(error).partition("\n")
    names = [f"{PROGRAM} {name}" if name.split()[0] in _COMMANDS else option_of(name) for name in error.see]
    return f"{sentence.removesuffix('.')} ({', '.join(names)}).{line_end}{rest}"


def _negated(_context: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    return not value


_HIDDEN = {name.replace(" ", "-").lower(): name for name in HINTS}
_WRITTEN = (
    click.option(
        "--hide",
        type=click.Choice(list(_HIDDEN)),
        multiple=True,
        callback=lambda _context, _parameter, value: tuple(
            hint for word, hint in _HIDDEN.items() if word in value
        ),
        help="Hint whose findings are left out of the images (the tables list all findings); can be given several times.",
    ),
    click.option(
        "--no-pictures",
        "pictures",
        is_flag=True,
        callback=_negated,
        help="Draw no pictures: no report, no overlay, no nearest normal tissue; with bids, no thumbnail either.",
    ),
    click.option(
        "--keep-scores",
        is_flag=True,
        help="Also write all patch scores and prepared images into the folder score_map (about 8 MB per scan).",
    ),
)


def detection_options(command: Command) -> Command:
    """The options that `detect` and `bids` share; the command gets the arguments settings, hide, pictures and keep_scores."""
    names = [one.name for one in fields(DetectionSettings)]

    @wraps(command)
    def with_settings(**options: Any) -> Any:
        settings = DetectionSettings(**{name: options.pop(name) for name in names})
        return command(settings=settings, **options)

    options = (*map(_option, fields(DetectionSettings)), *_WRITTEN)
    decorated: Command = with_settings
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


DEVICE = _option(DetectionSettings.__dataclass_fields__["device"])
