"""What the model finds on real scans that it was not trained on: `make evaluate`.

Two questions. Simulated chronic infarcts put into those scans: how far do they stand out, and how many are
found? And the lesions that are really there (white matter hyperintensities, multiple sclerosis): the same.
Beside the model stands bright FLAIR, thresholded so that it flags the same volume. Writes two tables and the
numbers behind them, and says on each what was simulated.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.detection.detector import score
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.evaluation.flair_threshold import bright_findings, flair_brightness
from AnomalyDetectionLib.evaluation.overlap import Overlap, components, match
from AnomalyDetectionLib.evaluation.peaks import on_lattice, peak_percentiles
from AnomalyDetectionLib.imaging.flair_grid import to_flair_grid
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.imaging.reading import read_study, read_volume
from AnomalyDetectionLib.model.model_file import Model, find_model, load_model, save_model
from AnomalyDetectionLib.simulation.insertion import InfarctedScan, insert_infarcts
from AnomalyDetectionLib.training.prepare_scans import bright_clusters, on_model_grid

INFARCTS_A_SCAN, SEEDS = 6, (0, 1)
SIZES = ((0.0, 0.3), (0.3, 1.0), (1.0, np.inf))


@dataclass(frozen=True)
class Case:
    """A real scan that the model was not trained on, and its known lesions."""

    name: str
    group: str
    folder: Path
    lesions: str
    resolution_mm: float


# Subj9 was not trained on either, but is very probably the person of Subj10, who was: their T1 and FLAIR match
# as well across as within. It is left out here too.
CASES = (
    *(
        Case(f"nichart {n}", "nichart (2 mm, WMH, automatic mask)", Path(f"nichart/{n}"), "WMH_auto_FLAIRspace", 2.0)
        for n in ("Subj2", "Subj14", "Subj19")
    ),
    Case("openms_long 20", "openms_long (clinical 2D, MS, changed lesions only)", Path("openms_long/patient20/study2"),
         "change_lesions_FLAIRspace", 0.9),
    *(
        Case(f"openms_mni {n}", "openms_mni (1 mm, MS, three raters)", Path(f"openms_mni/patient{n}"), "lesion", 1.0)
        for n in ("07", "19")
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Peak:
    """One simulated infarct: how far it stands out of its scan, by the model and by FLAIR brightness.

    Percentiles of its peak among the scores of its scan: all of them; those whose patch touches no voxel of
    the lesion mask; those that touch no cluster of bright FLAIR either, which the mask may have missed (a
    reference that favours FLAIR brightness, since it was chosen by it). `found`: it overlaps a finding of the
    model at the default operating point.
    """

    case: str
    kind: str
    cavitated: bool
    volume_ml: float
    found: bool
    model: tuple[float, float, float]
    flair: tuple[float, float, float]


def known_lesions(case: Case, data: Path, study: PreparedStudy) -> tuple[np.ndarray, np.ndarray]:
    """The case's lesion mask: numbered lesions on the FLAIR's grid, and bool on the model's grid."""
    mask = read_volume(data / case.folder / f"{case.lesions}.nii.gz", role="lesion mask", mask=True).image
    on_flair = sitk.Resample(mask, study.flair_grid.empty_image(), sitk.Transform(), sitk.sitkNearestNeighbor)
    return components(sitk.GetArrayFromImage(on_flair) > 0), on_model_grid(mask, study)


def found_by(
    study: PreparedStudy, model: Model
) -> tuple[np.ndarray, np.ndarray, tuple[int, int], np.ndarray]:
    """Findings of the model on the FLAIR's grid, its scores and first centre, and bright FLAIR's findings."""
    scores = score(study, model)
    findings = derive_findings(
        scores, threshold=model.scoring.threshold, min_patches=model.scoring.min_patches
    )
    labels = sitk.GetArrayFromImage(findings.labels).astype(np.int32)
    flagged_ml = float((labels > 0).sum()) * study.flair_grid.voxel_ml
    bright = bright_findings(study, round(flagged_ml / study.grid.voxel_ml))
    return labels, scores.lattice, scores.first, sitk.GetArrayFromImage(to_flair_grid(bright, study))


