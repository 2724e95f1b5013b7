"""Output that is there completely or not at all."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from anomaly_research.simulation.simulated_patient import SimulatedPatient, write_patient
from AnomalyDetectionLib.detection.findings import Findings
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.atomic_folder import atomic_folder
from AnomalyDetectionLib.imaging.write_image import write_image
from AnomalyDetectionLib.reporting.tables import write_json
from test_killed_writing import contents


def test_files_appear_at_the_end_and_unrelated_ones_stay(tmp_path):
    output = tmp_path / "résultats 结果" / "run 1"
    output.mkdir(parents=True)
    (output / "notes.txt").write_text("mine")
    (output / "old.csv").write_text("old")
    with atomic_folder(output) as folder:
        (folder / "old.csv").write_text("new")
        (folder / "pictures").mkdir()
        (folder / "pictures" / "a.png").write_text("picture")
        assert (output / "old.csv").read_text() == "old"
    assert (output / "notes.txt").read_text() == "mine"
    assert (output / "old.csv").read_text() == "new"
    assert sorted(path.name for path in output.iterdir()) == ["notes.txt", "old.csv", "pictures"]


@pytest.mark.parametrize(
    ("failure", "raised", "said"),
    [
        (ValueError("no"), ValueError, "no"),
        (KeyboardInterrupt("stop"), KeyboardInterrupt, "stop"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), InputError, r"disk .* is full"),
    ],
    ids=["failure", "interrupt", "full disk"],
)
def test_a_failure_an_interrupt_or_a_full_disk_leaves_nothing_behind(tmp_path, failure, raised, said):
    def fail():
        with atomic_folder(tmp_path / "new" / "deep") as folder:
            (folder / "half.csv").write_text("half")
            raise failure

    with pytest.raises(raised, match=said):
        fail()
    assert list(tmp_path.iterdir()) == []


def replace_all(output: Path, names: tuple[str, ...] = ("a.csv", "b.csv", "z/new.csv")) -> None:
    with atomic_folder(output) as folder:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("new")


def test_a_file_that_cannot_be_replaced_leaves_the_others_as_they_were(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    (tmp_path / "b.csv" / "mine").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written"):
        replace_all(tmp_path)
    assert contents(tmp_path) == {"a.csv": "old"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]
    assert (tmp_path / "b.csv" / "mine").is_dir()


@pytest.mark.parametrize("failing", range(1, 6))
def test_a_move_that_fails_half_way_is_undone(tmp_path, failing, monkeypatch):
    before = {"a.csv": "old", "b.csv": "old", "c.csv": "mine"}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    rename, calls = Path.replace, []

    def fail_once(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) == failing:
            raise OSError(errno.EIO, "no", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", fail_once)
    with pytest.raises(InputError, match="cannot be written"):
        replace_all(tmp_path)
    assert contents(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("locked", ["a.csv", "b.csv"])
def test_a_file_that_is_open_in_another_program_is_named(tmp_path, locked, monkeypatch):
    """Windows refuses to move it."""
    before = {"a.csv": "old", "b.csv": "old"}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    rename = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if path == tmp_path / locked:
            raise PermissionError(errno.EACCES, "used by another process", str(path), None, str(target))
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError) as said:
        replace_all(tmp_path)
    assert str(said.value).startswith(
        f"{tmp_path / locked} cannot be replaced (used by another process): close it"
    )
    assert contents(tmp_path) == before


@pytest.mark.parametrize("at", [1, 3, 4])
def test_an_interrupt_during_the_move_waits_for_its_end(tmp_path, at, monkeypatch):
    (tmp_path / "a.csv").write_text("old")
    rename, calls = Path.replace, []

    def interrupted(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) == at:
            signal.raise_signal(signal.SIGINT)
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_all(tmp_path)
    assert contents(tmp_path) == dict.fromkeys(("a.csv", "b.csv", "z/new.csv"), "new")
    assert len(list(tmp_path.iterdir())) == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_can_write_results(tmp_path):
    worker = threading.Thread(target=replace_all, args=(tmp_path,))
    worker.start()
    worker.join()
    assert len(contents(tmp_path)) == 3


def test_an_error_about_another_file_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(FileNotFoundError, match="font"), atomic_folder(tmp_path / "out"):
        (tmp_path / "font.ttf").read_bytes()
    with pytest.raises(InputError, match="cannot be written"), atomic_folder(tmp_path / "out") as folder:
        (folder / "absent" / "a.csv").write_text("")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot be written"), atomic_folder(output):
            pass


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is unwritable to root")
def test_a_folder_without_permission_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"), atomic_folder(tmp_path / "out"):
        pass
    tmp_path.chmod(0o700)


def test_an_image_that_cannot_be_written_says_so(tmp_path):
    image = sitk.GetImageFromArray(np.ones((5, 5, 5), np.float32))
    write_image(image, tmp_path / "a.nii.gz")
    assert (tmp_path / "a.nii.gz").exists()
    with pytest.raises(OSError, match="absent"):
        write_image(image, tmp_path / "absent" / "a.nii.gz")


def test_a_name_that_is_no_text_can_be_recorded(tmp_path):
    nothing = Findings((), sitk.Image(4, 4, 4, sitk.sitkUInt16), 3.0, 2)
    write_json(nothing, {"t1": {"path": "\udce9tude 头"}}, tmp_path / "findings.json")
    record = json.loads((tmp_path / "findings.json").read_text("utf-8"))
    assert record["t1"]["path"] == "\udce9tude 头"


def test_a_simulated_patient_on_a_full_disk_is_an_error(tmp_path):
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0).integers(0, 4000, (20, 40, 40)).astype(np.uint16)
    image = sitk.GetImageFromArray(noise)
    patient = SimulatedPatient(image, image, image, image, image, (), 0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))  # to the writer, like a disk that is full
    try:
        with pytest.raises(OSError, match=r"t1\.nii\.gz"):
            write_patient(patient, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
