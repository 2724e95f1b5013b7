"""In the place of the engine's `worklist`: the list that lies in the results, as it is, or gone on with.

A file `slow` beside the results: a study that waits is begun and never ends; `fail`: say one sentence and end.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from AnomalyDetectionLib.reporting.worklist_file import read_worklist, write_worklist


def main(arguments: list[str]) -> int:
    source, results = map(Path, arguments[1:3])
    if (source / "fail").exists():
        sentence = f"{source} holds no study."
        print("a line of the log", file=sys.stderr)
        print(json.dumps({"stage": "error", "message": sentence, "code": 2}), flush=True)
        return 2
    worklist = read_worklist(results)
    if worklist is None or "--list" in arguments:
        return 0
    for entry in [entry for entry in worklist.entries if entry.state not in ("done", "failed")]:
        write_worklist(worklist.with_entry(replace(entry, state="running")), results)
        if (source / "slow").exists():
            time.sleep(600)
        worklist = worklist.with_entry(replace(entry, state="failed", reason="it is only a test"))
        write_worklist(worklist, results)
    return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[3:]))  # fake_worklist.py -m AnomalyDetectionLib worklist ...