def peaks_of(case: Case, scan: InfarctedScan, study: PreparedStudy, masked: np.ndarray, bright: np.ndarray,
             lattice: np.ndarray, first: tuple[int, int], found: set[int], model: Model) -> Iterator[Peak]:  # fmt: skip
    """How far each infarct of a scan stands out of all patches, and of those away from `masked` and `bright`."""
    stride, half = model.scoring.stride, model.network.patch_size // 2
    lesions = on_lattice(scan.truth, first, stride, lattice.shape)
    brightness = flair_brightness(study, first, stride, lattice)
    percentiles: dict[str, list[dict[int, float]]] = {"model": [], "flair": []}
    for away_from in (np.zeros_like(masked), masked, masked | bright):
        near = on_lattice(_spread(away_from, half).astype(np.uint8), first, stride, lattice.shape) > 0
        left_out = near & (lesions == 0)
        for name, scores in (("model", lattice), ("flair", brightness)):
            percentiles[name].append(peak_percentiles(np.where(left_out, np.nan, scores), lesions))
    for infarct in scan.infarcts:
        by_model, by_flair = (
            tuple(p.get(infarct.number, 0.0) for p in percentiles[name]) for name in percentiles
        )
        yield Peak(case.name, infarct.kind, infarct.cavitated, infarct.volume_ml, infarct.number in found,
                   by_model, by_flair)  # fmt: skip


def _spread(mask: np.ndarray, voxels: int) -> np.ndarray:
    from scipy import ndimage

    return ndimage.maximum_filter(mask, (1, 2 * voxels + 1, 2 * voxels + 1))


def evaluate(model: Model, data: Path) -> tuple[list[Peak], dict[str, dict[str, list[Overlap]]]]:
    """All cases: peaks of simulated infarcts, and overlaps by table row and method."""
    peaks: list[Peak] = []
    overlaps: dict[str, dict[str, list[Overlap]]] = {}

    def keep(row: str, truth: np.ndarray, model_labels: np.ndarray, bright: np.ndarray, ml: float) -> None:
        entry = overlaps.setdefault(row, {"model": [], "bright FLAIR": []})
        entry["model"].append(match(truth, model_labels, ml))
        entry["bright FLAIR"].append(match(truth, bright, ml))

    for case in CASES:
        folder = data / case.folder
        mask = folder / "brainmask_FLAIR_deepbet.nii.gz"
        study = prepare(
            read_study(folder / "T1.nii.gz", folder / "FLAIR.nii.gz", mask if mask.exists() else None),
            model.preparation,
        )
        real, masked = known_lesions(case, data, study)
        bright_tissue = bright_clusters(study.flair, study.brain)
        ml = study.flair_grid.voxel_ml
        labels, _, _, bright = found_by(study, model)
        keep(case.group, real, labels, bright, ml)
        for seed in SEEDS:
            scan = insert_infarcts(
                study.t1, study.flair, study.brain, study.grid.spacing, count=INFARCTS_A_SCAN,
                rng=np.random.default_rng([seed, *case.name.encode()]), avoid=_spread(masked | bright_tissue, 4),
                blur_mm=case.resolution_mm,
            )  # fmt: skip
            infarcted = dataclasses.replace(study, t1=scan.t1, flair=scan.flair)
            labels, lattice, first, bright = found_by(infarcted, model)
            truth = sitk.GetArrayFromImage(to_flair_grid(scan.truth, study))
            found = {int(number) for number in np.unique(truth[labels > 0]) if number}
            peaks.extend(peaks_of(case, scan, infarcted, masked, bright_tissue, lattice, first, found, model))
            keep("simulated infarcts in all of these", truth, labels, bright, ml)
        print(f"{case.name}: done", flush=True)
    return peaks, overlaps


