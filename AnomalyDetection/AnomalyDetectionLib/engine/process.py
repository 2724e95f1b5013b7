"""The engine as a separate process: start it, follow its progress, end it with all its child processes.

For programs that must stay responsive, such as 3D Slicer. Output goes to files, not pipes, so it need not be read
promptly; only `wait` and `cancel` block.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from .records import Failure, Progress, record_of

PROGRESS, LOG = "progress.jsonl", "log.txt"

POLL_S = 0.05
DYING_S = 0.5
"""Seconds to wait for the children of a killed process to end."""


class EngineRun:
    """One run of `python -m AnomalyDetectionLib`."""

    def __init__(
        self, python: Sequence[str], arguments: Sequence[str], folder: Path, *, library: Path
    ) -> None:
        """Start the engine. If it cannot be started, the run is in the state "failed"; no exception is raised.

        Args:
            python: the command that starts Python, such as `[sys.executable]`, or PythonSlicer's path.
            arguments: of the engine's command line, such as those of `Job.write`.
            folder: for progress and log; it must exist and belong to this run alone.
            library: the folder that holds the package AnomalyDetectionLib.
        """
        self._folder = Path(folder)
        self._began = time.monotonic()
        self._ended: float | None = None
        self._cancelled = False
        self._kept_log: str | None = None
        self._reported = ""  # the engine's own sentence about why it failed
        self._read = 0  # bytes of the progress file
        self._process: subprocess.Popen[bytes] | None = None
        command = [*python, "-m", "AnomalyDetectionLib", *arguments]
        try:
            with (self._folder / PROGRESS).open("wb") as out, (self._folder / LOG).open("wb") as log:
                self._process = _start(command, out, log, library)
        except (OSError, ValueError) as error:
            self._ended = self._began
            reason = getattr(error, "strerror", None) or error
            self._reported = f"The engine could not be started with {command[0]} ({reason})."

    @property
    def state(self) -> str:
        """ "running", "done", "failed" or "cancelled"."""
        if self._process is None:
            return "failed"
        code = self._process.poll()
        if code is not None and self._ended is None:
            self._ended = time.monotonic()
            _end_group(self._process.pid)  # a launcher that was killed leaves the Python it started
            # The owner of the folder may remove it from now on.
            self._kept_log = self._log_file()
            failures = (Failure.of(record) for record in reversed(self.records))
            self._reported = next((failure.message for failure in failures if failure), "")
        if self._cancelled:
            return "cancelled"
        if code is None:
            return "running"
        return "done" if code == 0 else "failed"

    @property
    def seconds(self) -> float:
        """Seconds since the run began, or the duration of a run that has ended."""
        _ = self.state
        return (time.monotonic() if self._ended is None else self._ended) - self._began

    def restart_clock(self) -> None:
        """Count the seconds from now on, for an engine that was started before it had a job."""
        self._began = time.monotonic()

    @property
    def log(self) -> str:
        """Everything that the engine and its libraries printed, except the progress."""
        _ = self.state
        return self._log_file() if self._kept_log is None else self._kept_log

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records that the engine wrote to standard output, without lines that libraries printed there."""
        try:
            lines = (self._folder / PROGRESS).read_bytes().splitlines()
        except OSError:
            return []
        return [record for line in lines if (record := record_of(line)) is not None]

    @property
    def error(self) -> str:
        """Why the run failed, in one sentence; "" if it did not fail.

        The sentence comes from the engine's record or, if there is none, from its exit code. The log is for people and
        is never parsed.
        """
        state = self.state
        if state == "cancelled":
            return "Cancelled; all files of the run were removed."
        if state != "failed":
            return ""
        code = 1 if self._process is None else self._process.returncode
        if code in (-9, 137):
            return (
                "The engine was killed by the system, most likely because the memory ran out: close other "
                "programs and try again."
            )
        if code < 0 or code >= 0xC0000000:  # Windows reports crashes as codes from here on
            return f"The engine crashed or was ended by another program (code {code}): try again."
        if self._reported:
            return self._reported
        if self.log.strip():
            return f"The engine ended with an error that it could not report (code {code}): report it with its log."
        return (
            f"The engine ended without a message (code {code}), perhaps because the memory ran out: close other "
            "programs and try again."
        )

    def poll(self) -> list[Progress]:
        """The progress since the last call. An incomplete line is left for the next call."""
        try:
            new = (self._folder / PROGRESS).read_bytes()[self._read :]
        except OSError:
            return []
        complete = new[: new.rfind(b"\n") + 1]
        self._read += len(complete)
        records = [record_of(line) or {} for line in complete.splitlines()]
        return [step for record in records if (step := Progress.of(record)) is not None]

    def wait(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        """Wait until the run has ended.

        Args:
            on_progress: called with each report. If it raises an exception, the run continues.
        """
        while True:
            running = self.state == "running"
            for progress in self.poll():
                if on_progress is not None:
                    on_progress(progress)
            if not running:
                return
            time.sleep(POLL_S)

    def cancel(self, timeout: float = 5.0) -> None:
        """End the run with every process that it started, and empty its folder.

        The empty folder itself is kept. A run that has already ended keeps its results and log. Safe to call twice.

        Args:
            timeout: seconds that the engine gets to end by itself before it is killed; 0 kills it at once, which
                loses nothing, as its files are removed anyway.
        """
        if self._process is None or self.state != "running":
            return
        self._cancelled = True
        _end_tree(self._process, timeout)
        _ = self.state  # records the time and the log
        _empty(self._folder)

    def _log_file(self) -> str:
        try:
            return (self._folder / LOG).read_text("utf-8", errors="replace")
        except OSError:
            return ""


def _start(command: Sequence[str], out: IO[bytes], log: IO[bytes], library: Path) -> subprocess.Popen[bytes]:
    """Start the process as the leader of its own process group, so that the whole group can be ended.

    It runs in the library's folder, where `python -m` finds the package even if a launcher, such as PythonSlicer,
    overrides PYTHONPATH.
    """
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    paths = [str(library), *filter(None, [os.environ.get("PYTHONPATH")])]
    # UTF-8, for file names in the log may be in any language.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1"}
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, env=environment, cwd=library, **apart
    )


def _end_tree(process: subprocess.Popen[bytes], timeout: float) -> None:
    if sys.platform == "win32":
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)],
            capture_output=True,
            check=False,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
        with contextlib.suppress(OSError):
            process.kill()
    else:
        if timeout > 0:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGTERM)
        until = time.monotonic() + timeout
        while time.monotonic() < until and (process.poll() is None or _group_is_there(process.pid)):
            time.sleep(0.02)
        _end_group(process.pid)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    until = time.monotonic() + DYING_S
    while _group_is_there(process.pid) and time.monotonic() < until:
        time.sleep(0.01)


def _group_is_there(group: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def _end_group(group: int) -> None:
    """Kill the remaining processes of a group."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


def _empty(folder: Path) -> None:
    """Empty a folder; files that an ended process still holds open are tried again for two seconds."""
    for _ in range(20):
        left = list(folder.iterdir()) if folder.is_dir() else []
        if not left:
            return
        for path in left:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()
        if any(folder.iterdir()):
            time.sleep(0.1)
