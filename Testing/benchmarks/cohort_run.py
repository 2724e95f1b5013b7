"""A cohort of 50 simulated subjects, 5 of them broken: kills, scaling, ways to isolate scans, 10,000 records. In tables.

    python Testing/benchmarks/cohort_run.py prepare COHORT [--source SIMULATED]   # some 15 minutes without --source
    python Testing/benchmarks/cohort_run.py kills COHORT RESULTS                  # 50 subjects, 3 kills -9
    python Testing/benchmarks/cohort_run.py scaling COHORT RESULTS                # 1 and 2 workers; a quiet machine
    python Testing/benchmarks/cohort_run.py isolation COHORT RESULTS              # a process each, copies, one process
    python Testing/benchmarks/cohort_run.py group RESULTS --scans 10000           # made-up records

RESULTS (Research/Experiments/results/cohort in the repository) gets a .csv and a .md each. Work folders lie beside COHORT.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import os
import platform
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import SimpleITK as sitk
from anomaly_research.evaluation.csv_rows import read_rows
from AnomalyDetectionLib.files.file_hash import sha256_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # what tests and benchmarks share
from made_records import make_records

SUBJECTS = 50
PROGRAM = [sys.executable, "-m", "AnomalyDetectionLib"]


# --- the cohort ----------------------------------------------------------------------------------------------


def prepare(cohort: Path, source: Path | None) -> None:
    """50 subjects in anatomy made from a template, as `simulate` makes them; then 5 are broken."""
    if source is None:
        options = f"--subjects {SUBJECTS} --anatomy icbm152 --seed 6".split()
        subprocess.run([*PROGRAM, "simulate", "--output", str(cohort), *options], check=True)
    else:
        shutil.copytree(source, cohort)
    subjects = sorted(p for p in cohort.glob("sub-*") if p.is_dir())
    for place, (name, harm) in enumerate(BROKEN.items()):
        subject = subjects[(2 * place + 1) * len(subjects) // (2 * len(BROKEN))]
        harm(
            subject / "anat" / f"{subject.name}_T1w.nii.gz", subject / "anat" / f"{subject.name}_FLAIR.nii.gz"
        )
        print(f"{subject.name}: {name}")
    ages = random.Random(6)
    table = cohort / "participants.tsv"
    rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8")), delimiter="\t"))
    for row in rows:
        row |= {"age": str(ages.randint(45, 88)), "sex": ages.choice("FM")}
    _table(table, rows, "\t")


def _no_flair(t1: Path, flair: Path) -> None:
    flair.unlink()


def _truncated(t1: Path, flair: Path) -> None:
    content = t1.read_bytes()
    t1.write_bytes(content[: len(content) // 3])


def _no_brain(t1: Path, flair: Path) -> None:
    """A phantom: a ball of water in air."""
    image = sitk.ReadImage(str(flair))
    z, y, x = np.indices(image.GetSize()[::-1]) - np.array(image.GetSize()[::-1])[:, None, None, None] / 2
    dx, dy, dz = image.GetSpacing()
    ball = (x * dx) ** 2 + (y * dy) ** 2 + (z * dz) ** 2 < 50**2
    values = ball * 600.0 + np.random.default_rng(0).normal(0, 5, ball.shape)
    phantom = sitk.GetImageFromArray(values.astype(np.float32))
    phantom.CopyInformation(image)
    sitk.WriteImage(phantom, str(flair), useCompression=True)


def _not_numbers(t1: Path, flair: Path) -> None:
    image = sitk.Cast(sitk.ReadImage(str(flair)), sitk.sitkFloat32)
    values = sitk.GetArrayFromImage(image)
    values[values.shape[0] // 2, 10:40, 10:40] = np.nan
    broken = sitk.GetImageFromArray(values)
    broken.CopyInformation(image)
    sitk.WriteImage(broken, str(flair), useCompression=True)


def _absurd_geometry(t1: Path, flair: Path) -> None:
    """Voxels that the header calls 40 mm wide."""
    content = bytearray(gzip.decompress(t1.read_bytes()))
    content[80:84] = np.float32(40).tobytes()  # pixdim[1]
    content[252:256] = np.int16([1, 0]).tobytes()  # qform, no sform
    t1.write_bytes(gzip.compress(bytes(content), mtime=0))


BROKEN: dict[str, Callable[[Path, Path], None]] = {
    "no FLAIR": _no_flair,
    "T1 cut off after a third of its bytes": _truncated,
    "FLAIR of a phantom": _no_brain,
    "FLAIR with voxels that are not numbers": _not_numbers,
    "T1 with voxels 40 mm wide": _absurd_geometry,
}


# --- kills ---------------------------------------------------------------------------------------------------


def kills(cohort: Path, results: Path, options: Sequence[str], seed: int, between: Sequence[float]) -> None:
    """Run with kill -9 at three random moments: all processes, the command alone, a scan's process; then to the end."""
    out = cohort.parent / f"{cohort.name}-kills"
    shutil.rmtree(out, ignore_errors=True)
    chance = random.Random(seed)
    command = _bids(cohort, out, "participant", *options)
    rows: list[dict[str, object]] = []
    finished: dict[str, str] = {}
    targets: list[tuple[str, Callable[[psutil.Process], list[psutil.Process]]]] = [
        ("every process of the run", lambda main: [main, *main.children(recursive=True)]),
        ("the command alone", lambda main: [main]),
        ("one of its two largest processes", lambda main: [chance.choice(_deepest(main))]),
    ]
    for number, (what, choose) in enumerate([*targets, ("nothing", lambda main: [])], start=1):
        begin = time.perf_counter()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, start_new_session=True, **quiet)
        after = None
        if what != "nothing":
            after = chance.uniform(*between)
            time.sleep(after)
            if process.poll() is None:
                for victim in choose(psutil.Process(process.pid)):
                    with suppress(psutil.NoSuchProcess):
                        victim.send_signal(signal.SIGKILL)
        code = process.wait()
        seconds = time.perf_counter() - begin
        _wait_for_orphans(out)
        now = _finished(out)
        rows.append(
            {
                "run": number,
                "killed": what,
                "after_s": "" if after is None else f"{after:.0f}",
                "seconds": f"{seconds:.0f}",
                "exit_code": code,
                "results": len(now),
                "results_lost": sum(name not in now for name in finished),
                "results_made_again": sum(
                    now[name] != date for name, date in finished.items() if name in now
                ),
                "half_folders": _half(out),
                "rows_in_errors_csv": len(_errors(out)),
            }
        )
        print(rows[-1], flush=True)
        finished = now
    names = [row["name"] for row in _errors(out)]
    left = [p.name for p in (out / ".work").rglob("*") if p.is_file()]
    facts = [
        f"{len(finished)} results and {len(names)} rows in errors.csv of {SUBJECTS} subjects; "
        f"{len(finished) + len(names) - len({*finished, *names})} subjects with both, {len(names) - len({*names})} doubled rows, "
        f"{len(left)} files left in the work folder.",
        f"Options: `{' '.join(options) or 'none'}`; {_machine()}.",
    ]
    _write(results, "kills", rows, "50 simulated subjects, 5 of them broken, with three kills -9", facts)
    reasons = [{"subject": row["subject"], "stage": row["stage"], "reason": row["reason"].replace(str(cohort.absolute()), "COHORT")} for row in _errors(out)]  # fmt: skip
    _write(results, "errors", reasons, "The rows of errors.csv", [])


