"""Research/Experiments/Snakefile: what it would do on one machine and on a SLURM cluster, and that no training is lost."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import REPOSITORY

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("snakemake") is None, reason="Snakemake is not installed (extra evaluation)"
)
SIZES = (50, 75, 100, 150, 200, 300, 400)


@pytest.fixture
def place(tmp_path):
    """A repository that has the experiments and nothing else: what they make stays out of ours."""
    shutil.copytree(
        REPOSITORY / "Research" / "Experiments", tmp_path / "repository" / "Research" / "Experiments"
    )
    (tmp_path / "repository" / "AnomalyDetection" / "Resources" / "Models").mkdir(parents=True)
    (tmp_path / "repository" / "AnomalyDetection" / "Resources" / "Models" / "paper_scans.csv").touch()
    return tmp_path / "repository"


def snakemake(place, *arguments, program=None, commands=None):
    """Run it; `program` is a folder of modules that go before all others, `commands` one of programs."""
    environment = dict(os.environ)
    if commands is not None:
        environment["PATH"] = f"{commands}{os.pathsep}{environment['PATH']}"
    if program is not None:
        environment["PYTHONPATH"] = str(program)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *map(str, arguments)],
        cwd=place, capture_output=True, text=True, timeout=120, check=False, env=environment,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def local(place, *arguments, config="reduced", **options):
    # Targets go first: --configfile would take them for its own.
    experiments = "Research/Experiments"
    files = ["--profile", f"{experiments}/profiles/local", "--configfile", f"{experiments}/{config}.yaml"]
    return snakemake(place, *arguments, *files, **options)


def jobs(output):
    """How often each rule would run."""
    table = output.rpartition("Job stats:")[2]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)\s*$", table, re.MULTILINE)}


def test_without_real_scans_everything_is_simulated(place):
    code, output = local(place, "--dry-run")
    assert code == 0, output
    planned = jobs(output)
    assert planned["train"] == 3
    assert planned["lesion_free_scans"] == 1
    assert planned["cohort"] == 1
    assert all(planned[name] == 1 for name in ("evaluate", "sweep", "categories", "missed", "page"))


def test_real_scans_are_taken_where_they_are(place):
    (place.parent / "shared" / "data").mkdir(parents=True)
    code, output = local(place, "--dry-run", "--printshellcmds")
    assert code == 0, output
    assert "lesion_free_scans" not in jobs(output)
    assert "--root ../shared/data" in output
    assert "--anatomy real" in output


def test_slurm_gets_every_training_as_a_job_of_its_own(place):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    code, output = snakemake(place, "--profile", "Research/Experiments/profiles/slurm", "--dry-run")
    assert code == 0, output
    assert jobs(output)["train"] == len(SIZES)
    assert all(f"Training with a latent size of {size:03d}" in output for size in SIZES)


@pytest.mark.slow
@pytest.mark.parametrize(("more", "asked"), [([], True), (["--config", "gpus=0"], False)])
def test_slurm_is_asked_for_what_a_training_needs(place, tmp_path, more, asked):
    """SLURM's commands are replaced by ones that write down what is asked of them, and have done it at once."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    commands = tmp_path / "commands"
    commands.mkdir()
    model = place / "runs" / "sweep" / "latent-050" / "latent-050.safetensors"
    scripts = {
        "sbatch": f'echo "$@" > {tmp_path}/asked; mkdir -p {model.parent}; touch {model}; echo 7',
        "sacct": "echo '7|COMPLETED'",
        "sacctmgr": "echo mylab",
    }
    for name in ("sbatch", "sacct", "sacctmgr", "squeue", "scontrol", "sinfo", "scancel"):
        (commands / name).write_text(f"#!/bin/sh\n{scripts.get(name, ':')}\n")
        (commands / name).chmod(0o755)
    (place / "runs").mkdir()
    (place / "runs" / "scans.npz").touch()
    resources = [
        "--default-resources",
        "slurm_account=mylab",
        "slurm_partition=short",
        "runtime=60",
        "mem_mb=8000",
    ]
    waiting = ["--slurm-init-seconds-before-status-checks", 1, "--latency-wait", 1]
    code, output = snakemake(
        place, model.relative_to(place), "--profile", "Research/Experiments/profiles/slurm", *resources, *waiting, *more,
        commands=commands,
    )  # fmt: skip
    assert code == 0, output
    arguments = (tmp_path / "asked").read_text()
    assert "-t 720" in arguments
    assert "--mem 12000" in arguments
    assert ("--gpus=1" in arguments) is asked


def test_a_model_that_is_there_is_not_trained_again(place):
    for size in (100, 400):
        model = place / f"runs/sweep/latent-{size:03d}/latent-{size:03d}.safetensors"
        model.parent.mkdir(parents=True)
        model.touch()
    code, output = local(place, "--dry-run", config="full")
    assert code == 0, output
    assert jobs(output)["train"] == len(SIZES) - 2


def test_each_part_of_the_context_detector_is_left_out_once(place):
    (place.parent / "shared" / "data").mkdir(parents=True)
    code, output = local(place, "--dry-run", "--printshellcmds", config="full")
    assert code == 0, output
    assert jobs(output)["train_detector"] == 4
    assert jobs(output)["detectors"] == 1
    assert re.search(r"train-context .*--name no-mining .*--no-mining", output)


def test_a_training_that_was_stopped_goes_on_from_its_checkpoint(place, tmp_path):
    """The program is replaced by one that breaks off at first, and is done when it meets its own checkpoint."""
    package = tmp_path / "program" / "AnomalyDetectionLib"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--output') + 1])\n"
        "folder.mkdir(parents=True, exist_ok=True)\n"
        "checkpoint = folder / 'checkpoint.safetensors'\n"
        "if not checkpoint.exists():\n"
        "    checkpoint.touch()\n"
        "    sys.exit(1)\n"
        "(folder / 'latent-050.safetensors').touch()\n"
    )
    scans = place / "runs" / "reproduce" / "scans.npz"
    scans.parent.mkdir(parents=True)
    scans.touch()
    model = "runs/reproduce/sweep/latent-050/latent-050.safetensors"
    code, output = local(place, model, program=package.parent)
    assert code != 0
    assert (place / model).with_name("checkpoint.safetensors").exists()
    code, output = local(place, model, program=package.parent)
    assert code == 0, output
    assert (place / model).exists()


def test_it_has_to_be_said_which_experiments(place):
    code, output = snakemake(place, "--profile", "Research/Experiments/profiles/local", "--dry-run")
    assert code != 0
    assert "--configfile Research/Experiments/reduced.yaml" in output
