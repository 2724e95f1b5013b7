"""The engine as a process of its own: what is heard of it, and that nothing is left when it is ended."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.commands.bids import bids
from AnomalyDetectionLib.commands.detect import detect
from AnomalyDetectionLib.commands.options import in_words, option_of
from AnomalyDetectionLib.detection.detection_settings import DetectionRequest, DetectionSettings
from AnomalyDetectionLib.detection.stored_scores import restore
from AnomalyDetectionLib.engine.job import Job, standby_arguments
from AnomalyDetectionLib.engine.job_results import read_job_results
from AnomalyDetectionLib.engine.process import EngineRun
from AnomalyDetectionLib.engine.records import Failure, Progress, record_of
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.model.bundled import DEFAULT_MODEL
from conftest import FLAIR, REPOSITORY, T1

LIBRARY = REPOSITORY / "AnomalyDetection"
posix = pytest.mark.skipif(os.name != "posix", reason="SIGKILL, process groups")


@pytest.fixture(scope="module")
def a_brain_mask(tmp_path_factory):
    """An ellipsoid about where the sample's brain is, so that it need not be looked for."""
    grid = Grid.of(sitk.ReadImage(str(FLAIR)))
    points = grid.points(np.argwhere(np.ones(grid.shape, bool))[:, ::-1])
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    inside = (((points - centre) / (62, 78, 58)) ** 2).sum(axis=1) < 1
    path = tmp_path_factory.mktemp("mask") / "mask.nii.gz"
    sitk.WriteImage(grid.image(inside.reshape(grid.shape).astype(np.uint8)), str(path))
    return path


@pytest.fixture
def folder(tmp_path):
    """The run's own folder, with a difficult name."""
    path = tmp_path / "Patiënt 脑 é' 1"
    path.mkdir()
    return path


@pytest.fixture
def quick(folder, a_brain_mask, a_random_model):
    """Arguments of a run on the sample without its slow stages: a second after the imports."""

    def arguments(t1=T1, brain_mask=a_brain_mask, **changes):
        usual = {"model": str(a_random_model), "device": "cpu", "register": False, "bias_correction": False}
        settings = DetectionSettings(**{**usual, "stride": 8, **changes})
        request = DetectionRequest(t1, FLAIR, brain_mask, settings=settings)
        return Job(request, folder / "results").write(folder / "job.json")

    return arguments


def start(folder, arguments, python=(sys.executable,), library=LIBRARY):
    return EngineRun(list(python), arguments, folder, library=library)


def script(folder, text):
    """A run of another program in the engine's place."""
    return start(folder, [], (sys.executable, "-c", text))


def wait_for(run, stage, timeout=120):
    """Until the run says that it is in a stage."""
    until = time.monotonic() + timeout
    heard = []
    while time.monotonic() < until:
        heard += run.poll()
        if any(progress.stage == stage for progress in heard):
            return heard
        assert run.state == "running", f"{run.state} before {stage}: {run.error}"
        time.sleep(0.005)
    raise AssertionError(f"{stage} was not reached; heard {heard}")