def _deepest(main: psutil.Process) -> list[psutil.Process]:
    """Processes that take the most memory of those that started none: those at a scan."""
    family = main.children(recursive=True)
    leaves = [process for process in family if process.is_running() and not process.children()]
    leaves.sort(key=lambda process: process.memory_info().rss, reverse=True)
    return leaves[:2] or [main]


def _finished(out: Path) -> dict[str, str]:
    """When each subject's result was made."""
    found = {}
    for path in out.glob("sub-*/anat/*_dseg.json"):
        found[path.name.split("_")[0]] = json.loads(path.read_text("utf-8"))["run"]["finished_utc"]
    return found


def _half(out: Path) -> int:
    """Folders of subjects that do not hold everything."""
    endings = ("dseg.json", "dseg.nii.gz", "statmap.nii.gz", "dseg.tsv")
    needed = (*(f"anat/*_{ending}" for ending in endings), "figures/*thumbnail*")
    folders = [p for p in out.glob("sub-*") if p.is_dir()]
    return sum(not all(any(p.glob(pattern)) for pattern in needed) for p in folders)


def _errors(out: Path) -> list[dict[str, str]]:
    if not (out / "errors.csv").exists():
        return []
    rows = read_rows(out / "errors.csv", ("subject", "session"))
    return [{**row, "name": "_".join(filter(None, (row["subject"], row["session"])))} for row in rows]


