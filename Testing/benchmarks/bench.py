"""`make bench`: what a run costs and how the scorer compares, as one table with ratios.

The real command runs first, in processes of its own; then patches a second in this process. Run it on a
machine that does nothing else.
"""

from __future__ import annotations

import os

# As the command does for itself; it has to be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import argparse
import platform
import re
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import SimpleITK as sitk
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import patch_speed
from AnomalyDetectionLib.detection.detector import score
from AnomalyDetectionLib.detection.device import available_devices
from AnomalyDetectionLib.detection.nearest_normal import NormalTissue
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.imaging.reading import read_study
from AnomalyDetectionLib.model.bundled import DEFAULT_MODEL, find_model
from AnomalyDetectionLib.model.model_file import Model, load_model, resources
from AnomalyDetectionLib.model.model_settings import NetworkSettings
from AnomalyDetectionLib.model.networks import Generator
from hand_made_scans import matched_by_image
from measured_command import Measured, detect

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = resources() / "SampleData"
T1, FLAIR, TRUTH = (SAMPLE / f"simulated_{name}.nii.gz" for name in ("T1", "FLAIR", "truth"))
OUTPUT = REPOSITORY / "bench-output" / "bench.md"
LARGE_SIZE, LARGE_MM = (512, 512, 192), 0.47
GENERATOR_PARAMETERS = 970_496

_WHEN = rb"<dt>(Finished|Times)</dt><dd>[^<]+</dd>"


@dataclass(frozen=True)
class Row:
    """A line of the table; `aim` and `ratio` may be empty."""

    what: str
    measured: str
    aim: str = ""
    ratio: str = ""


def main() -> None:
    """Measure everything, print the table and write it."""
    options = _options()
    warnings.simplefilter("ignore")
    asked, paper = options.model or DEFAULT_MODEL, load_model("paper")
    assert isinstance(paper, Model)
    with tempfile.TemporaryDirectory() as folder:
        rows = sample_rows(asked, Path(folder))
        if not options.without_large:
            rows += large_rows(asked, Path(folder))
    _say("patches a second of paper mode")
    study = prepare(read_study(T1, FLAIR), paper.preparation)
    rows += speed_rows(study, paper)
    rows += agreement_rows(study, paper)
    rows += nearest_rows(study, paper)
    about = f"Model: `{asked}`; from patches a second on, `paper`."
    text = "\n\n".join([f"# Bench\n\n{_machine()}\n\n{about}", _markdown(rows)]) + "\n"
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(text, encoding="utf-8")
    print(text)
    print(f"Written to {OUTPUT.relative_to(REPOSITORY)}")


def sample_rows(model: str, folder: Path) -> list[Row]:
    """The real command on the built-in sample, twice."""
    _say("detect on the sample, twice")
    runs = [detect(T1, FLAIR, folder / name, "--model", model, "--device", "cpu") for name in "ab"]
    best = min(runs, key=lambda run: run.run_s)
    rows = [
        Row("detect on the sample: start and imports", f"{best.start_s:.1f} s"),
        _limited("detect on the sample, start and imports included", best.start_s + best.run_s, 15, "s"),
        *_stage_rows(best),
        _limited("of it the network: the stage scoring", best.stages["scoring"], 5, "s"),
        _limited("peak memory of the process", max(run.peak_bytes for run in runs) / 2**30, 2, "GiB"),
        _twice(folder / "a", folder / "b", runs),
    ]
    return rows + _found_rows(folder / "a" / "suspected_anomalies.nii.gz")


def large_rows(model: str, folder: Path) -> list[Row]:
    """The real command on the sample resampled to a grid of today's 3D scans."""
    _say("a pair of 512 x 512 x 192 voxels")
    t1, flair = folder / "large_T1.nii.gz", folder / "large_FLAIR.nii.gz"
    spacing = _enlarge(T1, t1)
    _enlarge(FLAIR, flair)
    run = detect(t1, flair, folder / "large", "--model", model, "--device", "cpu")
    size = " x ".join(map(str, LARGE_SIZE))
    grid = f"{size} voxels of {' x '.join(f'{mm:.2f}' for mm in spacing)} mm"
    return [
        _limited(f"detect on a pair of {grid}, after the imports", run.run_s, 90, "s"),
        *_stage_rows(run),
        _limited("peak memory of the process", run.peak_bytes / 2**30, 6, "GiB"),
    ]


