"""Write one file completely or not at all, even through a power cut. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Errors of file systems that do not support fsync.
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF}


@contextmanager
def atomic_file(path: Path, mark: str = "") -> Iterator[Path]:
    """Yield a temporary path to write to; it replaces the file, synced to disk, when the block succeeds.

    A partial file left by a killed process is overwritten by the next writer. `mark` makes the temporary name unique
    where several processes may write the same file. OSError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}{mark}.partial")
    try:
        yield partial
        synchronise(partial)
        partial.replace(path)
        synchronise(path.parent)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text file that holds the old or the new content at any time, even with several writers (OSError: the old)."""
    with atomic_file(path, f".{os.getpid()}") as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def synchronise(path: Path) -> None:
    """Flush a file's content, or a folder's directory entries, to disk; OSError if that fails."""
    folder = path.is_dir()
    if path.is_symlink() or (folder and sys.platform == "win32"):  # NTFS journals directory entries itself
        return
    try:
        handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    except PermissionError:  # a file that its writer made read-only
        return
    try:
        if sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)  # where fsync does not wait for the disk itself
        else:
            os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(handle)
