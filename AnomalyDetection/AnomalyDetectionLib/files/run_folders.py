"""The folders of runs that a program starts: each of its own, and none is left behind."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ..errors import InputError
from .parent_process import is_running

PREFIX = "AnomalyDetection-"
"""Of the names of runs' folders; the number of the process that they belong to follows."""


def remove_leftovers(temporary: Path | None) -> None:
    """Remove the folders of runs whose program has ended without doing so: they hold a patient's head."""
    for folder in Path(temporary or tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and folder.is_dir() and not folder.is_symlink() and not is_running(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def new_folder(temporary: Path | None) -> Path:
    """A folder of the run's own; its name says whose, for who has to clear it up.

    Raises:
        InputError: it cannot be made.
    """
    try:
        return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=temporary))
    except OSError as error:
        raise InputError(
            f"The folder for temporary files ({temporary}) cannot be used ({error.strerror}): choose another one "
            "(Edit, Application Settings)."
        ) from error
