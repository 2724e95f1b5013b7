"""The command as people and programs use it: what it writes, and what it says when it cannot."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import platform
import re
import signal
import struct
import subprocess
import sys
from importlib import metadata

import click
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from AnomalyDetectionLib import cli
from AnomalyDetectionLib.commands.progress import progress_of
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from conftest import FLAIR, REPOSITORY, SAMPLE_INPUTS, run_command
from PIL import Image
from synthetic_study import FLAIR_GRID, write_heads

IMAGES = ("anomaly_score.nii.gz", "suspected_anomalies.nii.gz", "suspected_anomalies.seg.nrrd")
OUTPUTS = {*IMAGES, "findings.csv", "findings.json", "report.html", "overlay.png"}
OUTPUTS_OF_PAPER = OUTPUTS | {"nearest_normal.png"}
"""Of the bundled model that holds normal tissue to compare findings with."""


@pytest.fixture
def scans(tmp_path):
    """Paths of an acceptable T1 and FLAIR, in a folder with a difficult name."""
    folder = tmp_path / "scans é 扫描"
    folder.mkdir()
    write_heads(folder)
    return folder / "T1.nii.gz", folder / "FLAIR.nii.gz"


@pytest.fixture
def command(tmp_path, scans, a_random_model, call):
    """Runs `detect` in this process, with any option changed; gives exit code, stdout, stderr."""
    usual = {"t1": scans[0], "flair": scans[1], "output": tmp_path / "results", "model": a_random_model}

    def run(**changes):
        options = {**usual, "progress": "none", **changes}
        given = [
            (f"--{name.replace('_', '-')}", value) for name, value in options.items() if value is not None
        ]
        return call("detect", *(word for option in given for word in option))

    return run


def write(path, array):
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))


def noise(*shape):
    return np.random.default_rng(0).random(shape).astype(np.float32) + 1


def colour(path):
    channel = sitk.Cast(sitk.GetImageFromArray(noise(9, 40, 40)), sitk.sitkUInt8)
    sitk.WriteImage(sitk.Compose(channel, channel, channel), str(path))


def four_dimensions(path):
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(noise(6, 20, 20))] * 3), str(path))


BAD_IMAGES = {
    "missing": (lambda path, good: None, "does not exist"),
    "not an image": (lambda path, good: path.write_text("not an image"), ""),
    "truncated": (lambda path, good: path.write_bytes(good.read_bytes()[: good.stat().st_size // 2]), ""),
    "empty file": (lambda path, good: path.touch(), ""),
    "all zeros": (lambda path, good: write(path, 0 * noise(9, 40, 40)), "0"),
    "NaN": (lambda path, good: write(path, np.nan * noise(9, 40, 40)), "NaN"),
    "infinite": (lambda path, good: write(path, np.inf * noise(9, 40, 40)), "not numbers"),
    "single slice": (lambda path, good: write(path, noise(1, 40, 40)), "slice"),
    "4D": (lambda path, good: four_dimensions(path), "volumes"),
    "colour": (lambda path, good: colour(path), "colour"),
}


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
    path = tmp_path / "bad.nii.gz"
    make(path, scans[0])
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
    contents = [whole[: len(whole) // 2], b"\x80\x04not a model"]
    for change in ({"format": "something else"}, {"version": "999"}):
        other = json.dumps({**header, "__metadata__": {**header["__metadata__"], **change}}).encode()
        contents.append(struct.pack("<Q", len(other)) + other + whole[8 + length :])
    for content in contents:
        bad.write_bytes(content)
        assert_refused(command(model=bad), tmp_path, mentions=str(bad))
    assert_refused(command(model="nosuch"), tmp_path, mentions="nosuch")


NONSENSE = {
    "threshold": ("nan", "-1", "three"),
    **{"percentile": ("101",), "min_patches": ("0",), "stride": ("0",), "statistics": ("mean",)},
    **{"distance": ("far",), "device": ("abacus",), "progress": ("loud",), "nosuch": ("1",)},
    **{"t1": (None,), "flair": (None,)},
}


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in NONSENSE.items() for value in values]
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
    occupied = tmp_path / "occupied"
    occupied.write_text("not an image")
    for output in (occupied, occupied / "below"):
        assert_refused(command(output=output), tmp_path, mentions="occupied")
    assert occupied.read_text() == "not an image"


@pytest.fixture
def breaks(monkeypatch):
    """`breaks(error)`: reading the images raises it from now on."""

    def with_error(error):
        def break_down(*_args, **_options):
            raise error

        monkeypatch.setattr("AnomalyDetectionLib.detection.pipeline.read_study", break_down)

    return with_error


def test_what_went_wrong_inside_is_one_sentence_and_a_report_only_with_debug(command, breaks, tmp_path):
    breaks(ZeroDivisionError("deep inside"))
    code, out, err = command()
    assert code == 1
    assert out == ""
    assert err.startswith("Something went wrong inside")
    assert len(err.strip().splitlines()) == 1
    output = tmp_path / "o"
    done = run_command("detect", "--t1", "no", "--flair", "no", "--output", output, "--debug", output=output)
    assert done.code == 2
    assert "Traceback" in done.stderr


def test_a_program_that_runs_it_gets_the_traceback_into_its_log(command, breaks):
    breaks(ZeroDivisionError("deep inside"))
    code, out, err = command(progress="json")
    assert code == 1
    assert "in break_down" in err
    assert "ZeroDivisionError: deep inside" in err
    assert json.loads(out.splitlines()[-1])["message"].startswith("Something went wrong inside")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("raise OSError('libcudnn.so.9: cannot open shared object file')", "libcudnn.so.9: cannot open"),
        ("raise ImportError('DLL load failed while importing _C\\nlong story')", "DLL load failed while importing _C)"),
        ("import numpy\nnumpy.is_too_new_for_this", "numpy"),
        ("import torch._C", "torch._C"),
    ],
)  # fmt: skip
def test_a_package_that_is_there_but_does_not_load_is_named_with_the_reason(content, reason, tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(content)
    paths = os.pathsep.join([str(tmp_path), str(REPOSITORY / "AnomalyDetection")])
    command = [sys.executable, "-m", "AnomalyDetectionLib", "devices", "--progress", "json"]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    said = json.loads(done.stdout.splitlines()[-1])["message"]
    assert said.startswith("The Python package torch is installed but cannot be loaded (")
    assert reason in said
    assert said.endswith("): install it again.")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said(number, command, breaks, tmp_path):
    breaks(OSError(number, "No space left on device"))
    assert_refused(command(), tmp_path, mentions="disk is full")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere paths are UTF-8 whatever the locale")
def test_paths_are_what_they_are_in_a_locale_without_utf8(scans, tmp_path):
    plain = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    missing = scans[0].with_name("lost é.nii.gz")
    given = ("--t1", missing, "--flair", scans[1], "--output", tmp_path / "results")
    refused = run_command("detect", *given, output=tmp_path, env=plain)
    assert (refused.code, refused.stderr) == (2, f"The T1 {missing} does not exist: check the path.\n")


def test_a_network_drive_that_is_gone_is_said_with_the_path(command, breaks, tmp_path):
    breaks(OSError(errno.ESTALE, "Stale file handle", "/drive/T1.nii.gz"))
    assert_refused(command(), tmp_path, mentions="/drive/T1.nii.gz cannot be used (Stale file handle)")


def test_a_program_without_a_console_runs_without_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with progress_of("bar") as report:
        report("reading", 0.0, "Reading the images")


def test_help_names_every_option():
    done = run_command("detect", "--help", output=None)
    assert done.code == 0
    options = "t1 flair output brain-mask model device threshold percentile min-patches progress t1-series"
    for option in f"{options} flair-series stride no-registration statistics distance".split():
        assert f"--{option}" in done.stdout


def test_every_option_that_a_help_text_speaks_of_exists():
    groups, commands = [cli.command_line], []
    for group in groups:
        inner = list(group.commands.values())
        groups += [one for one in inner if isinstance(one, click.Group)]
        commands += inner
    there = {name for one in commands for option in one.params for name in option.opts} | {"--help"}
    for one in commands:
        texts = [one.help or "", *(getattr(option, "help", None) or "" for option in one.params)]
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", " ".join(texts))) <= there, one.name


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


def test_without_a_command_the_help_is_shown(call):
    code, out, _ = call()
    assert code == 0
    assert "detect" in out


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
    with Image.open(default_run.output / "overlay.png") as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
    record = json.loads((default_run.output / "findings.json").read_text("utf-8"))
    assert record["model"]["name"] == "context"
    assert record["missing"] == []
    said = [line for line in map(json.loads, default_run.stdout.splitlines()) if line["stage"] == "writing"]
    written = ("results", "overview picture", "report")
    assert [line["message"] for line in said] == [f"Writing the {what}" for what in written]


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
    scores, findings, segments = (sitk.ReadImage(str(sample_run.output / name)) for name in IMAGES)
    expected = Grid.of(sitk.ReadImage(str(FLAIR)))
    for image in (scores, findings, segments):
        grid = Grid.of(image)
        assert grid.size == expected.size
        for field in ("spacing", "origin", "direction"):
            np.testing.assert_allclose(getattr(grid, field), getattr(expected, field), atol=1e-4)
    assert scores.GetPixelID() == sitk.sitkFloat32
    assert findings.GetPixelID() == sitk.sitkUInt16
    labels = sitk.GetArrayFromImage(findings)
    np.testing.assert_array_equal(labels, sitk.GetArrayFromImage(segments))
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
    model = ("--model", "paper", "--device", "cpu")
    done = run_command("detect", *SAMPLE_INPUTS, *model, "--output", again, output=again)
    assert done.code == 0, done.stderr
    assert done.stdout.count("results are in") == 1
    assert str(again) in done.stdout
    assert {path.name for path in again.iterdir()} == OUTPUTS_OF_PAPER
    folders = (again, sample_run.output)
    for name in OUTPUTS_OF_PAPER - {"findings.json", "report.html"}:
        assert (again / name).read_bytes() == (sample_run.output / name).read_bytes(), name
    when = r"<dt>(Finished|Times)</dt><dd>[^<]+</dd>"
    pages = {re.sub(when, "", (folder / "report.html").read_text("utf-8")) for folder in folders}
    assert len(pages) == 1
    records = [json.loads((folder / "findings.json").read_text("utf-8")) for folder in folders]
    for record in records:
        del record["run"]
    assert records[0] == records[1]


def start_detecting(model, output):
    """A run on the sample with its progress as JSON, as a process."""
    program = [sys.executable, "-m", "AnomalyDetectionLib", "detect", *SAMPLE_INPUTS, "--model", model]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*program, "--output", output, "--progress", "json"], stdout=pipe, stderr=pipe, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_so_and_leaves_nothing(number, a_random_model, tmp_path):
    process = start_detecting(a_random_model, tmp_path / "results")
    for line in process.stdout:
        if json.loads(line)["stage"] == "brain mask":
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.strip() == "Stopped; nothing was written."
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_progress_nobody_reads_any_more_says_that_it_stopped(a_random_model, tmp_path):
    process = start_detecting(a_random_model, tmp_path / "results")
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read().strip() == "Stopped, because the program that read the progress is gone."
    assert process.wait(timeout=60) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_that_was_closed_on_windows_is_no_error_of_the_program(monkeypatch, capfd):
    """There it is EINVAL, not EPIPE."""

    class Closed(io.StringIO):
        def flush(self):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    assert left.value.code == 1
    with progress_of("json") as report, pytest.raises(InputError, match="that read the progress is gone"):
        report("reading", 0.0, "Reading the images")
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals on this system")
def test_one_more_interrupt_while_it_ends_shows_no_traceback():
    code = (
        "import atexit, signal; from AnomalyDetectionLib import cli\n"
        "atexit.register(signal.raise_signal, signal.SIGINT); cli.main(['--version'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no hang-up on this system")
def test_a_run_under_nohup_goes_on_when_the_terminal_is_closed(call, monkeypatch):
    handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr(cli.command_line, "callback", lambda: signal.raise_signal(signal.SIGHUP))
        assert call()[0] == 0
    finally:
        signal.signal(signal.SIGHUP, handler)
