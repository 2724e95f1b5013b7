"""A result folder as `detect` or `bids` leaves it, made of the small synthetic study: no engine is run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.detection.stored_scores import write_stored
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.reading import read_volume
from AnomalyDetectionLib.reporting.tables import write_csv, write_json
from made_dicom import MadeStudy, classic_series
from synthetic_study import FLAIR_GRID, SCORES, ellipsoid, scores_at

THRESHOLD, MIN_PATCHES = 3.0, 1


def head_image(grid: Grid = FLAIR_GRID, seed: int = 1, degrees: float = 0.0) -> sitk.Image:
    """A brain with some texture, float32: no two seeds give the same image."""
    brain = ellipsoid(grid, degrees)
    noise = np.random.default_rng(seed).uniform(50, 60, grid.shape)
    return grid.image(np.where(brain, 4 * noise, 0).astype(np.float32))


def result_folder(
    place: Path,
    patches: dict[tuple[int, int, int], float] = SCORES,
    *,
    keep_scores: bool = True,
    images: dict[str, sitk.Image] | None = None,
    image_folder: Path | None = None,
    scan: str = "",
    hide: tuple[str, ...] = (),
    model: str = "paper",
    probabilities: bool = False,
    degrees: float = 0.0,
) -> Path:
    """Write a result, and the images that it was made from.

    Args:
        place: the folder of the results.
        images: "t1" and "flair".
        image_folder: where the images lie; None: beside the folder.
        scan: a scan of `bids`, such as "sub-01"; "": a folder of `detect`.
        hide: hints whose findings are left out of the images.
        probabilities: whether the record says that scores are.
        degrees: by which the head is turned round z.
    """
    images = images or {"t1": head_image(seed=1), "flair": head_image(seed=2)}
    image_folder = place.parent if image_folder is None else image_folder
    inputs: dict[str, Any] = {"brain_mask": None}
    for role, image in images.items():
        name = {"t1": "T1w", "flair": "FLAIR"}[role]
        path = image_folder / (f"{scan}_{name}.nii.gz" if scan else f"{name}.nii.gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(path))
        inputs[role] = described(path, Grid.of(image))
        if scan:
            inputs[role]["path"] = f"bids:raw:{scan}/anat/{path.name}"
    scores = scores_at(patches, Grid.of(images["flair"]), degrees=degrees)
    findings = derive_findings(scores, threshold=THRESHOLD, min_patches=MIN_PATCHES)
    scoring = {"stride": 4, "threshold": THRESHOLD, "min_patches": MIN_PATCHES}
    unmoved = {"registered": False, "shift_mm": 0.0, "rotation_deg": 0.0}
    record = {
        "notice": "Research use only.",
        "model": {"name": model, "file": model, "sha256": hashlib.sha256(model.encode()).hexdigest()},
        "settings": {"scoring": scoring, "scores_are_probabilities": probabilities},
        "inputs": inputs,
        "alignment": {**unmoved, "flair_to_t1_lps": np.eye(4).ravel().tolist()},
        "hidden_in_images": sorted(hide),
        "missing": [],
        "run": {"finished_utc": "2024-03-05T10:00:00+00:00"},
    }
    start = f"{scan}_space-FLAIR_desc-anomaly_" if scan else ""
    folder = place / "anat" if scan else place
    folder.mkdir(parents=True, exist_ok=True)
    names = ("statmap", "dseg") if scan else ("anomaly_score", "suspected_anomalies")
    sitk.WriteImage(scores.image, str(folder / f"{start}{names[0]}.nii.gz"))
    sitk.WriteImage(findings.without(hide).labels, str(folder / f"{start}{names[1]}.nii.gz"))
    write_json(findings, record, folder / f"{start}{'dseg' if scan else 'findings'}.json")
    write_csv(findings, folder / f"{start}findings.csv")
    if keep_scores:
        write_stored(scores, place / "score_map")
    return place


def with_dicom_images(folder: Path, place: Path, study: MadeStudy) -> Path:
    """Let a result of `detect` be of DICOM series instead of its image files, which go.

    Args:
        folder: of `result_folder`.
        place: of the series, a folder for each below it.
    """
    record = record_of(folder / "findings.json")
    for number, (role, kind) in enumerate((("t1", "T1"), ("flair", "FLAIR")), start=3):
        path = Path(record["inputs"][role]["path"])
        common = {"kind": kind, "study": study, "number": number, "SeriesDescription": f"ax {kind}"}
        files = classic_series(place / kind, sitk.ReadImage(str(path)), **common)
        sha256 = read_volume(place / kind, role=kind).sha256
        record["inputs"][role] |= {"path": str(place), "dicom_files": len(files), "sha256": sha256}
        path.unlink()
    (folder / "findings.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def described(path: Path, grid: Grid) -> dict[str, Any]:
    """An input as the record describes it."""
    return {
        "path": str(path),
        "description": path.name,
        "dicom_files": 0,
        "chosen": None,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "grid": {
            "size": list(grid.size),
            "spacing_mm": list(grid.spacing),
            "origin_lps_mm": list(grid.origin),
            "direction": list(grid.direction),
        },
    }


def engine_files(folder: Path) -> dict[str, bytes]:
    """All that is in a folder but reviews."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "review" not in path.name
    }


def record_of(path: Path) -> dict[str, Any]:
    """What a JSON file says."""
    return dict(json.loads(path.read_text("utf-8")))
