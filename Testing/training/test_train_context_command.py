"""`train-context` as one types it, on scans small enough for seconds, and the masks that lend lesions their shapes."""

import numpy as np
import pytest
import SimpleITK as sitk
from anomaly_research.training import context_command
from anomaly_research.training.context_command import read_masks
from AnomalyDetectionLib.calibration.scan_file import write_scans
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model.context_model import ContextModel
from AnomalyDetectionLib.model.model_file import load_model
from conftest import run_command
from made_training import a_scan


@pytest.fixture(scope="module")
def scan_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("scans") / "scans.npz"
    scans = [a_scan("A", 0), a_scan("B", 2)]
    write_scans(scans, path, PreparationSettings(scaling="modes"), "made for a test")
    return path


def arguments(scan_file, output, *more):
    return (
        "train-context", "--scans", scan_file, "--output", output, "--held-out", "B", "--widths", "8,8", "--steps", 40,
        "--batch-size", 2, "--painted-scans", 3, "--progress", "none", *more,
    )  # fmt: skip


def train(scan_file, output, *more):
    return run_command(*arguments(scan_file, output, *more), output=output)


@pytest.mark.slow
def test_both_networks_are_trained_and_the_card_says_how_and_on_whom(scan_file, tmp_path):
    run = train(
        scan_file, tmp_path, "--paint", "gliosis", "--paint", "itself", "--no-mining", "--name", "tiny"
    )
    assert run.code == 0, run.stderr
    assert "Trained on 80 slices" in run.stdout
    model = load_model(str(tmp_path / "tiny.safetensors"))
    assert isinstance(model, ContextModel)
    assert model.false_positive_curve is not None
    trained = model.card["trained on"]
    assert (trained["scans"], trained["held out for calibration"]) == (["A0"], ["B"])
    assert trained["painted scans of the second look"] == 3
    assert trained["painted scans of its calibration"] == 1
    settings = model.card["training settings"]
    assert settings["kinds"] == ["gliosis", "itself"]
    assert settings["mined_at"] == []


@pytest.mark.slow
def test_a_training_is_not_lost_where_the_calibration_scans_have_no_findings(
    scan_file, tmp_path, call, monkeypatch
):
    def nothing_found(*_):
        raise InputError("The normal scans have no finding at any threshold.")

    monkeypatch.setattr(context_command, "false_positive_curve", nothing_found)
    code, _, stderr = call(
        *arguments(scan_file, tmp_path, "--paint", "gliosis", "--no-mining", "--name", "tiny")
    )
    assert code == 2
    assert "have no finding" in stderr
    assert load_model(str(tmp_path / "tiny.safetensors")).false_positive_curve is None


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--paint", "tumour", "'tumour' is not one of"), ("--widths", "0,8", "0,8 is no list"), ("--widths", "8", "2 to 6")],
)  # fmt: skip
def test_what_cannot_be_painted_or_built_is_refused(scan_file, tmp_path, option, value, said):
    run = train(scan_file, tmp_path, option, value)
    assert run.code == 2
    assert said in run.stderr
    assert not list(tmp_path.iterdir())


def a_mask(path, size):
    voxels = np.zeros((20, 20, 20), np.uint8)
    voxels[4 : 4 + size, 4:14, 4:14] = 1
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(path))


def test_a_mask_that_cannot_be_read_is_left_out_and_named(tmp_path):
    for k in (1, 3):
        a_mask(tmp_path / f"{k}.nii.gz", 3)
    (tmp_path / "2.nii.gz").write_text("no mask")
    outlines, unusable = read_masks(tmp_path)
    assert len(outlines) == 2
    assert [mask.subject for mask in unusable] == ["2.nii.gz"]
    assert "2.nii.gz" in unusable[0].reason


def test_a_folder_without_any_mask_that_can_be_read_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no masks"):
        read_masks(tmp_path)
    (tmp_path / "2.nii.gz").write_text("no mask")
    with pytest.raises(InputError, match=r"holds no mask that can be used; the first: .*2\.nii\.gz"):
        read_masks(tmp_path)
