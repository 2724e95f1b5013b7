"""Files that several processes write to: never half-written, and never by two at once."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .atomic_file import atomic_file
from .folder_lock import only_writer

EVERY_S = 0.2


def write_whole(path: Path, text: str) -> None:
    """A text file that holds the old content or the new one, also after a power cut.

    Raises:
        OSError: if it cannot be written; the old one is there then.
    """
    with atomic_file(path, f".{os.getpid()}") as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


@dataclass(frozen=True)
class Lock:
    """What became of asking for something; true if it is ours.

    Attributes:
        ours: whether we may go on.
        sure: whether nobody else surely has it, too: a drive that knows no locks cannot tell. Only then may what others
            left be removed.
    """

    ours: bool
    sure: bool = False

    def __bool__(self) -> bool:
        return self.ours


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[Lock]:
    """Have something to oneself, among all processes and, where the file system can, all machines.

    The system gives it back when a process ends, however it ends.

    Args:
        folder: stands for it; made if it is not there, and removed afterwards.
        wait: until it is free; False: ask once.

    Yields:
        Whether it is ours.
    """
    lock = Lock(False)
    try:
        with contextlib.ExitStack() as held:
            lock = _try(folder, held)
            while wait and not lock:
                time.sleep(EVERY_S)
                lock = _try(folder, held)
            yield lock
    finally:
        if lock:
            with contextlib.suppress(OSError):  # somebody waits for it
                folder.rmdir()


def _try(folder: Path, held: contextlib.ExitStack) -> Lock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Lock(True, held.enter_context(only_writer(folder)))
    except (InputError, FileNotFoundError):  # taken; or its owner removed the folder between these two lines
        return Lock(False)
    except FileExistsError:  # its owner removed it while it was being made
        if folder.exists() and not folder.is_dir():
            raise
        return Lock(False)
