"""Masks of real lesions that lend painted ones their shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from anomaly_research.training.context_command import read_masks
from AnomalyDetectionLib.errors import InputError


def a_mask(path: Path, size: int) -> None:
    voxels = np.zeros((20, 20, 20), np.uint8)
    voxels[4 : 4 + size, 4:14, 4:14] = 1
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(path))


def test_a_mask_that_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    for k in (1, 3):
        a_mask(tmp_path / f"{k}.nii.gz", 3)
    (tmp_path / "2.nii.gz").write_text("no mask")
    outlines, unusable = read_masks(tmp_path)
    assert len(outlines) == 2
    assert [mask.subject for mask in unusable] == ["2.nii.gz"]
    assert "2.nii.gz" in unusable[0].reason


def test_a_folder_without_any_mask_that_can_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no masks"):
        read_masks(tmp_path)
    (tmp_path / "2.nii.gz").write_text("no mask")
    with pytest.raises(InputError, match=r"holds no mask that can be used; the first: .*2\.nii\.gz"):
        read_masks(tmp_path)