def processes_of(folder):
    """The processes that have the folder in their command line."""
    found = []
    for process in psutil.process_iter():
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and any(str(folder) in part for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def assert_none_left(folder, seconds=0.0):
    until = time.monotonic() + seconds
    while processes_of(folder) and time.monotonic() < until:
        time.sleep(0.05)
    assert processes_of(folder) == []


# --- a run that ends well ---


def test_a_run_reports_its_stages_in_order_and_leaves_its_results(folder, quick):
    run = start(folder, quick())
    heard: list[Progress] = []
    assert run.state == "running"
    run.wait(heard.append)
    assert run.state == "done", run.log
    assert run.error == ""
    stages = list(dict.fromkeys(progress.stage for progress in heard))
    assert stages == [
        "reading", "brain mask", "alignment", "resampling", "bias field", "scaling", "quality", "anatomy", "scoring",
        "writing", "done",
    ]  # fmt: skip
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert all(progress.message for progress in heard)
    assert run.poll() == []
    took = run.seconds
    time.sleep(0.05)
    assert run.seconds == took > 0
    results = folder / "results"
    stored, provenance = read_job_results(results)
    assert np.isfinite(restore(stored).lattice).any()
    assert provenance["inputs"]["t1"]["path"] == str(T1)
    assert sorted(path.name for path in results.iterdir()) == ["provenance.json", "score_map"]
    run.cancel()
    assert run.state == "done", "what has ended well cannot be cancelled"
    read_job_results(results)
    record = results / "provenance.json"
    record.write_text(record.read_text("utf-8")[:-9], "utf-8")
    with pytest.raises(InputError, match="detect again"):
        read_job_results(results)
    assert_none_left(folder)


# --- cancelling ---


def assert_cancelled(run, folder):
    assert run.state == "cancelled"
    assert_none_left(folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("stage", "wait"),
    [("", 0.0), ("", 0.3), ("reading", 0.0), ("brain mask", 1.5), ("scoring", 0.0), ("writing", 0.0)],
)
def test_cancel_leaves_no_process_and_no_file(stage, wait, folder, quick):
    run = start(folder, quick(brain_mask=None) if stage == "brain mask" else quick())
    if stage:
        wait_for(run, stage)
    time.sleep(wait)  # 1.5: well inside the network that looks for the brain
    run.cancel(timeout=5.0 if stage else 0)
    assert_cancelled(run, folder)
    run.cancel()
    assert run.state == "cancelled"
    assert run.poll() == []


ALL_STAGES = "reading, brain mask, alignment, resampling, bias field, scaling, scoring, writing"


@pytest.mark.slow
@pytest.mark.parametrize("stage", ALL_STAGES.split(", "))
@pytest.mark.parametrize("wait", [0.1, 0.7])
def test_cancel_in_a_stage_of_a_run_with_everything_leaves_nothing(stage, wait, folder, quick):
    run = start(
        folder, quick(brain_mask=None, register=True, bias_correction=True, stride=None, model=DEFAULT_MODEL)
    )
    wait_for(run, stage)
    time.sleep(wait)
    run.cancel()
    if run.state == "done":
        assert_none_left(folder)
    else:
        assert_cancelled(run, folder)


LAUNCHER = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"


@pytest.fixture
def a_launcher(tmp_path):
    """A command that starts Python as a process below it, as PythonSlicer does."""
    path = tmp_path / "launcher.py"
    path.write_text(LAUNCHER)
    return sys.executable, str(path)


def test_cancel_ends_what_a_launcher_has_started(folder, quick, a_launcher):
    run = start(folder, quick(), a_launcher)
    wait_for(run, "reading")
    assert len(processes_of(folder)) == 2
    run.cancel()
    assert_cancelled(run, folder)


@posix
def test_when_the_launcher_is_killed_the_engine_does_not_go_on_alone(folder, quick, a_launcher):
    run = start(folder, quick(), a_launcher)
    wait_for(run, "reading")
    launcher = next(process for process in processes_of(folder) if a_launcher[1] in process.cmdline())
    launcher.kill()
    run.wait()
    assert run.state == "failed"
    assert_none_left(folder, seconds=1)


# --- failing ---


@posix
def test_a_killed_engine_is_a_failed_run_that_says_why(folder, quick):
    run = start(folder, quick())
    wait_for(run, "reading")
    [process] = processes_of(folder)
    process.send_signal(signal.SIGKILL)
    run.wait()
    assert run.state == "failed"
    assert "memory" in run.error
    assert len(run.error.splitlines()) == 1


def test_a_python_that_does_not_exist_is_a_failed_run(folder, quick):
    run = start(folder, quick(), ["/no such/python"])
    assert run.state == "failed"
    assert "/no such/python" in run.error
    assert run.poll() == []
    run.wait()
    run.cancel()
    assert run.state == "failed"
    assert run.seconds == 0


def test_an_input_that_cannot_be_used_gives_the_engines_sentence(folder, quick):
    missing = folder / "T1 ü.nrrd"
    run = start(folder, quick(t1=missing))
    run.wait()
    assert run.state == "failed"
    assert run.error == f"The T1 {missing} does not exist: check the path."
    assert run.error in run.log
    assert not (folder / "results").exists()
    shutil.rmtree(folder)
    assert "does not exist" in run.error, "it is still known when the folder is gone"


RECORD = {"stage": "error", "message": "The T1 is a photograph: give an MRI.", "code": 2}


@pytest.mark.parametrize(
    ("text", "log", "error"),
    [
        (
            "import sys; sys.exit(7)",
            "",
            "The engine ended without a message (code 7), perhaps because the memory ran out: close other programs and try again.",
        ),
        (
            "import sys; print('RuntimeWarning: invalid value', file=sys.stderr); sys.exit(3)",
            "RuntimeWarning: invalid value",
            "The engine ended with an error that it could not report (code 3): report it with its log.",
        ),
        (
            f"import json, sys; print('noise'); print(json.dumps({RECORD})); sys.exit('a last word')",
            "a last word",
            RECORD["message"],
        ),
    ],
)
def test_the_sentence_is_the_engines_record_or_else_of_its_exit_code_and_never_of_its_log(
    folder, text, log, error
):
    run = script(folder, text)
    run.wait()
    assert (run.state, run.error, run.log.strip()) == ("failed", error, log)
    assert run.poll() == [], "an error is no progress"


def test_every_mistake_is_a_record_where_records_were_asked_for(folder):
    for arguments in (["detect", "--progress=json"], ["detect", "--no-such-option", "--progress", "json"]):
        run = start(folder, arguments)
        run.wait()
        [record] = [record for record in run.records if record["stage"] == "error"]
        assert record["code"] == 2
        assert run.error == record["message"]
        assert run.error.removesuffix(".") in run.log
        assert "--help" in run.log
        assert "--help" not in run.error, "who has no command line is not told to use it"
    run = start(folder, ["detect", "--progress", "none"])
    run.wait()
    assert run.records == []


def test_a_package_that_is_missing_is_named(folder, quick, tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    shadowed = tmp_path / "AnomalyDetectionLib"
    shadowed.symlink_to(LIBRARY / "AnomalyDetectionLib")
    run = start(folder, quick(), library=tmp_path)
    run.wait()
    assert run.state == "failed"
    assert "torch is not installed" in run.error


# --- listening ---


def test_a_half_written_line_waits_and_noise_is_passed_over(folder):
    run = script(folder, "import time; time.sleep(60)")
    line = json.dumps({"stage": "reading", "fraction": 0.5, "message": "Läuft"}).encode() + b"\n"
    with (folder / "progress.jsonl").open("ab") as file:
        file.write(b"a library's own words\n[1]\n" + line[:20])
        file.flush()
        assert run.poll() == []
        file.write(line[20:] + line)
        file.flush()
        assert run.poll() == [Progress("reading", 0.5, "Läuft")] * 2
    assert run.poll() == []
    run.cancel()
    assert run.state == "cancelled"


# --- the program that started it ends ---

STARTS_AND_WAITS = """
import os, sys
from pathlib import Path
from dataclasses import replace
from AnomalyDetectionLib.engine.job import Job
from AnomalyDetectionLib.engine.process import EngineRun
folder, job = Path(sys.argv[1]), Path(sys.argv[2])
arguments = replace(Job.read(job), parent=os.getpid()).write(job)
run = EngineRun([sys.executable], arguments, folder, library=Path(os.environ["LIBRARY"]))
run.wait(lambda progress: print(progress.stage, flush=True))
"""


@posix
@pytest.mark.parametrize("stage", ["brain mask", pytest.param("scoring", marks=pytest.mark.slow)])
def test_when_the_program_that_started_it_is_killed_the_engine_ends_by_itself(stage, folder, quick):
    slow = {"model": DEFAULT_MODEL, "stride": None} if stage == "scoring" else {"brain_mask": None}
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY), "LIBRARY": str(LIBRARY)}
    command = [sys.executable, "-c", STARTS_AND_WAITS, str(folder), quick(**slow)[1]]
    starter = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert starter.stdout is not None
    for line in starter.stdout:
        if line.strip() == stage:
            break
    assert len(processes_of(folder)) == 2
    starter.kill()
    starter.wait()
    starter.stdout.close()
    assert_none_left(folder, seconds=10)
    assert {path.name for path in folder.iterdir()} == {"job.json", "progress.jsonl", "log.txt"}
    assert (folder / "log.txt").read_text("utf-8").strip().endswith("Stopped; nothing was written.")


