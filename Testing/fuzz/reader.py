"""Reads inputs as the program would, one a line of standard input, and says what came of each: run by `fuzz.py`.

A crash, a hang or too much memory is for the one who started this process to notice.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.text import escape_controls

MOST_MEMORY = 6 << 30
MOST_FILE = 1 << 26


class Read(BaseException):
    """The input was read; what would follow is not this test's matter. No library catches it."""


def main(good: Path) -> None:
    """Answer each line {"kind", "path"} with a line {"outcome", "detail", "seconds"}.

    Args:
        good: a folder with a T1 and a FLAIR that can be used.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print what they like
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_FILE, MOST_FILE))
    readers = _readers(good)
    print('{"ready": true}', file=out, flush=True)
    for line in sys.stdin:
        case = json.loads(line)
        path = Path(case["path"])
        os.chdir(path.parent)
        before = time.perf_counter()
        outcome, detail = _outcome(readers[case["kind"]], path)
        seconds = round(time.perf_counter() - before, 3)
        answer = {"outcome": outcome, "detail": detail[:2000], "seconds": seconds}
        print(json.dumps(answer), file=out, flush=True)


def _outcome(read: Callable[[Path], None], path: Path) -> tuple[str, str]:
    before = _listing(path.parent)
    outcome, detail = "read", ""
    try:
        read(path)
    except Read:
        pass
    except InputError as error:
        outcome, detail = "refused", str(error)
        if read.__name__ == "<lambda>":  # the command line does it itself
            detail = escape_controls(detail)
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        outcome, detail = "wrong", f"{type(error).__name__}: {error} ({place})"
    if outcome == "refused":
        first = detail.split("\n")[0]  # series are listed after it
        own_faults = ("Traceback", "Not enough memory", "Something went wrong")
        if len(first) < 20 or any(words in detail for words in own_faults):
            outcome = "wrong"
        if _has_controls(detail):
            outcome, detail = "wrong", f"control characters in the sentence: {detail!r}"
    after = _listing(path.parent)
    if after != before:
        outcome, detail = "wrong", f"files changed: {sorted(after ^ before)}; {detail}"
    return outcome, detail


def _has_controls(text: str) -> bool:
    """Whether a text would do more to a terminal than to fill lines."""
    return any((ord(character) < 32 and character != "\n") or ord(character) == 127 for character in text)


def _listing(folder: Path) -> set[tuple[str, int]]:
    """What is in the case's folder, and beside it."""
    there = set()
    for place in (folder, folder.parent):
        for path in place.rglob("*") if place == folder else place.iterdir():
            with contextlib.suppress(OSError):
                there.add((str(path), path.stat().st_size if path.is_file() else -1))
    return there