def _wait_for_orphans(out: Path) -> None:
    """Till processes whose starter was killed have noticed."""
    for _ in range(100):
        alive = [p for p in psutil.process_iter(["cmdline"]) if str(out) in " ".join(p.info["cmdline"] or [])]
        if not alive:
            return
        time.sleep(0.1)


# --- speed ---------------------------------------------------------------------------------------------------


def scaling(cohort: Path, results: Path, workers: Sequence[int], options: Sequence[str]) -> None:
    """The whole cohort with 1 worker, then with 2, a thread each."""
    rows: list[dict[str, object]] = []
    first = 0.0
    for count in workers:
        out = cohort.parent / f"{cohort.name}-workers-{count}"
        shutil.rmtree(out, ignore_errors=True)
        command = _bids(cohort, out, "participant", "--jobs", str(count), "--threads", "1", *options)
        code, seconds, peak, cpu = _watched(command)
        scans = len(_finished(out))
        first = first or seconds
        size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) / max(scans, 1)
        rows.append(
            {
                "workers": count,
                "results": scans,
                "errors": len(_errors(out)),
                "exit_code": code,
                "wall_s": f"{seconds:.0f}",
                "scans_an_hour": f"{3600 * scans / seconds:.0f}",
                "speed_up": f"{first / seconds:.2f}",
                "cpu_s_a_scan": f"{cpu / max(scans, 1):.1f}",
                "peak_memory_gb": f"{peak / 1e9:.2f}",
                "mb_a_scan": f"{size / 1e6:.2f}",
            }
        )
        print(rows[-1], flush=True)
    facts = [f"Each worker with one thread; peak memory of all processes together. {_machine()}."]
    _write(results, "scaling", rows, "From 1 to 2 workers", facts)


def isolation(cohort: Path, results: Path, scans: int) -> None:
    """The same scans with a new Python each, with copies of a process, and all in one process."""
    from AnomalyDetectionLib.bids.selection import select_scans
    from AnomalyDetectionLib.cohort.batch import limit_threads, run_scans
    from AnomalyDetectionLib.cohort.cohort_settings import CohortSettings
    from AnomalyDetectionLib.cohort.dataset import Dataset
    from AnomalyDetectionLib.model.bundled import find_model

    limit_threads(1)
    chosen = select_scans(cohort).scans[:scans]
    settings = CohortSettings(model_sha256=sha256_of(find_model("paper")))
    rows: list[dict[str, object]] = []

    def dataset(name: str) -> Dataset:
        out = cohort.parent / f"{cohort.name}-{name}"
        shutil.rmtree(out, ignore_errors=True)
        return Dataset.begin(out, cohort, settings)

    def timed(name: str, isolated: str, work: Callable[[Dataset], object]) -> None:
        made = dataset(name.replace(" ", "-"))
        begin = time.perf_counter()
        work(made)
        each = (time.perf_counter() - begin) / len(chosen)
        rows.append({"way": name, "a_crash_ends": isolated, "scans": len(chosen), "s_a_scan": f"{each:.2f}"})
        print(rows[-1], flush=True)

    def anew(made: Dataset) -> None:
        for scan in chosen:
            options = ("--jobs", "1", "--threads", "1", "--participant-label", scan.subject)
            command = _bids(cohort, made.folder, "participant", *options)
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL)

    def in_one(made: Dataset) -> None:
        from AnomalyDetectionLib.cohort.scan import analyse

        for scan in chosen:
            analyse(made, scan)

    timed("a new Python each", "its scan", anew)
    timed("a copy of a process each", "its scan", lambda made: run_scans(made, chosen))
    timed("one process", "the batch", in_one)
    _write(results, "isolation", rows, "What keeping scans apart costs", [f"One thread. {_machine()}."])


