"""Two result folders of one patient are compared."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.file_hash import sha256_of
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.reporting.result_comparison import compare_folders
from made_result_folder import result_folder


def test_flairs_with_voxels_that_are_not_numbers_can_be_compared(tmp_path):
    folders = [result_folder(tmp_path / name / "results") for name in ("earlier", "later")]
    for folder in folders:
        record = json.loads((folder / "findings.json").read_text("utf-8"))
        flair = sitk.ReadImage(record["inputs"]["flair"]["path"])
        values = sitk.GetArrayFromImage(flair)
        values[values == 0] = np.nan
        path = folder.parent / "FLAIR.nrrd"  # of NIfTI files ITK reads 0 in place of them
        sitk.WriteImage(Grid.of(flair).image(values), str(path))
        record["inputs"]["flair"] |= {"path": str(path), "sha256": sha256_of(path)}
        (folder / "findings.json").write_text(json.dumps(record), "utf-8")
    assert {change.status for change in compare_folders(*folders).changes} == {"known"}


def test_a_flair_that_is_gone_is_said_with_its_result_and_what_helps(tmp_path):
    earlier, later = (result_folder(tmp_path / name / "results") for name in ("earlier", "later"))
    flair = Path(json.loads((earlier / "findings.json").read_text("utf-8"))["inputs"]["flair"]["path"])
    away = flair.rename(tmp_path / flair.name)
    with pytest.raises(
        InputError, match=f"result in {re.escape(str(earlier))} was made from .* beside the result"
    ):
        compare_folders(earlier, later)
    away.rename(earlier / flair.name)
    assert compare_folders(earlier, later).changes