def test_an_engine_that_stands_by_has_imported_all_and_runs_the_job_once_it_is_there(folder, quick):
    run = start(folder, standby_arguments(folder / "job.json", os.getpid()))
    engine = psutil.Process(run._process.pid)
    until = time.monotonic() + 60
    while not any("torch" in part.path for part in engine.memory_maps()) and time.monotonic() < until:
        time.sleep(0.05)
    assert run.state == "running"
    assert run.poll() == []
    quick()
    run.wait()
    assert run.state == "done", run.log
    assert read_job_results(folder / "results")[1]["model"]["name"] == "random"


@posix
def test_an_engine_that_stands_by_ends_with_the_program_that_started_it(folder):
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    run = start(folder, standby_arguments(folder / "job.json", program.pid))
    program.kill()
    program.wait()
    run.wait()
    assert run.state == "failed"
    assert "Stopped" in run.log


# --- errors in the words of each door ---

FOLDERS = ("files", "dicom", "imaging", "model", "detection", "reporting", "engine", "scene", "panel")


def sentences():
    """All that is said of an input that cannot be used, with "…" for what is filled in."""
    for folder in FOLDERS:
        for path in sorted((LIBRARY / "AnomalyDetectionLib" / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "InputError":
                    text = node.args[0]
                    pieces = text.values if isinstance(text, ast.JoinedStr) else [text]
                    yield "".join(piece.value if isinstance(piece, ast.Constant) else "…" for piece in pieces)


def test_no_sentence_of_the_engine_speaks_of_the_command_line():
    said = list(sentences())
    assert len(said) > 100
    for sentence in said:
        assert not re.search(r"--[a-z]|anomaly-detection", sentence), sentence


@pytest.mark.parametrize(
    ("error", "see", "said"),
    [
        ("Nothing is there.", (), "Nothing is there."),
        ("No brain: give a mask.", ("brain_mask",), "No brain: give a mask (--brain-mask)."),
        ("Leave it on.", ("register",), "Leave it on (--no-registration)."),
        ("No rates.", ("calibrate", "threshold"), "No rates (anomaly-detection calibrate, --threshold)."),
        ("Choose.\n  1  T1\n  2  T1", ("t1_series",), "Choose (--t1-series).\n  1  T1\n  2  T1"),
    ],
)
def test_the_command_line_adds_how_it_calls_what_an_error_speaks_of(error, see, said):
    assert in_words(InputError(error, see=see)) == said


def test_what_errors_refer_to_is_an_option_or_a_command():
    known = {word for command in (detect, bids) for one in command.params for word in one.opts}
    sources = [path.read_text("utf-8") for path in (LIBRARY / "AnomalyDetectionLib").rglob("*.py")]
    named = {
        name
        for text in sources
        for names in re.findall(r"see=\(([^)]*)\)", text)
        for name in re.findall(r'"([^"{]+)"', names)
    }
    assert named > {"brain_mask", "device"}
    for name in named:
        said = in_words(InputError("x.", see=(name,)))
        assert said.startswith("x (anomaly-detection ") or option_of(name) in known, name


def test_records_are_read_as_they_were_written():
    for record in (Progress("scoring", 0.25, "Läuft"), Failure("No.", 2, ("brain_mask",)), Failure("No.", 1)):
        assert type(record).of(record_of(record.line.encode())) == record
    assert Progress.of(record_of(Failure("No.", 2).line.encode())) is None
    assert Failure.of(record_of(Progress("error", 0.5, "x").line.encode())) == Failure("x", 1)
    assert record_of(b"noise") is record_of(b"[1]") is None


def test_a_job_is_read_as_it_was_written(tmp_path):
    settings = DetectionSettings(percentile=50.0, threshold=2.5, register=False)
    job = Job(DetectionRequest(Path("a"), Path("b é"), settings=settings), Path("out"), parent=7)
    arguments = job.write(tmp_path / "job.json")
    assert Job.read(Path(arguments[1])) == job
    masked = replace(job, request=replace(job.request, brain_mask=Path("c")), parent=None)
    masked.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == masked


@pytest.mark.parametrize(
    ("change", "mentions"),
    [({"stride": 16}, "at most 15"), ({"threshold": "high"}, "a number"), ({"strides": 4}, "strides")],
)
def test_a_job_that_cannot_be_done_is_refused(change, mentions, tmp_path):
    path = tmp_path / "job.json"
    Job(DetectionRequest(Path("a"), Path("b")), Path("out")).write(path)
    content = json.loads(path.read_text("utf-8"))
    content["settings"] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=mentions):
        Job.read(path)