def speed_rows(study: PreparedStudy, model: Model) -> list[Row]:
    """Patches a second of all contenders on the CPU, and of ours on a GPU where there is one."""
    listed = patch_speed.contenders(study, model)
    speeds = patch_speed.patches_a_second(listed)
    ours = speeds[0]
    rows = []
    for speed, contender in zip(speeds, listed, strict=True):
        times = "" if contender is listed[0] else f"this scorer is {ours / speed:.1f} times as fast"
        aim = ""
        if contender.megaflop != listed[0].megaflop:
            times += f", for {listed[0].megaflop / contender.megaflop:.2f} of the work a patch"
        if contender.name.startswith("anomalib"):
            aim = f"at least 5 times: {_reached(ours / speed >= 5)}"
        what = f"{contender.name} ({contender.megaflop:.0f} MFLOP a patch)"
        rows.append(Row(what, f"{speed:,.0f} patches/s", aim, times))
    if not any(contender.name.startswith("anomalib") for contender in listed):
        rows.append(Row("anomalib's GANomaly", "not installed: use `make bench`"))
    for device in available_devices():
        if device != "cpu":
            speed, difference = patch_speed.with_cpu_fallback(study, model, device)
            times = f"{speed / ours:.1f} times the CPU's"
            rows.append(Row(f"this scorer on {device}", f"{speed:,.0f} patches/s", "", times))
            rows.append(Row(f"largest relative difference, {device} and CPU", f"{difference:.1e}"))
    return rows


def agreement_rows(study: PreparedStudy, model: Model) -> list[Row]:
    """Whether the fast scores are the plain ones, and whether the network is the paper's."""
    parameters = sum(weights.numel() for weights in Generator(NetworkSettings()).parameters())
    return [
        _limited(
            "largest relative difference from the plain scores, 1000 patches",
            patch_speed.largest_difference(study, model),
            1e-4,
            "",
            ".1e",
        ),
        Row(
            "parameters of the generator with the paper's settings",
            f"{parameters:,}",
            f"{GENERATOR_PARAMETERS:,}: {_reached(parameters == GENERATOR_PARAMETERS)}",
        ),
    ]


