"""The engine as a process of its own: start it, hear how far it is, end it with all that belongs to it.

For programs that must stay responsive, such as 3D Slicer. Files take the place of pipes, so that nothing has to
be read in time, and nothing here waits but `wait` and `cancel`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from .records import Failure, Progress, record_of

PROGRESS, LOG = "progress.jsonl", "log.txt"

DYING_S = 0.5
"""How long the children of a process that was killed may take to be gone."""


class EngineRun:
    """One run of `python -m AnomalyDetectionLib`, from its start on."""

    def __init__(
        self,
        python: Sequence[str],
        arguments: Sequence[str],
        folder: Path,
        *,
        library: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the engine. One that cannot be started is a run that failed; no exception is raised.

        Args:
            python: the command that starts Python, such as `[sys.executable]`, or PythonSlicer's path.
            arguments: of the engine's command line, such as those of `Job.write`.
            folder: the run's own, which is there already. Progress and log are written into it.
            library: the folder that holds the package AnomalyDetectionLib.
            environment: to start from; None: this process's own.
        """
        self._folder = Path(folder)
        self._began = time.monotonic()
        self._ended: float | None = None
        self._cancelled = False
        self._kept_log: str | None = None
        self._kept_error = ""
        self._read = 0  # bytes of the progress file
        self._process: subprocess.Popen[bytes] | None = None
        self._not_started = ""
        command = [*python, "-m", "AnomalyDetectionLib", *arguments]
        try:
            with (self._folder / PROGRESS).open("wb") as out, (self._folder / LOG).open("wb") as log:
                self._process = _start(command, out, log, _environment(environment, Path(library)), library)
        except (OSError, ValueError) as error:
            self._ended = self._began
            reason = getattr(error, "strerror", None) or error
            self._not_started = f"The engine could not be started with {command[0]} ({reason})."

    @property
    def state(self) -> str:
        """ "running", "done", "failed" or "cancelled"."""
        if self._process is None:
            return "failed"
        code = self._process.poll()
        if code is not None and self._ended is None:
            self._ended = time.monotonic()
            _end_group(self._process.pid)  # a launcher that was killed leaves the Python it started
            # Whoever owns the folder may remove it now.
            self._kept_log, self._kept_error = self._log_file(), _last_error(self.records)
        if self._cancelled:
            return "cancelled"
        if code is None:
            return "running"
        return "done" if code == 0 else "failed"

    @property
    def seconds(self) -> float:
        """Since the run began, or what it took."""
        _ = self.state
        return (time.monotonic() if self._ended is None else self._ended) - self._began

    @property
    def log(self) -> str:
        """All that the engine and its libraries had to say besides the progress."""
        _ = self.state
        return self._log_file() if self._kept_log is None else self._kept_log

    @property
    def records(self) -> list[dict[str, Any]]:
        """What the engine wrote to standard output: its records, without the lines that others wrote there."""
        try:
            lines = (self._folder / PROGRESS).read_bytes().splitlines()
        except OSError:
            return []
        return [record for line in lines if (record := record_of(line)) is not None]

    @property
    def error(self) -> str:
        """Why the run failed, in one sentence; empty as long as it did not.

        It is the engine's own record or, where that had no time for one, what its exit code means. What it and its
        libraries print is for people to read, and nothing is read from it.
        """
        state = self.state
        if state == "cancelled":
            return "Cancelled; nothing of the run is left."
        if state != "failed":
            return ""
        if self._process is None:
            return self._not_started
        code = self._process.returncode
        if code in (-9, 137):
            return (
                "The engine was killed by the system, most likely because the memory ran out: close other "
                "programs and try again."
            )
        if code < 0 or code >= 0xC0000000:  # from there on they are Windows's names for crashes
            return f"The engine crashed or was ended by another program (code {code}): try again."
        if self._kept_error:
            return self._kept_error
        if self.log.strip():
            return f"The engine broke off before it could say why (code {code}): report it with the log under Details."
        return (
            f"The engine ended without a word (code {code}), perhaps because the memory ran out: close other "
            "programs and try again."
        )

    def poll(self) -> list[Progress]:
        """What was reported since the last call. A line that is not complete yet waits for the next one."""
        try:
            with (self._folder / PROGRESS).open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except OSError:
            return []
        complete = new[: new.rfind(b"\n") + 1]
        self._read += len(complete)
        records = [record_of(line) or {} for line in complete.splitlines()]
        return [step for record in records if (step := Progress.of(record)) is not None]

    def wait(self, on_progress: Callable[[Progress], None] | None = None, every: float = 0.05) -> None:
        """Wait until the run has ended.

        Args:
            on_progress: called with each report. What it raises leaves the run going on.
            every: seconds between two looks.
        """
        while True:
            running = self.state == "running"
            for progress in self.poll():
                if on_progress is not None:
                    on_progress(progress)
            if not running:
                return
            time.sleep(every)

    def cancel(self, timeout: float = 5.0) -> None:
        """End the run with every process that it started, and remove what is in its folder.

        The folder itself, now empty, is left to whoever made it. Without effect on a run that has ended,
        whose results and log stay. Safe to call twice.

        Args:
            timeout: seconds that the engine has to leave by itself before it is killed. 0 kills at once:
                nothing is lost by it, for what was written is removed here.
        """
        if self._process is None or self.state != "running":
            return
        self._cancelled = True
        _end_tree(self._process, timeout)
        _ = self.state  # notes time and log
        _empty(self._folder)

    def _log_file(self) -> str:
        try:
            return (self._folder / LOG).read_text("utf-8", errors="replace")
        except OSError:
            return ""


def _start(
    command: Sequence[str], out: IO[bytes], log: IO[bytes], environment: dict[str, str], library: Path
) -> subprocess.Popen[bytes]:
    """The process as the first of a group of its own, so that the group can be ended as a whole.

    It starts in the library's folder, where `python -m` finds the package even if a launcher, such as
    PythonSlicer, sets a PYTHONPATH of its own.
    """
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=log,
        env=environment,
        cwd=str(library),
        **apart,
    )


def _environment(given: Mapping[str, str] | None, library: Path) -> dict[str, str]:
    environment = dict(os.environ if given is None else given)
    before = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([str(library), before] if before else [str(library)])
    environment["PYTHONUTF8"] = "1"  # names in the log are any language's
    return environment


def _last_error(records: Sequence[Mapping[str, Any]]) -> str:
    failures = [failure for record in records if (failure := Failure.of(record)) is not None]
    return failures[-1].message if failures else ""


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
        while time.monotonic() < until:
            gone = process.poll() is not None
            if gone and not _group_is_there(process.pid):
                break
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
    """Kill what is left of a group of processes, at once."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


def _empty(folder: Path) -> None:
    """Remove all that is in a folder; a file that an ended process still holds is gone a moment later."""
    for _ in range(20):
        for path in list(folder.iterdir()) if folder.is_dir() else []:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        time.sleep(0.1)
