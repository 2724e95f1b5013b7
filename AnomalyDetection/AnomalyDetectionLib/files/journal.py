"""Several files into a folder as if at once: whatever happens, there are all of the old ones or all of the new.

    .anomaly-detection-unfinished-XXXX/   a run's own folder in that of the results
        anomaly-detection.mark            says whose it is: without it, nobody but its owner removes anything
        new/                what it writes
        commit.json         from the moment that this is there (one rename), the new files count
        old/                what they took the place of, until all of them are in theirs

A run that ends before the commit has changed nothing; what it left is removed by the next one. A run that is killed
after it is completed by the next one: moving the files into place can be done again from any point. A move that
fails while the run is alive (a file that is open in another program) is undone. All this needs the folder's lock.

The folder of the results may be anybody's, such as Documents. What does not carry the mark is left alone, whatever it
is called.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from .atomic_file import synchronise

PREFIX = ".anomaly-detection-unfinished-"
MARK = "anomaly-detection.mark"
_FOR_PEOPLE = "AnomalyDetection made this folder, and removes it.\n"
_NEW, _OLD, _COMMIT = "new", "old", "commit.json"


def begin(output: Path) -> Path:
    """A folder to write into; `commit` and `discard` take it."""
    working = Path(tempfile.mkdtemp(prefix=PREFIX, dir=output))
    try:
        (working / MARK).write_text(_FOR_PEOPLE, encoding="utf-8")
        (working / _NEW).mkdir()
    except BaseException:
        shutil.rmtree(working, ignore_errors=True)
        raise
    return working / _NEW


def commit(new: Path, output: Path, gone: Iterable[PurePosixPath] = ()) -> None:
    """Bring all files of a folder from `begin` to their places, those of the same name being replaced.

    Args:
        gone: files that are to be removed with the same commit, relative to `output`; what is written anew stays.

    Raises:
        OSError: one of them cannot be moved. All is as before then.
    """
    working = new.parent
    names = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if not path.is_dir())
    leaving = sorted(
        path.as_posix() for path in {*gone} if path.as_posix() not in names and _ours(path, output)
    )
    for name in names:
        if (output / name).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(output / name))
    for path in [*new.rglob("*"), new, working / MARK]:
        synchronise(path)
    (working / _OLD).mkdir()
    partial = working / f"{_COMMIT}.partial"
    partial.write_text(json.dumps({"files": names, "gone": leaving}), encoding="utf-8")
    synchronise(partial)
    synchronise(working)
    partial.replace(working / _COMMIT)
    synchronise(working)
    synchronise(output)
    created: list[Path] = []
    try:
        _settle(working, output, names, leaving, created)
    except BaseException:
        _undo(working, output, names, leaving, created)
        raise
    _finish(working, output, names, leaving)


def discard(new: Path) -> None:
    """Remove what a run wrote; without effect after its commit."""
    if not (new.parent / _COMMIT).exists() and _is_marked(new.parent):
        _remove(new.parent)


def recover(output: Path) -> None:
    """Complete what runs that were killed have committed, and remove what others of them left.

    Raises:
        OSError: a file cannot be moved.
    """
    for working in sorted(output.glob(f"{PREFIX}*")):
        if working.is_symlink() or not working.is_dir():
            continue
        if not _is_marked(working):
            with contextlib.suppress(OSError):  # empty, its maker was killed before it could mark it
                working.rmdir()
            continue
        record = _record(working / _COMMIT, output)
        if record is not None:
            names, leaving = record
            (working / _OLD).mkdir(exist_ok=True)
            _settle(working, output, names, leaving, [])
            _finish(working, output, names, leaving)
        else:
            _remove(working)


def _settle(working: Path, output: Path, names: list[str], leaving: list[str], created: list[Path]) -> None:
    """Move what is committed to its place; may be done again from any point of it."""
    for number, name in enumerate(names):
        source, target = working / _NEW / name, output / name
        if source.exists() or source.is_symlink():  # else it is there already
            _make(target.parent, created)
            if target.exists() or target.is_symlink():
                target.replace(working / _OLD / str(number))
            source.replace(target)
    for number, name in enumerate(leaving, start=len(names)):
        target = output / name
        if target.is_file() or target.is_symlink():
            target.replace(working / _OLD / str(number))


def _undo(working: Path, output: Path, names: list[str], leaving: list[str], created: list[Path]) -> None:
    """Put back what was before. Killed meanwhile, the next run completes the commit instead."""
    for number, name in enumerate([*names, *leaving]):
        source, target, old = working / _NEW / name, output / name, working / _OLD / str(number)
        if number < len(names) and not (source.exists() or source.is_symlink()):
            target.replace(source)
        if old.exists() or old.is_symlink():
            old.replace(target)
    (working / _COMMIT).unlink()
    for folder in reversed(created):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _finish(working: Path, output: Path, names: list[str], leaving: list[str]) -> None:
    """All is in its place: the journal has done its work. Where it cannot be removed, the next run will."""
    try:
        for folder in {(output / name).parent for name in (*names, *leaving)}:
            if folder.is_dir():
                synchronise(folder)
        for empty in {PurePosixPath(name).parent for name in leaving}:
            for above in (empty, *empty.parents):
                if above != PurePosixPath("."):
                    with contextlib.suppress(OSError):  # it holds something else
                        (output / above).rmdir()
        (working / _COMMIT).unlink()
    except OSError:
        return
    _remove(working)


def _is_marked(working: Path) -> bool:
    return (working / MARK).is_file()


def _remove(working: Path) -> None:
    """All of a marked folder, the mark last: killed in between, the next run still knows whose it is."""
    with contextlib.suppress(OSError):
        for path in working.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != MARK:
                path.unlink()
    shutil.rmtree(working, ignore_errors=True)


def _record(path: Path, output: Path) -> tuple[list[str], list[str]] | None:
    """What was committed; None where nothing was."""
    try:
        record = json.loads(path.read_text("utf-8"))
        names, leaving = ([str(name) for name in record[key]] for key in ("files", "gone"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if all(_ours(PurePosixPath(name), output) for name in (*names, *leaving)):
        return names, leaving
    return None  # not of this program's making


def _ours(path: PurePosixPath, output: Path) -> bool:
    """Whether a name stays within the folder."""
    if path.is_absolute() or ".." in path.parts or not path.parts or Path(path).is_absolute():
        return False
    parent = (output / path).parent
    return parent.resolve().is_relative_to(output.resolve())


def _make(folder: Path, created: list[Path]) -> None:
    missing: list[Path] = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir()
        created.append(path)
