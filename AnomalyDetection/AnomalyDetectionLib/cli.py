"""The command line: `anomaly-detection`, or `python -m AnomalyDetectionLib`.

Everything heavy is imported inside the commands, so that `--help` and mistakes in the options answer at once.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
import warnings
from typing import Any

import click

from . import __version__
from .commands.bids import bids, bids_batch
from .commands.calibrate import calibrate
from .commands.compare import compare
from .commands.detect import detect
from .commands.doctor import devices, doctor
from .commands.models import models
from .commands.open_group import OpenGroup
from .commands.options import PROGRAM
from .commands.progress import Stop, say_error, wants_records
from .commands.series import series
from .commands.worklist import worklist
from .errors import InputError
from .imaging.memory import is_out_of_memory

USER_ERROR, OWN_ERROR = 2, 1
STOPPED = "Stopped; nothing was written."


@click.group(
    PROGRAM,
    cls=OpenGroup,
    entry_point_group="anomaly_detection.commands",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", prog_name=PROGRAM)
@click.pass_context
def command_line(context: click.Context) -> None:
    """Suspected anomalies on T1 and FLAIR brain MRI.

    A network that has learnt normal brain tissue marks what does not look like it: chronic infarcts, and
    whatever else is unusual. After van Hespen et al., Scientific Reports 2021.

    Research use only. Not a medical device; not for diagnosis.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (
    detect, series, compare, bids, bids_batch, worklist, calibrate, models, doctor, devices,
):  # fmt: skip
    command_line.add_command(_command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    0: done. 2: something the user gave cannot be used, or the user stopped the run; one sentence on
    standard error says what. 1: an error of the program's own. With `--progress json` the sentence is a record
    on standard output as well: {"stage": "error", "message": ..., "code": ...}.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    _be_quiet(debug)
    # Ended by another program is the same as Ctrl-C: leave nothing half-written.
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), Stop.ask)
    try:
        code = command_line.main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except Exception as error:
        sentence, code = _what_to_say(error)
        if debug or (code == OWN_ERROR and wants_records(arguments)):
            traceback.print_exc()  # into the log that the program shows under Details
        say_error(sentence, code, arguments)
        sys.exit(code)
    except KeyboardInterrupt as stop:
        say_error(str(stop) or STOPPED, USER_ERROR, arguments)
        sys.exit(USER_ERROR)


def _what_to_say(error: Exception) -> tuple[str, int]:
    """One sentence about an error, and the exit code."""
    if isinstance(error, InputError):
        return str(error), USER_ERROR
    if isinstance(error, click.exceptions.Abort):
        return str(error.__cause__ or "") or STOPPED, USER_ERROR  # a run that has written something says so
    if isinstance(error, click.ClickException):
        context: Any = getattr(error, "ctx", None)
        path = context.command_path if context is not None else PROGRAM
        return f"{error.format_message().rstrip('.')}; see `{path} --help`.", USER_ERROR
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        where = f" while writing {error.filename}" if error.filename else ""
        return f"The disk is full{where}: free some space and run again.", USER_ERROR
    if isinstance(error, BrokenPipeError):
        return "Stopped, because the program that read the output is gone.", USER_ERROR
    if isinstance(error, PermissionError):
        return f"No permission for {error.filename}: choose another place or change its rights.", USER_ERROR
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(__package__):
        return (
            f"The Python package {error.name} is not installed here: install what {PROGRAM} needs.",
            USER_ERROR,
        )
    if is_out_of_memory(error):
        return (
            "Not enough memory: close other programs, or use --device cpu if it was the GPU's.",
            USER_ERROR,
        )
    return (
        f"Something went wrong inside {PROGRAM} ({type(error).__name__}); run again with --debug and report"
        f" it together with what `{PROGRAM} doctor` prints.",
        OWN_ERROR,
    )


def _be_quiet(debug: bool) -> None:
    """Libraries' warnings only for those who ask; idle threads sleep, for cores are often shared."""
    if not debug:
        warnings.simplefilter("ignore")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
