"""Locks that keep two programs from writing into the same folder, or doing the same job, at once.

It is an operating system lock on a hidden file in the folder. It ends with the process, however that ends, so it is
never stale. The file is removed on release; a file left by a killed process is reused.
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
"""Seconds between attempts to take a lock that is held by another process."""

#: Errors of file systems without locks (some network drives); the lock is then skipped.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}

_held: dict[Path, int] = {}
"""Folders locked by this process, with the id of the thread that holds each."""


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[bool]:
    """Lock an existing folder for writing.

    May be nested within a thread. Yields whether this is the outermost lock and certainly exclusive; a drive without
    locks cannot guarantee that. InputError: another process or thread holds it; OSError: the folder cannot be written.
    """
    place = Path(folder).resolve()
    if _held.get(place) == threading.get_ident():
        yield False
        return
    if place in _held:  # another thread; some network drives tell only processes apart
        raise _taken(folder)
    handle, exclusive = _acquire(place, folder)
    _held[place] = threading.get_ident()
    try:
        yield exclusive
    finally:
        del _held[place]
        _release(handle, place / LOCK)


@dataclass(frozen=True)
class Lock:
    """The outcome of a lock request; true if it was acquired.

    `exclusive`: no other process can hold it too; False on a drive without locks. Remains of other processes may only
    be removed if True.
    """

    acquired: bool
    exclusive: bool = False

    def __bool__(self) -> bool:
        return self.acquired


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[Lock]:
    """Take a named lock, across processes and, where the file system supports it, machines.

    `folder`: carries the lock; created if missing and removed afterwards. `wait`: wait until it is free; False: try
    once.
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
        os.close(handle)  # the holder removed it between open and lock


def _release(handle: int, path: Path) -> None:
    if sys.platform == "win32":  # where a file that is open cannot be removed
        os.close(handle)
        with contextlib.suppress(OSError):
            path.unlink()
        return
    with contextlib.suppress(OSError):  # unlink while locked, so that waiting processes notice
        path.unlink()
    os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), there)


def _lock(handle: int) -> bool | None:
    """Lock an open file without waiting; False if another process holds it, None if the drive has no locks."""
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
