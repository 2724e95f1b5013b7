"""The command line: `anomaly-detection`, or `python -m AnomalyDetectionLib`.

Everything heavy is imported inside the commands, so that `--help` and mistakes in the options answer at once.
"""

from __future__ import annotations

import atexit
import errno
import gc
import io
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
from .commands.options import PROGRAM, in_words
from .commands.progress import Stop, reader_is_gone, say_error, wants_records
from .commands.run import run
from .commands.series import series
from .commands.worklist import worklist
from .engine.records import Failure
from .errors import InputError
from .files.text import display_path
from .imaging.out_of_memory import is_out_of_memory

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
    detect, run, series, compare, bids, bids_batch, worklist, calibrate, models, doctor, devices,
):  # fmt: skip
    command_line.add_command(_command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    0: done. 2: something the user gave cannot be used, or the user stopped the run; one sentence on
    standard error says what. 1: an error of the program's own. With `--progress json` the sentence is a record
    on standard output as well, a `Failure`.
    """
    if arguments is None:
        _in_utf8()
        arguments = sys.argv[1:]
    debug = "--debug" in arguments
    _be_quiet(debug)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a code page does not have every letter of a name
    # Otherwise Python looks through all of torch's objects on leaving: a quarter of a second.
    atexit.register(gc.freeze)
    # Ended by another program is the same as Ctrl-C: leave nothing half-written.
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        # `nohup` ignores the hang-up, so that the run outlives the terminal.
        if number and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, Stop.ask)
    try:
        code = command_line.main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except Exception as error:
        if isinstance(error, OSError) and sys.stdout is not None and reader_is_gone(error, sys.stdout):
            sys.exit(OWN_ERROR)  # such as with `| more` on Windows; elsewhere click does the same
        failure, in_words = _what_to_say(error)
        code = failure.code
        if debug or (code == OWN_ERROR and wants_records(arguments)):
            traceback.print_exc()  # into the log that the program shows under Details
        say_error(failure, in_words, arguments)
        sys.exit(code)
    except KeyboardInterrupt as stop:
        sentence = str(stop) or STOPPED
        say_error(Failure(sentence, USER_ERROR), sentence, arguments)
        sys.exit(USER_ERROR)
    finally:
        # What ends now is nobody's work any more: one more Ctrl-C ends it at once, without a traceback out of torch.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)


def _in_utf8() -> None:
    """Begin anew in Python's UTF-8 mode where the locale has another encoding, such as LANG=de_DE: ITK takes paths in UTF-8."""
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _what_to_say(error: Exception) -> tuple[Failure, str]:
    """An error as a record, and in the words of the command line."""
    if isinstance(error, click.ClickException) and not isinstance(error, click.exceptions.Abort):
        context: Any = getattr(error, "ctx", None)
        path = context.command_path if context is not None else PROGRAM
        sentence = error.format_message().rstrip(".")
        return Failure(f"{sentence}.", USER_ERROR), f"{sentence}; see `{path} --help`."
    said = _as_input_error(error)
    if said is not None:
        return Failure(str(said), USER_ERROR, said.see), in_words(said)
    sentence = f"Something went wrong inside {PROGRAM} ({type(error).__name__})"
    return (
        Failure(f"{sentence}: report it with the log under Details.", OWN_ERROR),
        f"{sentence}; run again with --debug and report it together with what `{PROGRAM} doctor` prints.",
    )


def _as_input_error(error: Exception) -> InputError | None:
    """What the user can do something about; None: an error of the program's own."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, click.exceptions.Abort):
        return InputError(str(error.__cause__ or "") or STOPPED)  # a run that has written something says so
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        where = f" while writing {error.filename}" if error.filename else ""
        return InputError(f"The disk is full{where}: free some space and run again.")
    if isinstance(error, PermissionError):
        return InputError(f"No permission for {error.filename}: choose another place or change its rights.")
    if isinstance(error, OSError) and error.filename:  # such as on a network drive that is gone
        return InputError(
            f"{display_path(os.fsdecode(error.filename))} cannot be used ({error.strerror}): check the path, and that its drive is there."
        )
    if is_out_of_memory(error):
        return InputError(
            "Not enough memory: close other programs, or compute on the CPU if it was the GPU's.",
            see=("device",),
        )
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.isidentifier():
        if error.name != __package__:
            return InputError(
                f"The Python package {error.name} is not installed here: install what {PROGRAM} needs."
            )
    elif package := _package_that_does_not_load(error):
        reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        return InputError(
            f"The Python package {package} is installed but cannot be loaded ({reason}): install it again."
        )
    return None


def _package_that_does_not_load(error: Exception) -> str:
    """The package of others in whose import an error was raised, such as torch without a library of the system; "" if none."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if frame.f_code.co_name == "<module>" and package != __package__:
            return package
    module = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    return "" if module.startswith(f"{__package__}.") else module.partition(".")[0]


def _be_quiet(debug: bool) -> None:
    """Libraries' warnings only for those who ask; idle threads sleep, for cores are often shared."""
    if not debug:
        warnings.simplefilter("ignore")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
