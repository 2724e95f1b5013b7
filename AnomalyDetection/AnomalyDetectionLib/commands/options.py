"""Options that several commands have."""

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

PROGRAM = "anomaly-detection"
_COMMANDS = ("calibrate", "models")
"""What errors refer to besides options."""

Command = Callable[..., Any]

PATH = click.Path(path_type=Path)
DEBUG = click.option("--debug", is_flag=True, help="Show the full error report if something goes wrong.")
PROGRESS = click.option(
    "--progress",
    type=click.Choice(["bar", "json", "none"]),
    default="bar",
    show_default=True,
    help="As for detect.",
)
ABOUT = click.option(
    "--about", type=PATH, metavar="FILE", help="JSON added to the model's card: licences, description."
)

MODELS = click.option(
    "--model",
    "models",
    metavar="NAME|FILE",
    multiple=True,
    default=(DEFAULT_MODEL,),
    show_default=True,
    help="A model that ships with the program, or a model file; give several to compare.",
)


def finite(_context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """For `callback`: infinity and NaN are numbers to click, and of no use here."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a number that can be used.", param=parameter)
    return value


def _option(one: Field[Any]) -> Callable[[Command], Command]:
    """A setting of a detection as an option; one that is on is switched off by it."""
    setting = setting_of(one)
    help = setting.help
    if setting.paper is not None:
        paper = setting.paper if isinstance(setting.paper, str) else f"{setting.paper:g}"
        help += f"  [default: the model's, {paper} as in the paper]"
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
    """How the command line calls a setting of a detection, or an input."""
    off = setting_of(name).off if name in DetectionSettings.__dataclass_fields__ else ""
    return f"--no-{off}".replace(" ", "-") if off else f"--{name}".replace("_", "-")


def in_words(error: InputError) -> str:
    """What an error says, with the options and commands that it refers to behind its sentence."""
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
        help="Leave findings of this hint out of the images; the tables list them all. Give several.",
    ),
    click.option(
        "--no-pictures",
        "pictures",
        is_flag=True,
        callback=_negated,
        help="Draw nothing: no report, no overlay, no nearest normal tissue; of bids, no thumbnail either.",
    ),
    click.option(
        "--keep-scores",
        is_flag=True,
        help="Write all patch scores and prepared images, too, into the folder score_map: some 8 MB a scan.",
    ),
)


def detection_options(command: Command) -> Command:
    """What `detect` asks of one scan, and `bids` of many: the command is given `settings`, hide, pictures, keep_scores."""
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