def _readers(good: Path) -> dict[str, Callable[[Path], None]]:
    import AnomalyDetectionLib.detection.pipeline as whole_run
    from anomaly_research.evaluation.store import Store
    from anomaly_research.evaluation.truth import _table
    from anomaly_research.evaluation.truth_files import read_bids
    from anomaly_research.experiments.category_table import from_readers_tables
    from anomaly_research.training.anatomy_heads import read_heads
    from AnomalyDetectionLib import cli
    from AnomalyDetectionLib.calibration.prepare_scans import read_table
    from AnomalyDetectionLib.calibration.scan_file import read_scans
    from AnomalyDetectionLib.detection.detector import score
    from AnomalyDetectionLib.detection.findings import derive_findings
    from AnomalyDetectionLib.detection.nearest_normal import NormalTissue
    from AnomalyDetectionLib.detection.stored_scores import read_stored, restore
    from AnomalyDetectionLib.files.atomic_folder import atomic_folder
    from AnomalyDetectionLib.model.bundled import model_info
    from AnomalyDetectionLib.model.model_file import load_model
    from AnomalyDetectionLib.reporting.result_files import files_of_result
    from synthetic_study import prepared_study

    def read(*_arguments: object, **_options: object) -> None:
        raise Read

    def command(*arguments: object) -> None:
        """The command line within this process, up to where images have been read; its refusal as an InputError."""
        said = io.StringIO()
        with (
            mock.patch.object(whole_run, "prepare", read),
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(said),
        ):
            try:
                cli.main([str(argument) for argument in arguments])
            except SystemExit as left:
                text = said.getvalue()
                if _has_controls(text.replace("\r", "")):
                    raise RuntimeError(f"control characters for the terminal: {text[:300]!r}") from None
                if left.code == 2:
                    raise InputError(text.strip()) from None
                if left.code not in (0, None):
                    raise RuntimeError(text.strip()) from None

    def detect(path: Path, flair: Path | None = None, **options: object) -> None:
        more = [word for name, value in options.items() for word in (f"--{name}", value)]
        command("detect", "--t1", path, "--flair", flair or good / "FLAIR.nii.gz", "--output", path.parent / "results",
                "--progress", "none", "--device", "cpu", *more)  # fmt: skip

    def dicom(path: Path) -> None:
        """The folder as a study and as a series."""
        for arguments in (("series", path), ("detect", "--study", path, "--output", path.parent / "results")):
            with contextlib.suppress(InputError, Read):
                command(*arguments)
        detect(path)

    def model(path: Path) -> None:
        model_info(path)
        command("models", "show", path)
        made = load_model(str(path))
        tissue = NormalTissue.read(path)
        if tissue is not None:
            tissue.nearest(tissue.patches()[0])
        with mock.patch("AnomalyDetectionLib.detection.detector.anatomy_file", return_value=Path("absent")):
            scores = score(prepared_study(), made)
        derive_findings(scores, threshold=made.scoring.threshold, min_patches=made.scoring.min_patches)
        detect(good / "T1.nii.gz", model=path)

    def record(path: Path) -> None:
        """A new result takes the place of the one that the record tells of."""
        content = path.read_bytes()
        with atomic_folder(path.parent, files_of_result(path.parent)) as beside:
            (beside / path.name).write_bytes(content)

    def arrays(path: Path) -> None:
        if path.name == "scans.npz":
            read_scans(path)
        elif path.name == "heads.npz":
            read_heads(path)
        else:
            store = Store(path.parent.parent)
            with mock.patch.object(Store, "_path", return_value=path):
                for way in (store.read_truth, store.read_prepared):
                    with contextlib.suppress(InputError):
                        way("subject")
                for way in (store.read_scores, store.read_curves):
                    with contextlib.suppress(InputError):
                        way("method", "subject")

    def scene(path: Path) -> None:
        from AnomalyDetectionLib.scene import findings_table, result_record

        content = json.loads(path.read_text("utf-8"))
        table = _table_node(content["rows"], content["history"])
        findings_table.rows(table, all=True)
        findings_table.can_undo(table)
        with contextlib.suppress(KeyError):
            findings_table.undo(table)
        text = SimpleNamespace(GetText=lambda: content["record"], GetName=lambda: "Record")
        result_record.read_record(text)

    def layout(path: Path) -> None:
        """Every session is a scan or a row, whatever is asked for; the rows are those of errors.csv."""
        from AnomalyDetectionLib.bids.selection import SelectionCriteria, select_scans
        from AnomalyDetectionLib.cohort.failures import CHOOSING, FailedScan, FailedScans

        for runs in ("refuse", "first", "last"):
            found = select_scans(path, SelectionCriteria(runs=runs))
            with tempfile.TemporaryDirectory() as output:
                failures = FailedScans(Path(output), Path(output) / "work")
                rows = [FailedScan(p.subject, p.session, CHOOSING, p.reason) for p in found.problems]
                failures.add(*rows)
                rows = failures.rows()
            if len(rows) != len(found.problems):
                raise RuntimeError(f"{len(found.problems)} problems, {len(rows)} rows")

    def cohort(path: Path) -> None:
        from AnomalyDetectionLib.bids.entity_filter import read_filter
        from AnomalyDetectionLib.cohort.dataset import WORK, Dataset
        from AnomalyDetectionLib.cohort.failures import FailedScans
        from AnomalyDetectionLib.cohort.summaries import read_summaries

        dataset = Dataset.open(path)
        list(read_summaries(dataset))
        FailedScans(path, path / WORK).rows()
        for record in dataset.records():
            with contextlib.suppress(InputError):
                read_filter(record)

    return {
        **dict.fromkeys(("NIfTI", "NRRD", "MetaImage", "wrapped image"), detect),
        "DICOM": dicom,
        "model": model,
        "BIDS": lambda path: (read_bids(path), None)[1],
        "layout of a dataset": layout,
        "findings table": lambda path: (from_readers_tables([path]), None)[1],
        "table of scans": lambda path: (read_table(path, path.parent), None)[1],
        "table of infarcts": lambda path: (_table(path), None)[1],
        "record of a result": record,
        "stored arrays": arrays,
        "stored scores": lambda path: (restore(read_stored(path)), None)[1],
        "scene": scene,
        "cohort results": cohort,
    }


def _table_node(rows: list[dict[str, Any]], history: str) -> SimpleNamespace:
    """As much of a vtkMRMLTableNode as is read from it."""
    columns = {name: [row.get(name, "") for row in rows] for name in rows[0]}
    names, attributes = list(columns), {"AnomalyDetection.History": history}

    def column(name: str) -> SimpleNamespace | None:
        if name not in columns:
            return None
        return SimpleNamespace(
            GetValue=lambda index: columns[name][index], GetNumberOfTuples=lambda: len(rows)
        )

    node = SimpleNamespace(
        GetMTime=lambda: 0,  # nothing is ever written
        GetName=lambda: "Findings",
        GetNumberOfColumns=lambda: len(names),
        GetNumberOfRows=lambda: len(rows),
        GetColumnName=lambda index: names[index],
        GetColumnIndex=names.index,
        GetColumnByName=column,
        GetAttribute=attributes.get,
        SetAttribute=attributes.__setitem__,
        SetCellText=lambda *_: None,
        StartModify=lambda: False,
        EndModify=lambda _: None,
    )
    node.GetTable = node.GetRowData = lambda: node
    return node


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main(Path(sys.argv[1]))
