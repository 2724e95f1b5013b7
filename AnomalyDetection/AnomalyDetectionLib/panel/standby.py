"""An engine that stands by for the click on Detect, so that its two seconds of imports are over by then."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import InputError
from ..scene.engine_job import StandbyEngine
from . import first_run
from .widgets import timer

AFTER_MS = 2000
"""How long Detect has been enabled before an engine is started: meanwhile Slicer may still be loading images."""

AFTER_RESULT_MS = 30_000
"""The same where the pair has a result: first the reader has the cores, for its views."""

AT_MOST_MS = 10 * 60_000  # how long an engine stands by, as it holds 0.4 GB of memory


class Standby:
    """At most one engine that stands by."""

    def __init__(self, start: Callable[[], StandbyEngine]) -> None:
        self._start_engine = start
        self._engine: StandbyEngine | None = None
        self._start_timer = timer(AFTER_MS, self._start)
        self._end_timer = timer(AT_MOST_MS, self.stop)
        self._wanted = (False, False)

    def want(self, wanted: bool, *, again: bool = False) -> None:
        """Called when that may have changed: whether Detect could be clicked now, and whether the pair has a result."""
        if (wanted, again) == self._wanted:
            return
        self._wanted = wanted, again
        if wanted and self._engine is None:
            self._start_timer.setInterval(AFTER_RESULT_MS if again else AFTER_MS)
            self._start_timer.start()
        elif not wanted:
            self.stop()

    def take(self) -> StandbyEngine | None:
        """The engine, which is the caller's from now on; None if there is none."""
        engine, self._engine = self._engine, None
        self.stop()
        self._wanted = (False, False)
        return engine

    def stop(self) -> None:
        """End the engine, if there is one."""
        self._start_timer.stop()
        self._end_timer.stop()
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.cancel()

    def _start(self) -> None:
        if first_run.missing_requirements():
            return
        try:
            self._engine = self._start_engine()
        except InputError:  # Detect says why
            return
        self._end_timer.start()
