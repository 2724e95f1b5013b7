"""Move several files into a folder atomically: after any interruption it holds all old or all new files.

    .anomaly-detection-unfinished-XXXX/   a run's own folder in that of the results
        anomaly-detection.mark            marks the folder as this program's; unmarked folders are never removed
        new/                what it writes
        commit.json         which files move where; once it exists (one rename), the new files count
        old/                the replaced files, until all new ones are in place

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

from .atomic_file import atomic_file, synchronise

PREFIX = ".anomaly-detection-unfinished-"
MARK = "anomaly-detection.mark"
_FOR_PEOPLE = "AnomalyDetection made this folder, and removes it.\n"
_NEW, _OLD, _COMMIT = "new", "old", "commit.json"

Move = tuple[PurePosixPath, PurePosixPath]
"""Of a file: from where, and to where, in the folder of the results."""


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


def commit(new: Path, output: Path, obsolete: Iterable[PurePosixPath] = ()) -> None:
    """Move all files of a folder from `begin` into `output`, replacing files of the same name.

    `obsolete` files, relative to `output`, are removed with the same commit; what is written anew stays. OSError: a file
    cannot be moved; everything is restored.
    """
    working = new.parent
    own, old = PurePosixPath(working.name, _NEW), PurePosixPath(working.name, _OLD)
    written = (path for path in new.rglob("*") if not path.is_dir())
    names = sorted(PurePosixPath(path.relative_to(new).as_posix()) for path in written)
    moves: list[Move] = []
    for name in names:
        if (output / name).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(output / name))
        if os.path.lexists(output / name):
            moves.append((name, old / str(len(moves))))
        moves.append((own / name, name))
    for name in sorted({*obsolete} - {*names}):
        if _ours(name, output) and ((output / name).is_file() or (output / name).is_symlink()):
            moves.append((name, old / str(len(moves))))
    made = {folder for name in names for folder in (output / name).parents if not folder.exists()}
    (working / _OLD).mkdir()
    for path in (*new.rglob("*"), new, working / MARK, working):
        synchronise(path)
    with atomic_file(working / _COMMIT) as partial:
        partial.write_text(json.dumps(moves, default=str), encoding="utf-8")
    synchronise(output)
    try:
        _settle(moves, output)
    except BaseException:
        # Put back what was before. Killed meanwhile, the next run completes the commit instead.
        _settle([(target, source) for source, target in reversed(moves)], output)
        _withdraw(working)
        for folder in sorted(made, reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    _finish(working, output, moves)


def discard(new: Path) -> None:
    """Remove what a run wrote; without effect after its commit."""
    if not (new.parent / _COMMIT).exists() and _is_marked(new.parent):
        _remove(new.parent)


def recover(output: Path) -> None:
    """Complete the commits of killed runs and remove the remains of uncommitted ones; OSError if a file cannot be moved."""
    for working in sorted(output.glob(f"{PREFIX}*")):
        if working.is_symlink() or not working.is_dir():
            continue
        if not _is_marked(working):
            with contextlib.suppress(OSError):  # empty, its maker was killed before it could mark it
                working.rmdir()
            continue
        moves = _committed(working, output)
        if moves is None:
            _remove(working)
            continue
        _settle(moves, output)
        _finish(working, output, moves)


def _settle(moves: Iterable[Move], output: Path) -> None:
    """Carry out the moves; may be repeated from any point, and reversed."""
    for source, target in ((output / source, output / target) for source, target in moves):
        if os.path.lexists(source) and not os.path.lexists(target):  # else it is done already
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)


def _finish(working: Path, output: Path, moves: Iterable[Move]) -> None:
    """Remove the journal after all moves; if that fails, the next run removes it."""
    try:
        for folder in {(output / path).parent for move in moves for path in move}:
            if folder.is_dir():
                synchronise(folder)
        for above in (above for source, _ in moves for above in source.parents[:-1]):
            with contextlib.suppress(OSError):  # it holds something else
                (output / above).rmdir()
        _withdraw(working)
    except OSError:
        return
    _remove(working)


def _withdraw(working: Path) -> None:
    """End a commit before the old files are removed: repeated without them, it would move the new files away."""
    (working / _COMMIT).unlink()
    synchronise(working)


def _is_marked(working: Path) -> bool:
    return (working / MARK).is_file()


def _remove(working: Path) -> None:
    """Remove a marked folder, the mark last, so that a killed removal can be finished by the next run."""
    with contextlib.suppress(OSError):
        for path in working.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != MARK:
                path.unlink()
    shutil.rmtree(working, ignore_errors=True)


def _committed(working: Path, output: Path) -> list[Move] | None:
    """The moves that were committed; None where none were, or they are not of this program's making."""
    try:
        record = json.loads((working / _COMMIT).read_text("utf-8"))
        moves = [(PurePosixPath(source), PurePosixPath(target)) for source, target in record]
    except (OSError, ValueError, TypeError):
        return None
    return moves if all(_ours(path, output) for move in moves for path in move) else None


def _ours(path: PurePosixPath, output: Path) -> bool:
    """Whether a name stays within the folder."""
    if path.is_absolute() or ".." in path.parts or not path.parts or Path(path).is_absolute():
        return False
    parent = (output / path).parent
    return parent.resolve().is_relative_to(output.resolve())
