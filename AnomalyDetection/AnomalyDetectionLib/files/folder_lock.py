"""Two programs do not write into one folder, or do one thing, at the same time.

The lock is the operating system's, on a hidden file in the folder: it ends with the process, however that ended, so
that none is ever stale. The file is removed with it; what a killed process leaves of it, the next one takes over.
(The library filelock would leave its file among the results, and a Slicer without torch does not have it.)
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

LOCK = ".anomaly-detection.lock"
EVERY_S = 0.2
"""How often a lock that is taken is asked for again."""

#: What a file system answers that knows no locks (some network drives): then there is none.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}

_held: dict[Path, int] = {}
"""The folders that this process holds, and the thread that does."""


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[bool]:
    """Be the only one that writes into a folder, which is there.

    May be nested within a thread. Yields whether this is the outermost, and surely the only one: on a drive that
    knows no locks it cannot be told.

    Raises:
        InputError: somebody else writes into it.
        OSError: the folder cannot be written.
    """
    place = Path(folder).resolve()
    if _held.get(place) == threading.get_ident():
        yield False
        return
    if place in _held:  # another thread; some network drives tell only processes apart
        raise _taken(folder)
    handle, sure = _acquire(place, folder)
    _held[place] = threading.get_ident()
    try:
        yield sure
    finally:
        del _held[place]
        _release(handle, place / LOCK)


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


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[Lock]:
    """Have something to oneself, among all processes and, where the file system can, all machines.

    Args:
        folder: stands for it; made if it is not there, and removed afterwards.
        wait: until it is free; False: ask once.

    Yields:
        Whether it is ours.
    """
    lock = Lock(False)
    try:
        with contextlib.ExitStack() as held:
            while True:
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    lock = Lock(True, held.enter_context(exclusive_lock(folder)))
                except (InputError, FileNotFoundError):  # taken; or its owner has just removed the folder
                    pass
                except FileExistsError:  # its owner removed it while it was being made
                    if folder.exists() and not folder.is_dir():
                        raise
                if lock or not wait:
                    break
                time.sleep(EVERY_S)
            yield lock
    finally:
        if lock:
            with contextlib.suppress(OSError):  # somebody waits for it
                folder.rmdir()


def _acquire(place: Path, folder: Path) -> tuple[int, bool]:
    path = place / LOCK
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locked = _lock(handle)
            if locked is False:
                raise _taken(folder)
            if _is_at(handle, path):
                return handle, locked is True
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its holder removed it between our opening and our locking it


def _release(handle: int, path: Path) -> None:
    if sys.platform == "win32":  # where a file that is open cannot be removed
        os.close(handle)
        with contextlib.suppress(OSError):
            path.unlink()
        return
    with contextlib.suppress(OSError):  # while it is locked: who waits for it sees that it is gone
        path.unlink()
    os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), there)


def _lock(handle: int) -> bool | None:
    """Lock an open file without waiting; False where somebody else has, None where the drive knows no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        if error.errno not in _NO_LOCKS:
            raise
        return None
    return True


def _taken(folder: Path) -> InputError:
    return InputError(
        f"Another run is writing into the folder {folder}: wait until it has ended, or choose another folder."
    )
