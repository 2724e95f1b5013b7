"""An engine that is started before there is a job for it, as its imports take two seconds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..engine.job import Job, standby_arguments
from ..engine.process import EngineRun
from .engine_job import EngineJob

_JOB = "job.json"


class StandbyEngine(EngineJob):
    """A running engine that waits for its job. It ends with this process; until it has a job, `cancel` ends it, too.

    Args:
        temporary: folder in which it creates its own folder.

    Raises an InputError if the folder cannot be created.
    """

    def __init__(self, python: Sequence[str], temporary: Path | None) -> None:
        super().__init__(temporary)
        self._start(python, standby_arguments(self._folder / _JOB, os.getpid()))

    def run(self, job: Job) -> EngineRun:
        """Let it run the job; its seconds count from now on.

        Raises an OSError if the job cannot be written.
        """
        job.write(self._folder / _JOB)
        self._run.restart_clock()
        return self._run
