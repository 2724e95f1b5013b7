"""What all tests share: where real data lies, and one run of the command on the built-in sample."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from allowed_skips import allowed
from filelock import FileLock

# One thread a process, also in those that the tests start: two of torch's in each of two workers on two cores wait for
# one another at full power, and take twice the processor time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

with contextlib.suppress(ImportError):
    # A torch for CUDA brings triton, and with it an LLVM of its own. Loaded after the one that draws the slice views
    # (Mesa's), it ends the process; before it, the two get along.
    import triton  # noqa: F401

REPOSITORY = Path(__file__).resolve().parents[1]
SAMPLE = REPOSITORY / "AnomalyDetection" / "Resources" / "SampleData"
T1, FLAIR = SAMPLE / "simulated_T1.nii.gz", SAMPLE / "simulated_FLAIR.nii.gz"
SAMPLE_INPUTS = ("--t1", str(T1), "--flair", str(FLAIR))


def shared_data(*parts: str) -> Path:
    """A file or folder of the real scans beside the repository; the test is skipped where it is absent."""
    path = REPOSITORY.parent.joinpath("shared", "data", *parts)
    if not path.exists():
        pytest.skip(f"real scans are not here: {'/'.join(parts) or 'shared/data'}")
    return path


@pytest.fixture(name="shared_data", scope="session")
def _shared_data():
    return shared_data


@pytest.fixture(scope="module", autouse=True)
def _free_memory():
    """Scenes hang in cycles, which Python leaves for long; what it frees, the C library keeps for the process."""
    yield
    gc.collect()
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


# Not those found: who starts the tests in the background has them ignore interrupts.
_HANDLERS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


@pytest.fixture(autouse=True)
def _signals_as_they_were():
    """The command, run within the tests' process (also by a module's fixture), sets handlers for the rest of its life."""
    for when in ("before", "after"):
        for number, handler in _HANDLERS.items():
            signal.signal(number, handler)
        if when == "before":
            yield


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str
    output: Path


@cache
def _without_network() -> tuple[str, ...]:
    """What runs a program in a network of its own that leads nowhere; nothing where the system has no such thing."""
    command = ("unshare", "--map-root-user", "--net")
    try:
        works = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        works = False
    return command if works else ()


def run_command(
    *arguments: object, output: Path, timeout: float = 900, without_network: bool = False, **options: object
) -> Run:
    """Run `python -m AnomalyDetectionLib` as a process of its own, as a user would."""
    program = [*(_without_network() if without_network else ()), sys.executable, "-m", "AnomalyDetectionLib"]
    options = {"capture_output": True, "encoding": "utf-8", "timeout": timeout, "check": False, **options}
    done = subprocess.run([*program, *map(str, arguments)], **options)
    return Run(done.returncode, done.stdout, done.stderr, output)


@pytest.fixture
def call(capfd):
    """`call(*arguments)`: the command in this process; gives exit code, stdout, stderr."""
    from AnomalyDetectionLib import cli

    def in_this_process(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return left.value.code, captured.out, captured.err

    return in_this_process


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """`made_once(name, make)`: a folder that `make(folder)` fills, once for all processes that share the tests."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name: str, make: Callable[[Path], None]) -> Path:
        place, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(place, ignore_errors=True)  # of a process that failed half-way
                place.mkdir()
                make(place)
                done.touch()
        return place

    return folder


@pytest.fixture(scope="session")
def sample_run(made_once):
    """`detect --model paper --keep-scores` on the built-in sample, into a folder with a difficult name."""
    return _run_of_the_sample(made_once, "sample", "--model", "paper", "--keep-scores")


@pytest.fixture(scope="session")
def default_run(made_once):
    """`detect` on the built-in sample as a newcomer calls it: with the default model."""
    return _run_of_the_sample(made_once, "default")


def _run_of_the_sample(made_once, name: str, *options: str) -> Run:
    def make(folder: Path) -> None:
        output, log = folder / "out" / "résultats 结果", folder / "offline.txt"
        path = os.pathsep.join([str(REPOSITORY / "Testing" / "offline"), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "OFFLINE_LOG": str(log), "PYTHONPATH": path}
        arguments = ["detect", *SAMPLE_INPUTS, "--output", output, "--device", "cpu", "--progress", "json"]
        run = run_command(*arguments, *options, output=output, without_network=True, env=environment)
        assert not log.exists(), f"the run looked for a network:\n{log.read_text('utf-8')}"
        (folder / "run.json").write_text(json.dumps([run.code, run.stdout, run.stderr]), encoding="utf-8")

    folder = made_once(name, make)
    return Run(*json.loads((folder / "run.json").read_text("utf-8")), folder / "out" / "résultats 结果")


@pytest.fixture(scope="session")
def good(sample_run):
    """The sample as it was read, and all that `sample_run` made of it: a scan whose images can be spoilt."""
    from AnomalyDetectionLib.detection.stored_scores import read_stored, restore
    from AnomalyDetectionLib.imaging.reading import read_study
    from good_scan import GoodScan

    assert sample_run.code == 0, sample_run.stderr
    study = read_study(T1, FLAIR)
    return GoodScan(study, restore(read_stored(sample_run.output / "score_map")))


@pytest.fixture(scope="session")
def a_random_model(tmp_path_factory):
    """A model file with random weights: enough to get through the command, not to find anything."""
    return _model_file(tmp_path_factory, "random_model")


@pytest.fixture(scope="session")
def a_context_model(tmp_path_factory):
    """The other kind of model with random weights, as a file: some of the brain is a candidate, and most candidates findings."""
    return _model_file(tmp_path_factory, "random_context_model")


def _model_file(tmp_path_factory, kind: str) -> Path:
    import made_models  # which imports torch
    from AnomalyDetectionLib.model.model_file import save_model

    model = getattr(made_models, kind)()
    path = tmp_path_factory.mktemp("model") / f"{model.name}.safetensors"
    save_model(model, path)
    return path


def _without_unlisted_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Where CI runs, a skip for a reason that is not on the list makes the report one of a failure."""
    if not (os.environ.get("CI") and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not allowed(reason):
        report.outcome = "failed"
        report.longrepr = f"{reason}: a skip that is not on the list in Testing/allowed_skips.py"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    _without_unlisted_skip(report)
    return report


pytest_make_collect_report = pytest_runtest_makereport
