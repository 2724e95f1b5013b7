"""Find the devices by asking the engine in the background, as torch is slow to import."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..engine.process import EngineRun
from ..errors import InputError
from ..files.run_folders import new_folder
from .first_run import missing_requirements
from .slicer_python import python_command


class Devices:
    """Finds the devices once, and reports them.

    Args:
        say: called with a message.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._found: list[dict[str, Any]] | None = None
        self._run: EngineRun | None = None
        self._folder: Path | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(250)
        self._timer.timeout.connect(self._poll)

    def gpu(self) -> str:
        """The engine's name of the GPU: the one that was found, else the usual one for this system."""
        for device in self._found or ():
            if device["device"] != "cpu":
                return str(device["device"])
        return "mps" if sys.platform == "darwin" else "cuda"

    def look(self) -> None:
        """Start looking for devices, unless they are known."""
        if self._found is not None or self._run is not None:
            return
        if missing_requirements():
            self._say(_("Known after the first run, when torch is installed."))
            return
        self._say(_("Looking for a GPU ..."))
        try:
            self._folder = new_folder(Path(slicer.app.temporaryPath))
            library = Path(__file__).resolve().parents[2]
            self._run = EngineRun(
                python_command(), ["devices", "--progress", "json"], self._folder, library=library
            )
        except (InputError, OSError) as error:
            self._end(str(error))
            return
        self._timer.start()

    def stop(self) -> None:
        """Stop looking."""
        self._timer.stop()
        if self._run is not None:
            self._run.cancel(timeout=0)
        self._end(None)

    def _poll(self) -> None:
        run = self._run
        if run is None or run.state == "running":
            return
        if run.state != "done":
            self._end(run.error)
            return
        self._found = [record for record in run.records if {"device", "name"} <= record.keys()]
        if not self._found:
            self._end(_("The devices could not be determined: use the CPU, or see the log."))
            return
        gpus = [str(device["name"]) for device in self._found if device["device"] != "cpu"]
        cpus = [str(device["name"]) for device in self._found if device["device"] == "cpu"]
        found = _("Found: {devices}.").format(devices=", ".join([*gpus, *cpus]))
        self._end(found if gpus else found + " " + _("No GPU; the CPU is used."))

    def _end(self, text: str | None) -> None:
        self._timer.stop()
        self._run = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        if text is not None:
            self._say(text)
