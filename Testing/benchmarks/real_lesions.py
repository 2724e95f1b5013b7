"""What models find of the lesions that are really there, on scans that they were not trained on, side by side.

White matter hyperintensities and multiple sclerosis, as far as masks of them exist; they are no infarcts. Beside each
model stands bright FLAIR, thresholded so that it flags the same volume. Writes one table.

With --cohort the lesions of openms_mni are written as a cohort instead, as if they were infarcts: `anomaly-detection
evaluate` then measures at equal false positives, and `anomaly-detection experiment promotion --real` reads it.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.detection.detector import score
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.evaluation.flair_threshold import bright_findings
from AnomalyDetectionLib.evaluation.overlap import Overlap, components, match
from AnomalyDetectionLib.imaging.bids import BRAIN_MASK, INFARCTS, image_path, truth_path
from AnomalyDetectionLib.imaging.flair_grid import to_flair_grid
from AnomalyDetectionLib.imaging.grid import Grid
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.imaging.reading import read_study, read_volume
from AnomalyDetectionLib.imaging.writing import write_image
from AnomalyDetectionLib.model.model_file import DEFAULT_MODEL, AnyModel, load_model


@dataclass(frozen=True)
class Case:
    """A real scan that the model was not trained on, and its known lesions."""

    name: str
    group: str
    folder: Path
    lesions: str


# Subj9 was not trained on either, but is very probably the person of Subj10, who was: their T1 and FLAIR match
# as well across as within. It is left out here too.
CASES = (
    *(
        Case(f"nichart {n}", "nichart (2 mm, WMH, automatic mask)", Path(f"nichart/{n}"), "WMH_auto_FLAIRspace")
        for n in ("Subj2", "Subj14", "Subj19")
    ),
    Case("openms_long 20", "openms_long (clinical 2D, MS, changed lesions only)", Path("openms_long/patient20/study2"),
         "change_lesions_FLAIRspace"),
    *(
        Case(f"openms_mni {n}", "openms_mni (1 mm, MS, three raters)", Path(f"openms_mni/patient{n}"), "lesion")
        for n in ("07", "19")
    ),
)  # fmt: skip


def known_lesions(case: Case, data: Path, flair_grid: Grid) -> np.ndarray:
    """The case's lesions, numbered, on the FLAIR's grid."""
    mask = read_volume(data / case.folder / f"{case.lesions}.nii.gz", role="lesion mask", mask=True).image
    return components(sitk.GetArrayFromImage(flair_grid.resampled(mask)) > 0)


def found_by(study: PreparedStudy, model: AnyModel) -> dict[str, np.ndarray]:
    """Label maps of findings on the FLAIR's grid, by method."""
    scoring = model.scoring
    findings = derive_findings(
        score(study, model), threshold=scoring.threshold, min_patches=scoring.min_patches
    )
    labels = sitk.GetArrayFromImage(findings.labels).astype(np.int32)
    flagged_ml = float((labels > 0).sum()) * study.flair_grid.voxel_ml
    bright = bright_findings(study, round(flagged_ml / study.grid.voxel_ml))
    return {
        model.name: labels,
        f"bright FLAIR, flagging as much as {model.name}": sitk.GetArrayFromImage(
            to_flair_grid(bright, study)
        ),
    }


def evaluate(models: list[AnyModel], data: Path) -> dict[tuple[str, str], list[Overlap]]:
    """Overlaps of every scan by group and method. All models take scans that were prepared alike."""
    overlaps: dict[tuple[str, str], list[Overlap]] = {}
    for case in CASES:
        folder = data / case.folder
        mask = folder / "brainmask_FLAIR_deepbet.nii.gz"
        images = read_study(folder / "T1.nii.gz", folder / "FLAIR.nii.gz", mask if mask.exists() else None)
        study = prepare(images, models[0].preparation)
        lesions = known_lesions(case, data, study.flair_grid)
        for model in models:
            for method, labels in found_by(study, model).items():
                found = match(lesions, labels, study.flair_grid.voxel_ml)
                overlaps.setdefault((case.group, method), []).append(found)
        print(f"{case.name}: done", flush=True)
    return overlaps


def table(overlaps: dict[tuple[str, str], list[Overlap]]) -> str:
    """Lesions found, share of volume, findings and flagged volume a scan."""
    lines = [
        "| lesions | method | scans | lesions found | share of their volume | findings a scan | of these on no such lesion | flagged ml a scan |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (group, method), scans in overlaps.items():
        total = sum(scans[1:], scans[0])
        lines.append(
            f"| {group} | {method} | {len(scans)} | {total.found} of {total.lesions} ({_percent(total.found, total.lesions)}) | "
            f"{_percent(total.found_volume_ml, total.volume_ml)} | {total.findings / len(scans):.1f} | "
            f"{(total.findings - total.true_findings) / len(scans):.1f} | {total.flagged_ml / len(scans):.1f} |"
        )
    return "\n".join(lines) + "\n"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def write_cohort(data: Path, folder: Path) -> None:
    """The scans of openms_mni in the layout of BIDS, their lesions in place of infarcts."""
    rows = []
    for case in (case for case in CASES if case.folder.parts[0] == "openms_mni"):
        source, subject = data / case.folder, f"sub-{case.name.split()[1]}"
        image_path(folder, subject, "FLAIR").parent.mkdir(parents=True)
        truth_path(folder, subject, INFARCTS).parent.mkdir(parents=True)
        for name, suffix in (("T1", "T1w"), ("FLAIR", "FLAIR")):
            shutil.copyfile(source / f"{name}.nii.gz", image_path(folder, subject, suffix))
        mask = source / "brainmask_FLAIR_deepbet.nii.gz"
        if mask.exists():
            shutil.copyfile(mask, truth_path(folder, subject, BRAIN_MASK))
        grid = Grid.of(read_volume(source / "FLAIR.nii.gz", role="FLAIR").image)
        labels = known_lesions(case, data, grid)
        write_image(grid.image(labels.astype(np.uint16)), truth_path(folder, subject, INFARCTS))
        rows.append({"participant_id": subject, "patient": case.name, "infarcts": int(labels.max())})
    about = {"Name": "Real MS lesions (openms_mni) in place of infarcts", "BIDSVersion": "1.10.0"}
    (folder / "dataset_description.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
    with (folder / "participants.tsv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Print and write the table, or write the cohort."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--model", action="append", help="give several to compare; default: the program's own"
    )
    arguments.add_argument("--cohort", type=Path, help="folder to write the cohort to; must not be there")
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--output", type=Path, default=Path("bench-output"))
    given = arguments.parse_args()
    if not given.data.is_dir():
        raise SystemExit(f"The real scans are not at {given.data}; give their folder with --data.")
    if given.cohort is not None:
        write_cohort(given.data, given.cohort)
        print(f"The cohort is in {given.cohort}.")
        return
    models = [load_model(name) for name in given.model or (DEFAULT_MODEL,)]
    if any(model.preparation != models[0].preparation for model in models):
        raise SystemExit("These models want their scans prepared differently; compare them one by one.")
    text = table(evaluate(models, given.data))
    given.output.mkdir(exist_ok=True)
    (given.output / "real_lesions.md").write_text(text, encoding="utf-8")
    print("\n" + text)


if __name__ == "__main__":
    main()
