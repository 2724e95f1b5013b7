"""Malformed inputs to every reader of the program, each either read properly or refused in one sentence.

    python Testing/fuzz/fuzz.py --inputs 1000 --seconds 600 --seed 0

Inputs are read by processes of their own (`reader.py`), so that a crash, a hang and too much memory are noticed, too.
What went wrong is kept, with the input, in --keep.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parent))
import malformed

MOST_SECONDS = 10.0
"""An input that takes longer to read or to be refused hangs."""
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Answer:
    """What came of one input: "read", "refused", "wrong", "crash" or "hang"."""

    kind: str
    number: int
    outcome: str
    detail: str
    seconds: float

    @property
    def fine(self) -> bool:
        """Whether this is how it should be."""
        return self.outcome in ("read", "refused")


class Reader:
    """A process that reads one input after the other; a new one takes its place when it dies."""

    def __init__(self, good: Path) -> None:
        self._good, self._process = good, None

    def read(self, kind: str, path: Path) -> tuple[str, str, float]:
        """Outcome, detail and seconds."""
        if self._process is None:
            self._start()
        process, began = self._process, time.perf_counter()
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps({"kind": kind, "path": str(path)}) + "\n")
            process.stdin.flush()
            line = self._lines.get(timeout=MOST_SECONDS)
        except (queue.Empty, BrokenPipeError):
            line = None if process.poll() is None else ""
        seconds = time.perf_counter() - began
        if line:
            answer = json.loads(line)
            return answer["outcome"], answer["detail"], answer["seconds"]
        self.end()
        return ("hang" if line is None else "crash"), f"exit code {process.returncode}", seconds

    def end(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        here = Path(__file__).resolve().parent
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", str(here / "reader.py"), str(self._good)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
            env={**os.environ, "OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"},
        )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, args=(self._process.stdout, self._lines), daemon=True).start()
        if not self._lines.get(timeout=_START_SECONDS):
            raise RuntimeError("the reader does not start")

    @staticmethod
    def _listen(stream: object, lines: queue.Queue[str]) -> None:
        for line in stream:  # type: ignore[attr-defined]
            lines.put(line)
        lines.put("")  # it has ended


def good_scans(folder: Path) -> Path:
    """A T1 and a FLAIR that can be read, in a folder."""
    folder.mkdir()
    for seed, name in enumerate(("T1", "FLAIR")):
        voxels = np.random.default_rng(seed).integers(1, 900, (6, 12, 12)).astype(np.int16)
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(folder / f"{name}.nii.gz"))
    return folder


def run(
    inputs: int,
    seconds: float,
    seed: int,
    kinds: Sequence[str],
    *,
    keep: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Answer]:
    """Try so many inputs, the kinds in turn, or as many as fit into the time.

    Args:
        seed: the same inputs for the same seed.
        keep: folder for the inputs that went wrong.
    """
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    answers = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        root = Path(temporary)
        reader = Reader(good_scans(root / "good"))
        until = time.monotonic() + seconds
        try:
            for number in range(inputs):
                if time.monotonic() > until:
                    break
                kind = kinds[number % len(kinds)]
                above = root / f"{number}"
                folder = above / "case"
                folder.mkdir(parents=True)
                canary = above / malformed.CANARY
                canary.write_bytes(b"\x2a\x00" * 4000)
                path = malformed.KINDS[kind](folder, random.Random(f"{seed} {kind} {number}"))
                copy = shutil.copytree(folder, above / "copy", symlinks=True)
                outcome, detail, took = reader.read(kind, path)
                if outcome in ("read", "refused") and canary.read_bytes() != b"\x2a\x00" * 4000:
                    outcome, detail = "wrong", "a file outside the input's folder was changed"
                answers.append(Answer(kind, number, outcome, detail, took))
                if not answers[-1].fine:
                    say(f"{kind} {number}: {outcome}: {detail[:300]}")
                    if keep is not None:
                        kept = keep / f"{kind}-{seed}-{number}"
                        shutil.copytree(copy, kept, symlinks=True, dirs_exist_ok=True)
                shutil.rmtree(above)
        finally:
            reader.end()
    return answers


def summary(answers: Sequence[Answer]) -> str:
    """A table: inputs by kind and outcome, and the slowest."""
    outcomes = ("read", "refused", "wrong", "crash", "hang")
    lines = [f"{'':<20}" + "".join(f"{name:>9}" for name in outcomes) + f"{'slowest':>10}"]
    for kind in (*dict.fromkeys(answer.kind for answer in answers), "together"):
        these = [answer for answer in answers if kind in (answer.kind, "together")]
        row = [sum(answer.outcome == name for answer in these) for name in outcomes]
        slowest = max((answer.seconds for answer in these), default=0.0)
        lines.append(f"{kind:<20}" + "".join(f"{count:>9}" for count in row) + f"{slowest:>9.1f}s")
    return "\n".join(lines)


def main() -> int:
    """The command."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    add, kinds = parser.add_argument, list(malformed.KINDS)
    add("--inputs", type=int, default=1000)
    add("--seconds", type=float, default=600.0)
    add("--seed", type=int, default=0)
    add("--kind", action="append", choices=kinds, help="only these; give several")
    add("--keep", type=Path, default=Path("fuzz-output"), help="folder for inputs that went wrong")
    options = parser.parse_args()
    given = (options.inputs, options.seconds, options.seed, options.kind or kinds)
    answers = run(*given, keep=options.keep, say=lambda line: print(line, flush=True))
    print(summary(answers))
    return 0 if all(answer.fine for answer in answers) else 1


if __name__ == "__main__":
    sys.exit(main())