def nearest_rows(study: PreparedStudy, model: Model) -> list[Row]:
    """How long it takes to look up the most similar normal tissue, patch by patch as a reader goes on."""
    _say("the most similar normal tissue")
    begin = time.perf_counter()
    tissue = NormalTissue.read(find_model(model.name))
    opened = time.perf_counter() - begin
    if tissue is None:
        return [
            Row("the most similar normal tissue to a patch", "paper mode has no library of normal patches")
        ]
    scores = score(study, model)
    places = np.argwhere(np.isfinite(scores.lattice))
    seconds = []
    for place in places[:: len(places) // 200]:
        begin = time.perf_counter()
        tissue.of_patch(scores, tuple(place.tolist()))
        seconds.append(time.perf_counter() - begin)
    what = f"the 5 most similar of {len(tissue):,} normal patches to a patch"
    return [
        _limited(f"{what}: 95 % within", 1000 * float(np.quantile(seconds, 0.95)), 50, "ms"),
        Row("    median", f"{1000 * float(np.median(seconds)):.1f} ms"),
        Row("    the first time: opening the model file as well", f"{1000 * opened:.0f} ms"),
    ]


def _stage_rows(run: Measured) -> list[Row]:
    total = run.run_s
    rows = [
        Row(f"    {stage}", f"{seconds:.1f} s", "", f"{100 * seconds / total:.0f} % of the run")
        for stage, seconds in run.stages.items()
    ]
    rest = total - sum(run.stages.values())
    return [*rows, Row("    all else", f"{rest:.1f} s", "", f"{100 * rest / total:.0f} % of the run")]


def _twice(one: Path, other: Path, runs: list[Measured]) -> Row:
    """Whether two runs of the same command left the same files, but for date and times in record and report."""
    names = sorted(path.name for path in one.iterdir())
    same = names == sorted(path.name for path in other.iterdir())
    same = same and all(
        re.sub(_WHEN, b"", (one / name).read_bytes()) == re.sub(_WHEN, b"", (other / name).read_bytes())
        for name in names
        if name != "findings.json"
    )
    records = [{key: value for key, value in run.record.items() if key != "run"} for run in runs]
    same = same and records[0] == records[1]
    what = "the same" if same else "different"
    return Row("results of the same command run twice", what, f"the same: {_reached(same)}")


def _found_rows(labels: Path) -> list[Row]:
    """The sample's simulated infarcts that were found: those of 1 ml or more, and all."""
    truth_image = sitk.ReadImage(str(TRUTH))
    truth = sitk.GetArrayFromImage(truth_image)
    voxel_ml = float(np.prod(truth_image.GetSpacing())) / 1000
    findings = sitk.GetArrayFromImage(sitk.ReadImage(str(labels)))
    sizes_ml = np.bincount(truth.ravel()) * voxel_ml
    large = matched_by_image(np.where(sizes_ml[truth] >= 1, truth, 0), findings, voxel_ml)
    every = matched_by_image(truth, findings, voxel_ml)
    aim = f"all: {_reached(large.found == large.lesions)}"
    return [
        Row("simulated infarcts of 1 ml or more found", f"{large.found} of {large.lesions}", aim),
        Row("all simulated infarcts found", f"{every.found} of {every.lesions}"),
        Row("suspected anomalies", f"{every.findings}, {every.flagged_ml:.1f} ml together"),
    ]


def _enlarge(source: Path, target: Path) -> tuple[float, ...]:
    """Write an image on the large grid, round the same centre; returns the grid's spacing."""
    image = sitk.ReadImage(str(source))
    height_mm = image.GetSize()[2] * image.GetSpacing()[2]
    spacing = (LARGE_MM, LARGE_MM, height_mm / LARGE_SIZE[2])
    centre = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))
    direction = np.array(image.GetDirection()).reshape(3, 3)
    origin = centre - direction @ ((np.array(LARGE_SIZE) - 1) / 2 * spacing)
    large = sitk.Resample(
        image, LARGE_SIZE, sitk.Transform(), sitk.sitkLinear, origin.tolist(), spacing, image.GetDirection()
    )
    sitk.WriteImage(large, str(target))
    return spacing


def _limited(what: str, value: float, limit: float, unit: str, form: str = ".1f") -> Row:
    aim = f"at most {limit:g} {unit}".strip()
    measured = f"{value:{form}} {unit}".strip()
    return Row(what, measured, f"{aim}: {_reached(value <= limit)}", f"{value / limit:.2f} of the limit")


def _reached(yes: bool) -> str:
    return "reached" if yes else "NOT reached"


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores ({torch.get_num_threads()} threads), {memory:.0f} GiB, {platform.machine()},"
        f" {platform.system()}; Python {platform.python_version()}, torch {torch.__version__}; load"
        f" at the end: {psutil.cpu_percent(1):.0f} %"
    )


def _markdown(rows: list[Row]) -> str:
    head = Row("what", "measured", "to reach", "ratio")
    cells = [(row.what, row.measured, row.aim, row.ratio) for row in (head, *rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _say(what: str) -> None:
    print(f"Measuring: {what} ...", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure times, memory and patches a second.")
    parser.add_argument("--model", metavar="MODEL", help="name or file; default: the default model")
    parser.add_argument("--without-large", action="store_true", help="leave the large pair out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
