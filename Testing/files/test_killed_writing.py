"""What is left of results when their writer is killed, the disk is full, or somebody else writes, at any moment."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import killing
import pytest
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files import atomic_file as whole_file_module
from AnomalyDetectionLib.files.atomic_file import atomic_file
from AnomalyDetectionLib.files.atomic_folder import atomic_folder, locked_folder, recover
from AnomalyDetectionLib.files.folder_lock import LOCK
from AnomalyDetectionLib.files.journal import MARK, PREFIX

MINE = {"notes.txt": "mine", "pictures/mine.png": "mine"}
OLD = {**MINE, **dict.fromkeys(("a.csv", "b.csv", "pictures/1.png", "score_map/x.nrrd"), "old")}
NEW = {**MINE, **dict.fromkeys(("a.csv", "b.csv", "z/new.csv", "pictures/1.png"), "new")}
GONE = tuple(PurePosixPath(name) for name in OLD if name not in MINE)


def old_result(folder: Path) -> Path:
    for name, text in OLD.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def write_new(output: Path) -> None:
    with atomic_folder(output, GONE) as folder:
        for name, text in NEW.items():
            if text == "new":
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def each_step(tmp_path: Path, work: Callable[[Path], object], **how: bool) -> list[tuple[Path, int]]:
    """The folder that each way of dying leaves, and the exit code; the last one lives to the end."""
    left = []
    for number in range(1, 300):
        folder = old_result(tmp_path / str(number))
        code = killing.at_step(number, lambda folder=folder: work(folder), **how)
        left.append((folder, code))
        if code == killing.DONE and not how:
            return left
        if [end for _, end in left[-4:]] == [killing.DONE] * 4:
            return left
    raise AssertionError("it never ends")


def test_killed_at_any_step_the_next_command_finds_the_old_result_or_the_new(tmp_path):
    left = each_step(tmp_path, write_new)
    found = []
    for folder, _ in left:
        recover(folder)
        found.append(contents(folder))
    assert all(one in (OLD, NEW) for one in found), found
    assert found[0] == OLD
    assert found[-1] == NEW
    assert found.count(OLD) > 5
    assert found.count(NEW) > 5
    assert sorted(found, key=lambda one: one == NEW) == found, (
        "there is one moment from which on it is the new"
    )
    assert len(left) > 30
    for folder, _ in left:
        assert not [path for path in folder.iterdir() if path.name.startswith(".")]
        assert (folder / "score_map").exists() == (contents(folder) == OLD)


@pytest.mark.slow
def test_killed_while_it_is_put_in_order_it_is_put_in_order_again(tmp_path):
    left = each_step(tmp_path, write_new)
    committed = [folder for folder, _ in left if list(folder.glob(f"{PREFIX}*/commit.json"))]
    folder = committed[1]  # all of the work is still to be done
    for number in range(1, 200):
        again = tmp_path / f"again-{number}"
        subprocess.run(["cp", "-r", str(folder), str(again)], check=True)
        code = killing.at_step(number, lambda again=again: recover(again))
        recover(again)
        assert contents(again) == NEW
        if code == killing.DONE:
            break
    assert number > 15


@pytest.mark.parametrize("lasting", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_disk_that_is_full_at_any_step_leaves_the_old_result_or_the_new(tmp_path, lasting):
    found = []
    for folder, code in each_step(tmp_path, write_new, full_disk=True, lasting=lasting):
        assert code in (killing.REFUSED, killing.DONE)
        if lasting:  # not even what was begun could be undone
            recover(folder)
        now = contents(folder)
        assert now in (OLD, NEW)
        assert lasting or (now == NEW) == (code == killing.DONE)
        assert not [path for path in folder.iterdir() if path.name.startswith(".")]
        found.append(code)
    assert killing.REFUSED in found
    assert found[-1] == killing.DONE


def test_all_bytes_are_on_the_disk_before_they_count(tmp_path, monkeypatch):
    output, synchronised, at_commit = old_result(tmp_path), set(), []
    fsync, replace = os.fsync, Path.replace

    def note(handle: int) -> None:
        synchronised.add(os.fstat(handle).st_ino)
        fsync(handle)

    def watch(path: Path, target: Path) -> Path:
        if Path(target).name == "commit.json":
            at_commit.extend(
                p for p in path.parent.rglob("*") if p.is_file() and p.stat().st_ino not in synchronised
            )
        return replace(path, target)

    monkeypatch.setattr(whole_file_module.os, "fsync", note)
    monkeypatch.setattr(Path, "replace", watch)
    write_new(output)
    assert contents(output) == NEW
    assert len(synchronised) > 5
    assert at_commit == []


def test_a_commit_has_surely_ended_before_what_it_replaced_is_removed(tmp_path, monkeypatch):
    """After a power cut it would be done again, and take the new files for old ones."""
    output, events = old_result(tmp_path), []
    fsync, unlink, rmdir = os.fsync, Path.unlink, shutil.rmtree

    def note(handle: int) -> None:
        here = list(output.glob(f"{PREFIX}*"))
        events.extend("on the disk" for path in here if path.stat().st_ino == os.fstat(handle).st_ino)
        fsync(handle)

    def gone(path: Path, **how: bool) -> None:
        events.extend(["ended"] if path.name == "commit.json" else [])
        unlink(path, **how)

    def removed(path: Path, **how: bool) -> None:
        events.append("removed")
        rmdir(path, **how)

    monkeypatch.setattr(whole_file_module.os, "fsync", note)
    monkeypatch.setattr(Path, "unlink", gone)
    monkeypatch.setattr(shutil, "rmtree", removed)
    write_new(output)
    assert events[events.index("ended") :][:3] == ["ended", "on the disk", "removed"]


def test_a_journal_that_leads_outside_the_folder_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("keep")
    output = old_result(tmp_path / "out")
    hostile = output / f"{PREFIX}x"
    beside = f"{PREFIX}x/old/0"
    outside = ["../secret", beside], [str(tmp_path / "secret"), beside]
    for move in (*outside, ["notes.txt", "../notes.txt"], ["notes.txt"]):
        (hostile / "new").mkdir(parents=True, exist_ok=True)
        (hostile / MARK).touch()
        (hostile / "commit.json").write_text(json.dumps([move]))
        recover(output)
        assert (tmp_path / "secret").read_text() == "keep"
        assert contents(output) == OLD


@pytest.mark.parametrize("name", [".unfinished-novel", f"{PREFIX}novel", f"{PREFIX}novel/new"])
@pytest.mark.parametrize("work", [recover, write_new], ids=["reading", "writing"])
def test_a_folder_of_the_users_own_stays_whatever_it_is_called(tmp_path, name, work):
    mine = tmp_path / name
    mine.mkdir(parents=True)
    (mine / "chapter 1.txt").write_text("mine")
    (mine / "commit.json").write_text('[["notes.txt", "elsewhere.txt"]]')
    (tmp_path / "notes.txt").write_text("mine")
    work(tmp_path)
    assert (mine / "chapter 1.txt").read_text() == "mine"
    assert (mine / "commit.json").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_what_belongs_to_an_earlier_result_goes_only_where_it_lies_in_the_folder(tmp_path):
    (tmp_path / "secret").write_text("keep")
    output = old_result(tmp_path / "out")
    with atomic_folder(output, [PurePosixPath("../secret"), PurePosixPath(tmp_path / "secret")]) as folder:
        (folder / "a.csv").write_text("new")
    assert (tmp_path / "secret").read_text() == "keep"


def test_a_second_run_into_the_same_folder_is_refused_at_once(tmp_path):
    output = tmp_path / "out"
    holds = "import sys; from pathlib import Path; from AnomalyDetectionLib.files.atomic_folder import locked_folder\n"
    holds += "with locked_folder(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    other = subprocess.Popen([sys.executable, "-c", holds, str(output)], **pipes)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="Another run is writing into the folder"), locked_folder(output):
            pass
        with pytest.raises(InputError, match="Another run"), atomic_folder(output):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert (output / LOCK).exists()  # what is left of it is no obstacle
        write_new(output)
    finally:
        other.kill()
        other.communicate()
    assert set(contents(output).values()) == {"new"}
    assert not (output / LOCK).exists()


def test_a_thread_may_reserve_a_folder_twice_and_another_may_not(tmp_path):
    with locked_folder(tmp_path), ThreadPoolExecutor() as other:
        write_new(tmp_path)
        assert isinstance(other.submit(write_new, tmp_path).exception(), InputError)
        assert (tmp_path / LOCK).exists()
    assert not (tmp_path / LOCK).exists()


def test_a_folder_that_was_only_reserved_is_not_left_behind(tmp_path):
    with locked_folder(tmp_path / "new" / "deep"):
        assert (tmp_path / "new" / "deep").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_single_file_is_the_old_or_the_new_at_any_step(tmp_path):
    def write(path: Path) -> None:
        with atomic_file(path) as partial:
            partial.write_text("new")

    for number in range(1, 50):
        path = tmp_path / f"{number}.txt"
        path.write_text("old")
        code = killing.at_step(number, lambda path=path: write(path))
        assert path.read_text() in ("old", "new")
        write(path)  # the next one removes what was left
        assert path.read_text() == "new"
        if code == killing.DONE:
            break
    assert number > 3
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_drive_without_locks_is_written_to_but_nothing_of_others_is_removed(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unknown)
    others = tmp_path / f"{PREFIX}of-another-run"
    others.mkdir()
    write_new(tmp_path)
    assert others.exists()
    assert (tmp_path / "a.csv").read_text() == "new"
