"""Find the devices by asking the engine in the background, as torch is slow to import."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from ..errors import InputError
from ..scene.engine_job import EngineJob
from .first_run import missing_requirements
from .slicer_python import start_engine
from .widgets import timer


class Devices:
    """Finds the devices once, and reports them by calling `say`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._found: list[dict[str, Any]] | None = None
        self._job: EngineJob | None = None
        self._timer = timer(250, self._poll, repeat=True)

    def gpu(self) -> str:
        """The engine's name of the GPU: the one that was found, else the usual one for this system."""
        for device in self._found or ():
            if device["device"] != "cpu":
                return str(device["device"])
        return "mps" if sys.platform == "darwin" else "cuda"

    def look(self) -> None:
        """Start looking for devices, unless they are known."""
        if self._found is not None or self._job is not None:
            return
        if missing_requirements():
            self._say(_("Known after the first run, when torch is installed."))
            return
        self._say(_("Looking for a GPU ..."))
        try:
            self._job = start_engine("devices", "--progress", "json")
        except (InputError, OSError) as error:
            self._say(str(error))
            return
        self._timer.start()

    def stop(self) -> None:
        """Stop looking."""
        self._timer.stop()
        job, self._job = self._job, None
        if job is not None:
            job.cancel()

    def _poll(self) -> None:
        job = self._job
        if job is None or job.state == "running":
            return
        state, error, records = job.state, job.error, job.records
        self.stop()
        if state != "done":
            self._say(error)
            return
        self._found = [record for record in records if {"device", "name"} <= record.keys()]
        if not self._found:
            self._say(_("The devices could not be determined: use the CPU, or see the log."))
            return
        gpus = [str(device["name"]) for device in self._found if device["device"] != "cpu"]
        cpus = [str(device["name"]) for device in self._found if device["device"] == "cpu"]
        found = _("Found: {devices}.").format(devices=", ".join([*gpus, *cpus]))
        self._say(found if gpus else found + " " + _("No GPU; the CPU is used."))
