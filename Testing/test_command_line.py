"""The command as people and programs use it: what it writes, and what it says when it cannot."""

from __future__ import annotations

import csv
import errno
import json
import platform
import re
import signal
import struct
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from AnomalyDetectionLib import cli
from AnomalyDetectionLib.grid import Grid
from conftest import SAMPLE, run_command
from synthetic_study import FLAIR_GRID, ellipsoid

OUTPUTS = {
    "anomaly_score.nii.gz",
    "suspected_anomalies.nii.gz",
    "suspected_anomalies.seg.nrrd",
    "findings.csv",
    "findings.json",
    "report.html",
    "overlay.png",
}


OUTPUTS_OF_PAPER = OUTPUTS | {"nearest_normal.png"}
"""Of the bundled model that holds normal tissue to compare findings with."""


@pytest.fixture
def scans(tmp_path):
    """Paths of an acceptable T1 and FLAIR, in a folder with a difficult name."""
    folder = tmp_path / "scans é 扫描"
    folder.mkdir()
    rng = np.random.default_rng(3)
    brain = ellipsoid(FLAIR_GRID)
    for name, level in (("T1", 300.0), ("FLAIR", 200.0)):
        array = np.where(brain, level, 5) + rng.normal(0, 10, brain.shape)
        sitk.WriteImage(FLAIR_GRID.image(array.astype(np.float32)), str(folder / f"{name}.nii.gz"))
    return folder / "T1.nii.gz", folder / "FLAIR.nii.gz"


