"""A run of the engine for the scene, in a separate process and a temporary folder."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..engine.job import Job, standby_arguments
from ..engine.process import EngineRun
from ..engine.records import Progress
from ..files.run_folders import new_folder

_JOB = "job.json"


class EngineJob:
    """A running engine, until it is finished or cancelled.

    Raises an InputError if the folder cannot be created.
    """

    _run: EngineRun

    def __init__(self, temporary: Path | None) -> None:
        """Create the folder; the engine is started by `start`."""
        self._folder = new_folder(temporary)
        self._names: dict[str, str] = {}
        """The names that messages show in place of the paths passed to the engine."""

    def start(self, python: Sequence[str], arguments: Sequence[str]) -> None:
        """Start the engine with `python`, the command that starts Python."""
        library = Path(__file__).resolve().parents[2]
        self._run = EngineRun(python, arguments, self._folder, library=library)

    @property
    def state(self) -> str:
        """ "running", "done", "failed" or "cancelled"."""
        return self._run.state

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return self._run.seconds

    @property
    def error(self) -> str:
        """Why it failed, in one sentence."""
        return self._named(self._run.error)

    @property
    def log(self) -> str:
        """The engine's log, for Details."""
        return self._run.log

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records that it has written so far."""
        return self._run.records

    def poll(self) -> list[Progress]:
        """The progress since the last call; does not wait."""
        return [replace(step, message=self._named(step.message)) for step in self._run.poll()]

    def wait(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        """Wait until the run has ended."""
        self._run.wait(on_progress)

    def cancel(self) -> None:
        """End the run and remove its processes and files. Safe to call at any time, also twice."""
        self._run.cancel(timeout=0)  # at once, as its files are removed anyway
        self._remove_folder()

    def _named(self, sentence: str) -> str:
        """The text with the names of volumes in place of the paths of temporary files."""
        paths = "|".join(map(re.escape, sorted(self._names, key=len, reverse=True)))
        return re.sub(paths, lambda path: f'"{self._names[path[0]]}"', sentence) if paths else sentence

    def _remove_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


class StandbyEngine(EngineJob):
    """An engine that is started before there is a job for it, as its imports take two seconds.

    It ends with this process; until it has a job, `cancel` ends it, too.
    """

    def __init__(self, python: Sequence[str], temporary: Path | None) -> None:
        super().__init__(temporary)
        self.start(python, standby_arguments(self._folder / _JOB, os.getpid()))

    def run(self, job: Job) -> EngineRun:
        """Let it run the job; its seconds count from now on. Raises an OSError if the job cannot be written."""
        job.write(self._folder / _JOB)
        self._run.restart_clock()
        return self._run
