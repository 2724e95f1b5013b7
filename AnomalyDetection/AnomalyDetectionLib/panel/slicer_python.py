"""The engine in Slicer's own Python."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import slicer

from ..errors import InputError
from ..scene.engine_job import EngineJob


def start_engine(*arguments: str) -> EngineJob:
    """Start the engine with these arguments. Raises an InputError if Python or the temporary folder cannot be used."""
    python = python_command()
    job = EngineJob(Path(slicer.app.temporaryPath))
    job.start(python, arguments)
    return job


def python_command() -> list[str]:
    """The command that starts Slicer's own Python, with Slicer's packages. Raises an InputError if it is missing."""
    launcher = shutil.which("PythonSlicer")
    if launcher is None:
        beside = Path(slicer.app.slicerHome) / "bin" / "PythonSlicer"
        candidates = (beside, beside.with_suffix(".exe"))
        launcher = next((str(path) for path in candidates if path.is_file()), None)
    if launcher is None and Path(sys.executable).stem.lower().startswith("python"):
        launcher = sys.executable
    if launcher is None:
        raise InputError("Slicer's Python (PythonSlicer) was not found: install Slicer again.")
    return [launcher]