def peak_table(peaks: list[Peak]) -> list[str]:
    """Median percentile of the infarcts' peaks, the model's beside bright FLAIR's."""
    lines = [
        "| simulated infarcts | found by the model | among all patches: model | bright FLAIR | away from masked lesions: model "
        "| bright FLAIR | away from bright clusters too: model | bright FLAIR |",
        "|---|---|---|---|---|---|---|---|",
    ]

    def row(name: str, some: list[Peak]) -> None:
        if some:
            medians = [
                np.median([getattr(peak, method)[reference] for peak in some])
                for reference in range(3)
                for method in ("model", "flair")
            ]
            found = f"{sum(peak.found for peak in some)} of {len(some)}"
            lines.append(f"| {name} | {found} | " + " | ".join(f"{m:.1f}" for m in medians) + " |")

    row("all", peaks)
    for low, high in SIZES:
        name = f"{low:g} to {high:g} ml" if high < np.inf else f"over {low:g} ml"
        row(name, [p for p in peaks if low <= p.volume_ml < high])
    row("cavitated, with a rim", [p for p in peaks if p.cavitated])
    row("gliosis throughout", [p for p in peaks if not p.cavitated])
    for group in ("nichart", "openms_long", "openms_mni"):
        row(f"in {group}", [p for p in peaks if p.case.startswith(group)])
    return lines


def overlap_table(overlaps: dict[str, dict[str, list[Overlap]]]) -> list[str]:
    """Lesions found, share of volume, findings and flagged volume a scan."""
    lines = [
        "| lesions | method | scans | lesions found | share of their volume | findings a scan | of these on no such lesion | flagged ml a scan |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row, methods in overlaps.items():
        for method, scans in methods.items():
            total = sum(scans[1:], scans[0])
            lines.append(
                f"| {row} | {method} | {len(scans)} | {total.found} of {total.lesions} ({_percent(total.found, total.lesions)}) | "
                f"{_percent(total.found_volume_ml, total.volume_ml)} | {total.findings / len(scans):.1f} | "
                f"{(total.findings - total.true_findings) / len(scans):.1f} | {total.flagged_ml / len(scans):.1f} |"
            )
    return lines


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def main() -> None:
    """Print and write both tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", default="paper")
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--output", type=Path, default=Path("bench-output"))
    arguments.add_argument("--into-card", action="store_true", help="put the result into the model's card")
    given = arguments.parse_args()
    if not given.data.is_dir():
        raise SystemExit(f"The real scans are not at {given.data}; give their folder with --data.")
    model = load_model(given.model)
    peaks, overlaps = evaluate(model, given.data)
    text = "\n".join(["Median percentile of the infarcts' peak score among the scores of their scan:", "",
                      *peak_table(peaks), "", "At the default operating point:", "", *overlap_table(overlaps), ""])  # fmt: skip
    given.output.mkdir(exist_ok=True)
    (given.output / "real_scans.md").write_text(text, encoding="utf-8")
    numbers = {
        "model": {"name": model.name, "sha256": model.sha256},
        "peaks": [dataclasses.asdict(peak) for peak in peaks],
        "overlaps": {
            row: {method: dataclasses.asdict(sum(scans[1:], scans[0])) for method, scans in methods.items()}
            for row, methods in overlaps.items()
        },
    }
    (given.output / "real_scans.json").write_text(json.dumps(numbers, indent=1), encoding="utf-8")
    if given.into_card:
        save_model(dataclasses.replace(model, card={**model.card, "results": results_for_card(peaks, overlaps)}),
                   find_model(given.model))  # fmt: skip
    print("\n" + text)


def results_for_card(
    peaks: list[Peak], overlaps: dict[str, dict[str, list[Overlap]]]
) -> dict[str, str | dict[str, float]]:
    """The main figures, with what was simulated said."""
    names = ("all patches", "away from masked lesions", "away from bright FLAIR clusters too")
    median = {
        f"{method}, {name}": round(float(np.median([getattr(peak, method)[k] for peak in peaks])), 1)
        for k, name in enumerate(names)
        for method in ("model", "flair")
    }
    found = {}
    for row, methods in overlaps.items():
        for method, scans in methods.items():
            total = sum(scans[1:], scans[0])
            found[f"{row}: {method}"] = (
                f"{total.found} of {total.lesions} lesions, {_percent(total.found_volume_ml, total.volume_ml)} of the volume, "
                f"{total.findings / len(scans):.1f} findings and {total.flagged_ml / len(scans):.1f} ml a scan"
            )
    return {
        "how": "real scans not trained on; the infarcts are simulated into them, all other lesions are real",
        "median percentile of the simulated infarcts' peak score": median,
        **found,
    }


if __name__ == "__main__":
    main()