def group(results: Path, scans: int, work: Path | None) -> None:
    """`group` on made-up records: a random number of findings, thumbnails of the usual size."""
    if work is None:
        with tempfile.TemporaryDirectory() as folder:
            return group(results, scans, Path(folder))
    out, source = work / "made-up", work / "made-up-source"
    shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(source, ignore_errors=True)
    make_records(out, source, scans)
    begin = time.perf_counter()
    code, seconds, peak, _ = _watched(_bids(source, out, "group"))
    pages = sorted((out / "group_pages").glob("*.html"))
    row = {
        "scans": scans,
        "findings": sum(1 for _ in (out / "group_findings.tsv").open()) - 1,
        "exit_code": code,
        "seconds": f"{seconds:.0f}",
        "peak_memory_gb": f"{peak / 1e9:.2f}",
        "pages": len(pages),
        "largest_page_mb": f"{max(p.stat().st_size for p in pages) / 1e6:.1f}",
        "index_mb": f"{(out / 'group.html').stat().st_size / 1e6:.2f}",
        "tables_mb": f"{sum((out / name).stat().st_size for name in ('group_scans.tsv', 'group_findings.tsv')) / 1e6:.1f}",
    }
    print(row, f"{time.perf_counter() - begin:.0f} s", flush=True)
    _write(results, "group", [row], "`group` on made-up records", [f"{_machine()}."])


# --- what all share ------------------------------------------------------------------------------------------


def _bids(cohort: Path, out: Path, level: str, *options: str) -> list[str]:
    return [*PROGRAM, "bids", str(cohort), str(out), level, "--progress", "none", *options]


def _watched(command: Sequence[str]) -> tuple[int, float, int, float]:
    """Run a command; its exit code, seconds, the most memory of it and its children, and their processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak, running = 0, threading.Event()
    used: dict[int, float] = {}

    def look() -> None:
        nonlocal peak
        while not running.wait(0.2):
            total = 0
            with suppress(psutil.NoSuchProcess):
                for member in [
                    psutil.Process(process.pid),
                    *psutil.Process(process.pid).children(recursive=True),
                ]:
                    with suppress(psutil.NoSuchProcess):
                        memory = member.memory_full_info()
                        total += memory.pss  # what processes share is counted once
                        times = member.cpu_times()
                        used[member.pid] = times.user + times.system
            peak = max(peak, total)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - begin
    running.set()
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    waited = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return code, seconds, peak, max(waited, sum(used.values()))


def _write(
    results: Path, name: str, rows: Sequence[dict[str, object]], title: str, facts: Iterable[str]
) -> None:
    results.mkdir(parents=True, exist_ok=True)
    _table(results / f"{name}.csv", rows, ",")
    heads = list(rows[0]) if rows else []
    lines = [f"# {title}", "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(row[head]) for head in heads) + " |" for row in rows]
    lines += ["", *(f"{fact}\n" for fact in facts)]
    (results / f"{name}.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _table(path: Path, rows: Sequence[dict[str, object]] | list[dict[str, str]], separator: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(
            file, list(rows[0]) if rows else ["nothing"], delimiter=separator, lineterminator="\n"
        )
        table.writeheader()
        table.writerows(rows)  # type: ignore[arg-type]


def _machine() -> str:
    """What it was measured on, and how busy that was."""
    model = platform.processor() or platform.machine()
    with suppress(OSError):
        names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = names[0].strip() if names else model
    load = os.getloadavg()[2] if hasattr(os, "getloadavg") else float("nan")
    return f"{model}, {os.cpu_count()} cores; average load of the last 15 minutes {load:.1f}"


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True)
    part = {name: parts.add_parser(name) for name in ("prepare", "kills", "scaling", "isolation", "group")}
    for name, each in part.items():
        if name != "group":
            each.add_argument("cohort", type=lambda path: Path(path).absolute())
        if name != "prepare":
            each.add_argument("results", type=Path)
    part["prepare"].add_argument("--source", type=Path)
    part["kills"].add_argument("--seed", type=int, default=6)
    part["kills"].add_argument("--between", type=float, nargs=2, default=(40, 150), metavar="SECONDS")
    part["kills"].add_argument("--options", default="--jobs 2", type=str.split)
    part["scaling"].add_argument("--workers", type=int, nargs="+", default=(1, 2))
    part["scaling"].add_argument("--options", default="", type=str.split)
    part["isolation"].add_argument("--scans", type=int, default=6)
    part["group"].add_argument("--scans", type=int, default=10_000)
    part["group"].add_argument("--work", type=Path)
    given = vars(parser.parse_args())
    run = {"prepare": prepare, "kills": kills, "scaling": scaling, "isolation": isolation, "group": group}
    run[given.pop("part")](**given)


if __name__ == "__main__":
    main()
