"""The extension's CMake files, configured and installed against a stand-in for a Slicer build tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from conftest import REPOSITORY

STAND_IN = REPOSITORY / "Testing" / "slicer_build"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The build and the installed tree."""
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is not here")
    if not (shutil.which("make") and shutil.which("cc")):
        pytest.skip("what cmake builds with (make, cc) is not here")
    build, installed = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("installed")
    steps = (
        [
            cmake,
            "-S",
            REPOSITORY,
            "-B",
            build,
            f"-DSlicer_DIR={STAND_IN}",
            f"-DCMAKE_INSTALL_PREFIX={installed}",
        ],
        [cmake, "--build", build],
        [cmake, "--install", build],
    )
    for step in steps:
        done = subprocess.run([*map(str, step)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return build, installed


def test_the_extensions_manager_is_told_what_there_is(tree):
    lines = (tree[0] / "description.txt").read_text("utf-8").splitlines()
    told = dict(line.split("=", 1) for line in lines)
    assert told["NAME"] == "AnomalyDetection"
    assert told["DEPENDS"] == "PyTorch"
    assert "Research use only" in told["DESCRIPTION"]
    assert all(told.values())


def test_the_modules_test_is_registered_for_ctest(tree):
    ctest = shutil.which("ctest")
    if ctest is None:
        pytest.skip("ctest is not here")
    done = subprocess.run([ctest, "-N"], cwd=tree[0], capture_output=True, text=True, check=True)
    assert "py_AnomalyDetection.py" in done.stdout


def test_the_installed_tree_holds_a_whole_engine(tree):
    modules = tree[1] / "lib" / "Slicer" / "qt-scripted-modules"
    assert (modules / "AnomalyDetection.py").is_file()
    environment = {**os.environ, "PYTHONPATH": str(modules)}
    done = subprocess.run(
        [sys.executable, "-m", "AnomalyDetectionLib", "models", "list"],
        cwd=modules, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "paper" in done.stdout
    assert "context" in done.stdout
    here = REPOSITORY / "AnomalyDetection"
    wanted = {
        path.relative_to(here).as_posix()
        for path in here.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "CMakeLists.txt"
    }
    there = {
        path.relative_to(modules).as_posix()
        for path in modules.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert there == wanted  # the whole engine, and nothing of research
    where = subprocess.run(
        [sys.executable, "-c", "import AnomalyDetectionLib; print(AnomalyDetectionLib.__file__)"],
        cwd=modules, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.strip().startswith(str(modules))
