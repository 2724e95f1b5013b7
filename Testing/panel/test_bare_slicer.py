import os
import subprocess
import sys

import pytest
from conftest import REPOSITORY

TO_COME = "torch click highdicom jinja2 nibabel deepbet matplotlib safetensors tqdm PIL"


def test_the_module_opens_where_the_packages_of_the_first_run_are_still_to_come():
    """The stage bare_slicer of .ci/run, in an environment that has them: an import of one of them fails all the same."""
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    pytest.importorskip("PySide6", reason="PySide6 is not installed")
    code = f"import runpy, sys; sys.modules.update(dict.fromkeys({TO_COME.split()}));"
    code += "runpy.run_path('.ci/bare_slicer.py')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "the panel opened" in done.stdout
