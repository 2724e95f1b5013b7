"""What the model finds of the lesions that are really there, on scans that it was not trained on.

White matter hyperintensities and multiple sclerosis, as far as masks of them exist; they are no infarcts. Beside the
model stands bright FLAIR, thresholded so that it flags the same volume. Writes one table.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.detection.detector import score
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.evaluation.flair_threshold import bright_findings
from AnomalyDetectionLib.evaluation.overlap import Overlap, components, match
from AnomalyDetectionLib.imaging.flair_grid import to_flair_grid
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.imaging.reading import read_study, read_volume
from AnomalyDetectionLib.model.model_file import Model, load_model


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


def known_lesions(case: Case, data: Path, study: PreparedStudy) -> np.ndarray:
    """The case's lesions, numbered, on the FLAIR's grid."""
    mask = read_volume(data / case.folder / f"{case.lesions}.nii.gz", role="lesion mask", mask=True).image
    return components(sitk.GetArrayFromImage(study.flair_grid.resampled(mask)) > 0)


def found_by(study: PreparedStudy, model: Model) -> dict[str, np.ndarray]:
    """Label maps of findings on the FLAIR's grid, by method."""
    scoring = model.scoring
    findings = derive_findings(
        score(study, model), threshold=scoring.threshold, min_patches=scoring.min_patches
    )
    labels = sitk.GetArrayFromImage(findings.labels).astype(np.int32)
    flagged_ml = float((labels > 0).sum()) * study.flair_grid.voxel_ml
    bright = bright_findings(study, round(flagged_ml / study.grid.voxel_ml))
    return {"model": labels, "bright FLAIR": sitk.GetArrayFromImage(to_flair_grid(bright, study))}


def evaluate(model: Model, data: Path) -> dict[tuple[str, str], list[Overlap]]:
    """Overlaps of every scan by group and method."""
    overlaps: dict[tuple[str, str], list[Overlap]] = {}
    for case in CASES:
        folder = data / case.folder
        mask = folder / "brainmask_FLAIR_deepbet.nii.gz"
        images = read_study(folder / "T1.nii.gz", folder / "FLAIR.nii.gz", mask if mask.exists() else None)
        study = prepare(images, model.preparation)
        lesions = known_lesions(case, data, study)
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


def main() -> None:
    """Print and write the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", default="paper")
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--output", type=Path, default=Path("bench-output"))
    given = arguments.parse_args()
    if not given.data.is_dir():
        raise SystemExit(f"The real scans are not at {given.data}; give their folder with --data.")
    text = table(evaluate(load_model(given.model), given.data))
    given.output.mkdir(exist_ok=True)
    (given.output / "real_lesions.md").write_text(text, encoding="utf-8")
    print("\n" + text)


if __name__ == "__main__":
    main()
