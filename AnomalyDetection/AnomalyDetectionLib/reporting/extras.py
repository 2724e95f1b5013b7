"""Optional outputs made after the result is on the disk: kept scores, pictures, report, DICOM objects.

Each can fail without affecting the others: it is then listed as missing. Packages for drawing and DICOM are imported
only when needed, so a package that is missing or broken never costs the result itself.
"""

from __future__ import annotations

import errno
import shutil
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..imaging.out_of_memory import is_out_of_memory

NOT_REACHED = "the run ended before it was made"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Extra:
    """An optional output of a run.

    Attributes:
        what: its name as the subject of a sentence: "The report".
        files: the files and folders that it may consist of, relative to the results folder.
        make: writes them into the given folder and returns remarks, sentences without full stops.
    """

    what: str
    files: tuple[str, ...]
    make: Callable[[Path], Sequence[str]]


@dataclass(frozen=True)
class MissingExtra:
    """An optional output that could not be made, and why.

    Attributes:
        what, files: as in `Extra`.
        reason: what went wrong and, if known, what to do.
        details: the traceback, for a log.
    """

    what: str
    files: tuple[str, ...]
    reason: str
    details: str = field(default="", compare=False)

    @property
    def sentence(self) -> str:
        """Without a full stop."""
        return f"{self.what} is missing ({', '.join(self.files)}): {self.reason}"

    @property
    def plain(self) -> dict[str, Any]:
        """For findings.json."""
        return {"what": self.what, "files": list(self.files), "reason": self.reason}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> MissingExtra:
        """The reverse of `plain`."""
        return cls(str(plain["what"]), tuple(map(str, plain["files"])), str(plain["reason"]))

    @classmethod
    def because(cls, extra: Extra, error: BaseException, *, anonymous: bool = False) -> MissingExtra:
        """From an exception. An anonymous reason leaves out the exception's text, which may contain the patient's name."""
        details = "".join(traceback.format_exception(error))
        return cls(extra.what, extra.files, reason_of(error, anonymous=anonymous), details)


def make_extras(
    extras: Sequence[Extra], folder: Path, begin: Callable[[int], None], *, anonymous: bool = False
) -> tuple[list[str], list[MissingExtra]]:
    """Make the outputs one after another; nothing is left of those that fail.

    Args:
        folder: to write into; it must exist.
        begin: called with the index of each output before it is made. An exception that it raises ends the loop.

    Returns:
        The remarks of the outputs that were made, and the missing outputs.
    """
    remarks: list[str] = []
    missing: list[MissingExtra] = []
    for place, extra in enumerate(extras):
        begin(place)
        try:
            remarks += extra.make(folder)
        except Exception as error:  # any error: the result matters more than an optional output
            missing.append(MissingExtra.because(extra, error, anonymous=anonymous))
            for path in (folder / name for name in extra.files):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
    return remarks, missing


def reason_of(error: BaseException, *, anonymous: bool = False) -> str:
    """Why an output could not be made, without a full stop."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return "the disk is full; free some space and run again"
    if is_out_of_memory(error):
        return "the memory ran out; close other programs and run again"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the Python package {error.name} is not installed; install it and run again"
    if isinstance(error, InputError) and not anonymous:
        return str(error).rstrip(".")
    text = " ".join(str(error).split())
    error_text = f"{type(error).__name__}: {text}" if text and not anonymous else type(error).__name__
    return (
        f"something went wrong inside the program ({error_text}); run again with --debug and report it together with what "
        "`anomaly-detection doctor` prints"
    )