@pytest.fixture
def command(tmp_path, scans, a_random_model, capfd):
    """Runs `detect` in this process, with any option changed; gives exit code, stdout, stderr."""

    def run(**changes):
        t1, flair = scans
        options = {
            "t1": t1,
            "flair": flair,
            "output": tmp_path / "results",
            "model": a_random_model,
            "progress": "none",
        }
        options |= changes
        arguments = ["detect"]
        for name, value in options.items():
            if value is not None:
                arguments += [f"--{name.replace('_', '-')}", str(value)]
        before = {
            number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        try:
            with pytest.raises(SystemExit) as left:
                cli.main(arguments)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        captured = capfd.readouterr()
        return left.value.code, captured.out, captured.err

    return run


def array_file(path, array):
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    return path


def truncated(path, source):
    path.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    return path


BAD_IMAGES = {
    "missing": (lambda folder, good: folder / "nowhere.nii.gz", "does not exist"),
    "not an image": (lambda folder, good: _text(folder / "notes.nii.gz"), ""),
    "truncated": (lambda folder, good: truncated(folder / "half.nii.gz", good), ""),
    "empty file": (lambda folder, good: _text(folder / "empty.nii.gz", ""), ""),
    "all zeros": (
        lambda folder, good: array_file(folder / "zero.nii.gz", np.zeros((9, 40, 40), np.float32)),
        "0",
    ),
    "NaN": (lambda folder, good: array_file(folder / "nan.nii.gz", _all(np.nan)), "NaN"),
    "single slice": (lambda folder, good: array_file(folder / "slice.nii.gz", _noise((1, 40, 40))), "slice"),
    "infinite": (lambda folder, good: array_file(folder / "inf.nii.gz", _all(np.inf)), "not numbers"),
    "4D": (lambda folder, good: _four_dimensions(folder / "4d.nii.gz"), "volumes"),
    "colour": (lambda folder, good: _colour(folder / "rgb.nii.gz"), "colour"),
}


def _text(path, text="not an image"):
    path.write_text(text)
    return path


def _noise(shape):
    return np.random.default_rng(0).random(shape).astype(np.float32) + 1


def _all(value):
    return np.full((9, 40, 40), value, np.float32)


def _colour(path):
    channel = sitk.Cast(sitk.GetImageFromArray(_noise((9, 40, 40))), sitk.sitkUInt8)
    sitk.WriteImage(sitk.Compose(channel, channel, channel), str(path))
    return path


def _four_dimensions(path):
    volumes = [sitk.GetImageFromArray(_noise((6, 20, 20))) for _ in range(3)]
    sitk.WriteImage(sitk.JoinSeries(volumes), str(path))
    return path


def assert_refused(result, folder, *, mentions=""):
    """One sentence on standard error, exit code 2, nothing on standard output, nothing left behind."""
    code, out, err = result
    assert code == 2, err
    assert out == ""
    assert len(err.strip().splitlines()) == 1, err
    assert len(err) > 20
    assert "Traceback" not in err
    assert mentions in err
    left = [path.name for path in folder.iterdir() if "result" in path.name]
    assert left == []


@pytest.mark.parametrize("role", ["t1", "flair"])
@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_an_image_that_cannot_be_used_is_refused_in_one_sentence(kind, role, command, scans, tmp_path):
    make, mentions = BAD_IMAGES[kind]
    path = make(tmp_path, scans[0])
    result = command(**{role: path})
    assert_refused(result, tmp_path, mentions=mentions)
    assert str(path) in result[2]


def test_the_same_image_twice_is_refused(command, scans, tmp_path):
    assert_refused(command(t1=scans[1]), tmp_path, mentions="same")


def test_a_brain_mask_elsewhere_is_refused(command, scans, tmp_path):
    far = sitk.ReadImage(str(scans[1])) > 0
    far.SetOrigin([value + 500 for value in far.GetOrigin()])
    sitk.WriteImage(far, str(tmp_path / "far.nii.gz"))
    assert_refused(command(brain_mask=tmp_path / "far.nii.gz"), tmp_path, mentions="far.nii.gz")


def test_an_empty_brain_mask_is_refused(command, tmp_path):
    mask = tmp_path / "mask.nii.gz"
    sitk.WriteImage(FLAIR_GRID.empty_image(), str(mask))
    assert_refused(command(brain_mask=mask), tmp_path)


def test_a_random_model_that_cannot_be_used_is_refused(command, a_random_model, tmp_path):
    bad = tmp_path / "bad.safetensors"
    whole = a_random_model.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + length])
    for change in ({"format": "something else"}, {"version": "999"}):
        other = json.dumps({**header, "__metadata__": {**header["__metadata__"], **change}}).encode()
        bad.write_bytes(struct.pack("<Q", len(other)) + other + whole[8 + length :])
        assert_refused(command(model=bad), tmp_path, mentions=str(bad))
    bad.write_bytes(whole[: len(whole) // 2])
    assert_refused(command(model=bad), tmp_path, mentions=str(bad))
    bad.write_bytes(b"\x80\x04not a model")
    assert_refused(command(model=bad), tmp_path, mentions=str(bad))
    assert_refused(command(model="nosuch"), tmp_path, mentions="nosuch")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("threshold", "nan"),
        ("threshold", "-1"),
        ("threshold", "three"),
        ("percentile", "101"),
        ("min_patches", "0"),
        ("stride", "0"),
        ("statistics", "mean"),
        ("distance", "far"),
        ("device", "abacus"),
        ("progress", "loud"),
        ("t1", None),
        ("flair", None),
        ("nosuch", "1"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(option, value, command, tmp_path):
    assert_refused(command(**{option: value}), tmp_path, mentions=option.replace("_", "-"))


@pytest.mark.parametrize("reading", [{"statistics": "tissue"}, {"distance": "mahalanobis"}])
def test_a_reading_that_the_model_lacks_statistics_for_is_refused(reading, command, tmp_path):
    assert_refused(command(**reading), tmp_path, mentions="models add-statistics")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_refused(command, tmp_path):
    assert_refused(command(device="cuda"), tmp_path, mentions="cuda")


def test_an_output_that_cannot_be_a_folder_is_refused_before_any_work(command, tmp_path):
    occupied = _text(tmp_path / "occupied")
    for output in (occupied, occupied / "below"):
        assert_refused(command(output=output), tmp_path, mentions="occupied")
    assert occupied.read_text() == "not an image"


def test_what_went_wrong_inside_is_one_sentence_and_a_report_only_with_debug(command, monkeypatch, tmp_path):
    def break_down(*_args, **_options):
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr("AnomalyDetectionLib.detection.pipeline.read_study", break_down)
    code, out, err = command()
    assert code == 1
    assert out == ""
    assert err.startswith("Something went wrong inside")
    assert len(err.strip().splitlines()) == 1
    code, _, err = command_with_debug(tmp_path)
    assert code == 2
    assert "Traceback" in err


def test_a_program_that_runs_it_gets_the_traceback_into_its_log(command, monkeypatch):
    def break_down(*_args, **_options):
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr("AnomalyDetectionLib.detection.pipeline.read_study", break_down)
    code, out, err = command(progress="json")
    assert code == 1
    assert "in break_down" in err
    assert "ZeroDivisionError: deep inside" in err
    assert json.loads(out.splitlines()[-1])["message"].startswith("Something went wrong inside")


def command_with_debug(folder):
    done = run_command(
        "detect", "--t1", "no", "--flair", "no", "--output", folder / "o", "--debug", output=folder
    )
    return done.code, done.stdout, done.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said(number, command, monkeypatch, tmp_path):
    def full(*_args, **_options):
        raise OSError(number, "No space left on device")

    monkeypatch.setattr("AnomalyDetectionLib.detection.pipeline.read_study", full)
    assert_refused(command(), tmp_path, mentions="disk is full")


def test_help_names_every_option():
    done = run_command("detect", "--help", output=None)
    assert done.code == 0
    for option in ("t1", "flair", "output", "brain-mask", "model", "device", "threshold", "percentile"):
        assert f"--{option}" in done.stdout
    for option in ("min-patches", "progress", "t1-series", "flair-series", "stride", "no-registration"):
        assert f"--{option}" in done.stdout
    for option in ("statistics", "distance"):
        assert f"--{option}" in done.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from AnomalyDetectionLib import cli\n"
        "try: cli.main(['detect', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'SimpleITK', 'numpy', 'matplotlib', 'deepbet', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_a_command_the_help_is_shown(capfd):
    with pytest.raises(SystemExit) as left:
        cli.main([])
    assert left.value.code == 0
    assert "detect" in capfd.readouterr().out


# --- the whole way, on the built-in sample ---


def test_the_sample_runs_through_and_leaves_exactly_the_promised_files(sample_run):
    assert sample_run.code == 0, sample_run.stderr
    left = {path.name for path in sample_run.output.iterdir()}
    assert left == OUTPUTS_OF_PAPER | {"score_map"}  # which was asked for
    left = [path for path in sample_run.output.parent.iterdir() if path != sample_run.output]
    assert left == []


def test_the_default_model_leaves_what_was_promised_and_announces_nothing_else(default_run):
    assert default_run.code == 0, default_run.stderr
    assert {path.name for path in default_run.output.iterdir()} == OUTPUTS
    record = json.loads((default_run.output / "findings.json").read_text("utf-8"))
    assert record["model"]["name"] == "context"
    assert record["missing"] == []
    said = [line for line in map(json.loads, default_run.stdout.splitlines()) if line["stage"] == "writing"]
    assert [line["message"] for line in said] == [
        "Writing the results",
        "Writing the overview picture",
        "Writing the report",
    ]


def test_devices_are_said_for_programs_one_json_object_a_line(tmp_path):
    lines = run_command("devices", output=tmp_path).stdout.splitlines()
    devices = [json.loads(line) for line in lines]
    assert devices[-1]["device"] == "cpu"
    assert "threads" in devices[-1]["name"]


def test_progress_as_json_is_one_object_a_line_and_nothing_else(sample_run):
    lines = [json.loads(line) for line in sample_run.stdout.splitlines()]
    assert all(set(line) == {"stage", "fraction", "message"} for line in lines)
    fractions = [line["fraction"] for line in lines]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert lines[-1]["stage"] == "done"
    stages = list(dict.fromkeys(line["stage"] for line in lines))
    assert stages[0] == "reading"
    assert stages[-3:] == ["findings", "writing", "done"]


def test_images_lie_on_the_flairs_own_grid_and_table_and_labels_agree(sample_run):
    flair = sitk.ReadImage(str(SAMPLE / "simulated_FLAIR.nii.gz"))
    images = {
        name: sitk.ReadImage(str(sample_run.output / name))
        for name in ("anomaly_score.nii.gz", "suspected_anomalies.nii.gz", "suspected_anomalies.seg.nrrd")
    }
    expected = Grid.of(flair)
    for image in images.values():
        grid = Grid.of(image)
        assert grid.size == expected.size
        for field in ("spacing", "origin", "direction"):
            np.testing.assert_allclose(getattr(grid, field), getattr(expected, field), atol=1e-4)
    assert images["anomaly_score.nii.gz"].GetPixelID() == sitk.sitkFloat32
    assert images["suspected_anomalies.nii.gz"].GetPixelID() == sitk.sitkUInt16
    labels = sitk.GetArrayFromImage(images["suspected_anomalies.nii.gz"])
    np.testing.assert_array_equal(labels, sitk.GetArrayFromImage(images["suspected_anomalies.seg.nrrd"]))
    with (sample_run.output / "findings.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == list(range(1, labels.max() + 1))
    for row in rows:
        volume = np.count_nonzero(labels == int(row["number"])) * expected.voxel_ml
        assert float(row["volume_ml"]) == pytest.approx(volume, abs=6e-4)


def test_the_record_says_where_the_result_comes_from(sample_run):
    record = json.loads((sample_run.output / "findings.json").read_text("utf-8"))
    assert "Research use only" in record["notice"]
    assert len(record["model"]["sha256"]) == 64
    assert record["device"] == "cpu"
    for role in ("t1", "flair"):
        assert len(record["inputs"][role]["sha256"]) == 64
        assert record["inputs"][role]["path"].endswith(".nii.gz")
    assert {"AnomalyDetection", "python", "torch", "SimpleITK", "numpy"} <= set(record["versions"])
    for package in ("scipy", "deepbet", "pydicom", "highdicom"):
        assert record["versions"][package] == metadata.version(package)
    assert record["platform"] == platform.platform()
    assert record["missing"] == []
    assert record["alignment"]["registered"] is False
    assert record["settings"]["scoring"]["threshold"] == record["threshold"]
    assert record["count"] == len(record["findings"])
    assert {"reading", "brain mask", "scoring", "findings", "writing"} <= set(record["run"]["seconds"])


def test_the_same_command_gives_the_same_result(sample_run, tmp_path):
    again = tmp_path / "again"
    arguments = ["--t1", SAMPLE / "simulated_T1.nii.gz", "--flair", SAMPLE / "simulated_FLAIR.nii.gz"]
    arguments += ["--model", "paper", "--device", "cpu"]
    done = run_command("detect", *arguments, "--output", again, output=again)
    assert done.code == 0, done.stderr
    assert done.stdout.count("results are in") == 1
    assert str(again) in done.stdout
    assert {path.name for path in again.iterdir()} == OUTPUTS_OF_PAPER
    when = r"<dt>(Finished|Times)</dt><dd>[^<]+</dd>"
    pages = [
        re.sub(when, "", (folder / "report.html").read_text("utf-8")) for folder in (again, sample_run.output)
    ]
    assert pages[0] == pages[1]
    for name in OUTPUTS_OF_PAPER - {"findings.json", "report.html"}:
        assert (again / name).read_bytes() == (sample_run.output / name).read_bytes(), name
    records = [
        json.loads((folder / "findings.json").read_text("utf-8")) for folder in (again, sample_run.output)
    ]
    for record in records:
        del record["run"]
    assert records[0] == records[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_so_and_leaves_nothing(number, a_random_model, tmp_path):
    if not (SAMPLE / "simulated_T1.nii.gz").exists():
        pytest.skip("the built-in sample is not here")
    arguments = ["--t1", SAMPLE / "simulated_T1.nii.gz", "--flair", SAMPLE / "simulated_FLAIR.nii.gz"]
    process = subprocess.Popen(
        [sys.executable, "-m", "AnomalyDetectionLib", "detect", *map(str, arguments),
         "--model", str(a_random_model), "--output", str(tmp_path / "results"), "--progress", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if json.loads(line)["stage"] == "brain mask":
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.strip() == "Stopped; nothing was written."
    assert list(tmp_path.iterdir()) == []
