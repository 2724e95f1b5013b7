"""Write a folder of results completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import InputError
from . import journal
from .folder_lock import LOCK, exclusive_lock

#: Errors that mean the disk, the user's quota or the file size limit is exhausted.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def locked_folder(output: Path) -> Iterator[None]:
    """Hold the exclusive right to write into a folder while the block runs.

    A missing folder is created, and removed again if it stays empty. Remains of a killed run are recovered first (see
    `journal`). InputError: another run is writing into the folder, or it cannot be written.
    """
    output = Path(output)
    with _explained(output):
        created = [folder for folder in (output, *output.parents) if not folder.exists()]
        output.mkdir(parents=True, exist_ok=True)
    try:
        with contextlib.ExitStack() as held:
            with _explained(output):
                if held.enter_context(exclusive_lock(output)):
                    with _signals_held():
                        journal.recover(output)
            yield
    finally:
        for folder in created:
            with contextlib.suppress(OSError):  # it holds something
                folder.rmdir()


@contextmanager
def atomic_folder(output: Path, obsolete: Iterable[PurePosixPath] = ()) -> Iterator[Path]:
    """Yield a folder to write into; its files move to `output` when the block succeeds.

    Files of the same name in `output` are replaced, and `obsolete` ones (relative to it) that are not written anew
    are removed; others stay. If the block fails, or the user interrupts it, `output` is as it was (not there, if it
    was not). The move itself is all or nothing, too: an interrupt takes effect after it, and if the process is killed
    or the power fails in the midst of it, the next `locked_folder` or `atomic_folder` of this folder completes it.
    InputError: the folder cannot be written, the disk is full, or another run writes into it.
    """
    output = Path(output)
    with locked_folder(output):
        with _explained(output):
            new = journal.begin(output)
        try:
            with _explained(output, others=True):
                yield new
            with _signals_held(), _explained(output):
                journal.commit(new, output, obsolete)
        finally:
            journal.discard(new)


def recover(output: Path) -> None:
    """Recover a folder of results that a killed run left unfinished; call before reading it.

    Without effect where there is nothing to do, the folder is missing, or a run is writing into it.
    """
    if (Path(output) / LOCK).exists() or any(Path(output).glob(f"{journal.PREFIX}*")):
        with contextlib.suppress(InputError), locked_folder(output):
            pass


@contextmanager
def _signals_held() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until the block is done (main thread only)."""
    held: list[int] = []
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not None:  # None: the handler was not installed from Python
                before[number] = signal.signal(number, lambda caught, _: held.append(caught))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for caught in held:
            signal.raise_signal(caught)


@contextmanager
def _explained(output: Path, *, others: bool = False) -> Iterator[None]:
    """Turn a write error into a message that names the output folder; with `others`, where other files may be involved,
    only one that is certainly about it.
    """
    try:
        yield
    except OSError as error:
        if others and not _is_about(error, output):
            raise
        sentence = (
            f"The output folder {output} cannot be written ({error.strerror or error}): choose another."
        )
        if error.errno in _FULL:
            sentence = f"The disk of the output folder {output} is full: free some space."
        elif isinstance(error, PermissionError) and error.filename2 is not None:
            # Of a move: Windows locks files that a program has open.
            names = (error.filename, error.filename2)
            there = next((name for name in names if journal.PREFIX not in str(name)), output)
            sentence = (
                f"{there} cannot be replaced ({error.strerror or error}): close it in the program that has it open, or choose "
                "another place."
            )
        raise InputError(sentence) from error


def _is_about(error: OSError, output: Path) -> bool:
    if isinstance(error.filename, (str, bytes)):
        return Path(os.fsdecode(error.filename)).absolute().is_relative_to(output.absolute())
    # An open stream does not report its file name; only output is written here.
    return error.errno in _FULL
