"""A command of ours run as a user runs it, with its times and its memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_EVERY_S = 0.01


@dataclass(frozen=True)
class Measured:
    """One run of `detect`.

    Attributes:
        start_s: until the first stage begins: Python itself and all imports.
        run_s: from there to the end of the process.
        peak_bytes: the most resident memory of the process (and its children) at any moment.
        record: the content of findings.json.
    """

    start_s: float
    run_s: float
    peak_bytes: int
    record: dict[str, Any]

    @property
    def stages(self) -> dict[str, float]:
        """Seconds by stage, as the run itself noted them."""
        return self.record["run"]["seconds"]


def detect(t1: Path, flair: Path, output: Path, *options: str) -> Measured:
    """Run `python -m AnomalyDetectionLib detect`.

    Raises:
        RuntimeError: with the command's own words, if it fails.
    """
    command = [sys.executable, "-m", "AnomalyDetectionLib", "detect", "--t1", str(t1), "--flair", str(flair)]
    command += ["--output", str(output), "--progress", "json", *options]
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as complaint:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaint, text=True) as process:
            watch = _PeakMemory(process.pid)
            watch.start()
            assert process.stdout is not None
            process.stdout.readline()  # "reading": the imports are done
            started = time.perf_counter()
            for _ in process.stdout:
                pass
        ended = time.perf_counter()
        watch.join()
        if process.returncode != 0:
            complaint.seek(0)
            raise RuntimeError(f"detect ended with {process.returncode}: {complaint.read().strip()}")
    record = json.loads((output / "findings.json").read_text("utf-8"))
    return Measured(started - begin, ended - started, watch.peak_bytes, record)


class _PeakMemory(threading.Thread):
    """Looks at a process and its children a hundred times a second.

    What the system counts itself (ru_maxrss) would include the memory of this process, which the new one
    shares until it begins its own program.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._process = psutil.Process(pid)

    def run(self) -> None:
        while True:
            try:
                family = [self._process, *self._process.children(recursive=True)]
                resident = sum(member.memory_info().rss for member in family)
                if resident == 0 or self._process.status() == psutil.STATUS_ZOMBIE:
                    return
            except psutil.NoSuchProcess:
                if not self._process.is_running():
                    return
                continue
            self.peak_bytes = max(self.peak_bytes, resident)
            time.sleep(_EVERY_S)
