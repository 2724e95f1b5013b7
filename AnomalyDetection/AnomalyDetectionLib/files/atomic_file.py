"""One file that is there completely or not at all, even after a power cut; free of imports, as the settings are."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: What a file system answers that cannot be asked to put something on the disk now.
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF}


@contextmanager
def atomic_file(path: Path, mark: str = "") -> Iterator[Path]:
    """A name to write one file under; the file takes its place, with all its bytes on the disk, when the block ends well.

    A partial file that a killed process left is overwritten by the next that writes the same file.

    Args:
        path: of the file.
        mark: makes the name another one, where several processes may write the same file.

    Raises:
        OSError: if it cannot be written.
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
    """A text file that holds the old content or the new one, whichever of several processes writes it.

    Raises:
        OSError: if it cannot be written; the old one is there then.
    """
    with atomic_file(path, f".{os.getpid()}") as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def synchronise(path: Path) -> None:
    """Wait until a file's content, or a folder's list of files, is on the disk.

    Raises:
        OSError: it cannot be written.
    """
    folder = path.is_dir()
    if folder and sys.platform == "win32":  # there the file system sees to it
        return
    if path.is_symlink():
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
