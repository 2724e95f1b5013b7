"""What is made of a result that is on the disk already: kept scores, pictures, report, DICOM objects.

Each may fail by itself: it is then missing, which is said, and nothing else is lost by it. Whatever draws, or knows
DICOM, is imported when its turn comes, so that a package which is missing or broken costs no result.
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
from ..imaging.memory import is_out_of_memory

NOT_REACHED = "the run ended before it was made"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Extra:
    """Something that is made of a result.

    Attributes:
        what: it is, as the subject of a sentence: "The report".
        files: it may consist of: files and folders, relative to that of the results.
        make: given a folder, writes them into it, and returns what is to be said, sentences without full stops.
    """

    what: str
    files: tuple[str, ...]
    make: Callable[[Path], Sequence[str]]


@dataclass(frozen=True)
class MissingExtra:
    """Something that could not be made, and why.

    Attributes:
        what, files: as of `Extra`.
        reason: what went wrong and, where that is known, what to do.
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
        """Of an exception; an anonymous reason leaves out its text, which may name the patient."""
        details = "".join(traceback.format_exception(error))
        return cls(extra.what, extra.files, reason_of(error, anonymous=anonymous), details)


def make_extras(
    extras: Sequence[Extra], folder: Path, begin: Callable[[int], None], *, anonymous: bool = False
) -> tuple[list[str], list[MissingExtra]]:
    """Make one after the other; of those that fail nothing stays.

    Args:
        folder: to write into; it is there.
        begin: called with the place of each before it is begun. What it raises ends all.

    Returns:
        What is to be said of those that were made, and those that are missing.
    """
    said: list[str] = []
    missing: list[MissingExtra] = []
    for place, extra in enumerate(extras):
        begin(place)
        try:
            said += extra.make(folder)
        except Exception as error:  # whatever it is: the result is worth more than what is made of it
            missing.append(MissingExtra.because(extra, error, anonymous=anonymous))
            for name in extra.files:
                _remove(folder / name)
    return said, missing


def reason_of(error: BaseException, *, anonymous: bool = False) -> str:
    """Why something could not be made, without a full stop."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return "the disk is full; free some space and run again"
    if is_out_of_memory(error):
        return "the memory was not enough; close other programs and run again"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the Python package {error.name} is not installed; install it and run again"
    if isinstance(error, InputError) and not anonymous:
        return str(error).rstrip(".")
    text = " ".join(str(error).split())
    said = f"{type(error).__name__}: {text}" if text and not anonymous else type(error).__name__
    return (
        f"something went wrong inside the program ({said}); run again with --debug and report it together with what "
        "`anomaly-detection doctor` prints"
    )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
