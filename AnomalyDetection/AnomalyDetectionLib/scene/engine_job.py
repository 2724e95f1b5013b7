"""What the scene asks of the engine in a process of its own, in a folder that goes with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..engine.plain_words import plain_words
from ..engine.process import EngineRun, Progress
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
        """Why it failed, in one sentence, in the words of the panel."""
        return plain_words(self._run.error, self._names)

    @property
    def log(self) -> str:
        """All that the engine wrote, for Details."""
        return self._run.log

    def poll(self) -> list[Progress]:
        """The progress since the last call; never waits."""
        return self._run.poll()

    def wait(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        """Until the run has ended."""
        self._run.wait(on_progress)

    def cancel(self) -> None:
        """End the run; no process and no file of it stays. Safe to call at any time, and twice."""
        self._run.cancel(timeout=0)  # at once: what it wrote so far is in the folder that goes
        self._remove_folder()

    def _remove_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
