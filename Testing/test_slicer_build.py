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
    options = [f"-DSlicer_DIR={STAND_IN}", f"-DCMAKE_INSTALL_PREFIX={installed}"]
    configure = [cmake, "-S", REPOSITORY, "-B", build, *options]
    steps = (configure, [cmake, "--build", build], [cmake, "--install", build])
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

    def python(*arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=modules, env={**os.environ, "PYTHONPATH": str(modules)}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = python("-m", "AnomalyDetectionLib", "models", "list")
    assert done.returncode == 0, done.stderr
    assert "paper" in done.stdout
    assert "context" in done.stdout
    there, here = (
        {
            path.relative_to(root).as_posix()
            for path in root.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        for root in (modules, REPOSITORY / "AnomalyDetection")
    )
    wanted = {name for name in here if not name.endswith("CMakeLists.txt")}
    assert there == wanted  # the whole engine, and nothing of research
    where = python("-c", "import AnomalyDetectionLib; print(AnomalyDetectionLib.__file__)")
    assert where.stdout.strip().startswith(str(modules))
