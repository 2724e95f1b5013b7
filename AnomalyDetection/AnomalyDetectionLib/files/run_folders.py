"""Temporary folders of runs: one per run, and leftovers of ended programs are removed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ..errors import InputError
from .parent_process import is_running

PREFIX = "AnomalyDetection-"
"""Prefix of a run's folder name; the id of the owning process follows."""


def remove_leftovers(temporary: Path | None) -> None:
    """Remove run folders of programs that have ended: they hold patient images."""
    for folder in Path(temporary or tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and folder.is_dir() and not folder.is_symlink() and not is_running(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def new_folder(temporary: Path | None) -> Path:
    """Create a folder for one run; its name holds the id of the owning process. InputError: it cannot be made."""
    try:
        return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=temporary))
    except OSError as error:
        raise InputError(
            f"The folder for temporary files ({temporary}) cannot be used ({error.strerror}): choose another "
            "(Edit, Application Settings)."
        ) from error
