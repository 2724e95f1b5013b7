"""What the scene asks of the engine in a process of its own, in a folder that goes with it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..engine.process import EngineRun
from ..engine.records import Progress
from ..files.run_folders import new_folder


class EngineJob:
    """A run that is going on, until it is finished or nothing of it is left.

    Args:
        temporary: where the run's own folder is made; it is removed when the run has ended, however it did.

    Raises:
        InputError: the folder cannot be made.
    """

    _run: EngineRun

    def __init__(self, temporary: Path | None) -> None:
        """Nothing is started yet."""
        self._folder = new_folder(temporary)
        self._names: dict[str, str] = {}
        """What the panel calls the paths that the engine is given."""

    def _start(
        self, python: Sequence[str], arguments: Sequence[str], environment: Mapping[str, str] | None
    ) -> None:
        """Start the engine; python is the command for it, and without an environment it has this process's."""
        library = Path(__file__).resolve().parents[2]
        self._run = EngineRun(python, arguments, self._folder, library=library, environment=environment)

    @property
    def state(self) -> str:
        """ "running", "done", "failed" or "cancelled"."""
        return self._run.state

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return self._run.seconds

    @property
    def error(self) -> str:
        """Why it failed, in one sentence."""
        return self._named(self._run.error)

    @property
    def log(self) -> str:
        """All that the engine wrote, for Details."""
        return self._run.log

    def poll(self) -> list[Progress]:
        """The progress since the last call; never waits."""
        return [replace(step, message=self._named(step.message)) for step in self._run.poll()]

    def wait(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        """Until the run has ended."""
        self._run.wait(on_progress)

    def cancel(self) -> None:
        """End the run; no process and no file of it stays. Safe to call at any time, and twice."""
        self._run.cancel(timeout=0)  # at once: what it wrote so far is in the folder that goes
        self._remove_folder()

    def _named(self, sentence: str) -> str:
        """With the names of the volumes, where it has paths of temporary files, which mean nothing to anybody."""
        paths = "|".join(map(re.escape, sorted(self._names, key=len, reverse=True)))
        return re.sub(paths, lambda path: f'"{self._names[path[0]]}"', sentence) if paths else sentence

    def _remove_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
