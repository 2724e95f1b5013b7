"""Output that is there completely or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.writing import atomic_folder, write_image


def test_files_appear_at_the_end_and_unrelated_ones_stay(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_or_an_interrupt_leaves_nothing_behind(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    def fail() -> None:
        with atomic_folder(tmp_path / "new" / "deep") as folder:
            (folder / "half.csv").write_text("half")
            raise failure

    with pytest.raises(failure):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot be written"), atomic_folder(output):
            pass


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable to root")
def test_a_folder_without_permission_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"), atomic_folder(tmp_path / "out"):
        pass
    tmp_path.chmod(0o700)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    def fill() -> None:
        with atomic_folder(tmp_path / "out") as folder:
            (folder / "half.csv").write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(InputError, match=r"disk .* is full"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.ones((5, 5, 5), np.float32))
    write_image(image, tmp_path / "a.nii.gz")
    assert (tmp_path / "a.nii.gz").exists()
    with pytest.raises(OSError, match="absent"):
        write_image(image, tmp_path / "absent" / "a.nii.gz")
