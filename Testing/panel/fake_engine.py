"""In the place of the engine: `python fake_engine.py WHAT FOLDER -m AnomalyDetectionLib run JOB ...`.

replay: give the results of FOLDER, at once, also of `detect` and of the studies of a worklist;
slow: start a child and never end; fail: say one sentence and end; break: the real engine, with a fault in it; die: be killed by the system.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


def main(what: str, recording: Path, arguments: list[str]) -> int:
    if arguments[0] != "run":
        return of_another_command(recording, arguments)
    while "--standby-for" in arguments and not Path(arguments[1]).exists():
        time.sleep(0.01)
    job = json.loads(Path(arguments[1]).read_text("utf-8"))
    output = Path(job["output"])
    report("read", 0.1, "Reading the images")
    if what == "replay":
        report("score", 0.9, f"Scoring patches of {job['t1']}")
        shutil.copytree(recording / "score_map", output / "score_map")
        shutil.copy(recording / "findings.json", output / "provenance.json")
    elif what == "slow":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (recording / "processes.txt").write_text(f"{os.getpid()} {child.pid}")
        time.sleep(600)
    elif what == "fail":
        print("a line of the log", file=sys.stderr)
        sentence = f"{job['t1']} holds the same value everywhere: give another T1."
        print(json.dumps({"stage": "error", "message": sentence, "code": 2}), flush=True)
        print(sentence, file=sys.stderr)
        print("and a library's last words", file=sys.stderr)
        return 2
    elif what == "break":
        from AnomalyDetectionLib import cli
        from AnomalyDetectionLib.detection import pipeline

        pipeline.read_study = lambda *_, **__: {}["a fault of ours"]
        cli.main(arguments)
    elif what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return 0


def of_another_command(recording: Path, arguments: list[str]) -> int:
    """The real one, but that no study is analysed, of a worklist or alone: each gets the results of FOLDER."""
    from AnomalyDetectionLib import cli
    from AnomalyDetectionLib.reporting.worklist_file import read_worklist, write_worklist

    if arguments[0] == "detect":
        shutil.copytree(recording, arguments[arguments.index("--output") + 1])
        return 0
    if arguments[0] != "worklist" or "--list" in arguments:
        cli.main(arguments)
    results = Path(arguments[2])
    worklist = read_worklist(results)
    for entry in worklist.entries:
        shutil.copytree(recording, results / entry.place)
        worklist = worklist.with_entry(dataclasses.replace(entry, state="done", findings=8))
    write_worklist(worklist, results)
    return 0


def report(stage: str, fraction: float, message: str) -> None:
    print(json.dumps({"stage": stage, "fraction": fraction, "message": message}), flush=True)


if __name__ == "__main__":
    # WHAT FOLDER -m AnomalyDetectionLib run JOB ...
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[5:]))
