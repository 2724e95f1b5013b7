"""What models find of lesions that are really there: tumours, multiple sclerosis, white matter hyperintensities.

Each scan goes the whole way of `detect`, at the model's default threshold; what counts are the outlines of its findings
on the FLAIR's own grid. Beside each model stands bright FLAIR that flags the same volume.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.calibration.prepare_scans import ScanEntry
from AnomalyDetectionLib.detection.detection_settings import DetectionRequest, DetectionSettings
from AnomalyDetectionLib.detection.pipeline import Detection, run_detection
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.flair_grid import to_flair_grid
from AnomalyDetectionLib.imaging.reading import read_volume
from AnomalyDetectionLib.imaging.same_voxels import placed_on
from AnomalyDetectionLib.imaging.unusable import Unusable, write_unusable
from AnomalyDetectionLib.imaging.voxels import voxels_of
from AnomalyDetectionLib.model.model_file import AnyModel, ContextModel, load_model

from ..evaluation.cohort_store import method_names
from ..evaluation.csv_rows import Row
from ..evaluation.flair_threshold import BRIGHT, bright_findings, components
from ..evaluation.kinds import MS_LESION
from ..evaluation.store import folder_name
from ..evaluation.stored_arrays import digest_of, key_of, read_arrays, write_arrays
from ..evaluation.truth import TUMOUR, WMH
from ..evaluation.truth_files import CONFOUNDERS

ERRORS = PurePosixPath("tables/errors.csv")
"""The table of scans that could not be used, in the folder of the results."""

TRUTHS: Mapping[str, str] = {"tumour": CONFOUNDERS[TUMOUR], "ms": MS_LESION, "wmh": CONFOUNDERS[WMH]}
"""What the lesion masks of each class mark, by the names of `kinds.RIGHT`."""


@dataclass(frozen=True)
class Found:
    """One scan by one method.

    Attributes:
        name, patient, collection, lesion_class: of the scan; the collection is the first folder of its path.
        method: the model's name, or that of bright FLAIR beside it.
        threshold: of the model.
        labels: uint16 (slices, rows, columns) on the FLAIR's own grid, the numbers of the findings, 0 outside.
        hints: of findings 1, 2, ...; empty where the method calls them nothing.
        lesions: bool, same shape: the lesion mask.
        voxel_ml: of a voxel of the FLAIR.
    """

    name: str
    patient: str
    collection: str
    lesion_class: str
    method: str
    threshold: float
    labels: np.ndarray
    hints: tuple[str, ...]
    lesions: np.ndarray
    voxel_ml: float


def find_real_lesions(
    entries: Sequence[ScanEntry],
    root: Path,
    models: Sequence[str],
    folder: Path,
    device: str = "auto",
    progress: Callable[[str, float], None] | None = None,
) -> tuple[list[Found], tuple[Unusable, ...]]:
    """Detect anomalies in every scan with every model, as far as that is not stored yet.

    Args:
        root: folder that the paths of the scans start from.
        models: names or files.
        folder: where what was found is kept, in `found/<model>/<scan>.npz`.

    Returns:
        Model after model, beside each bright FLAIR; and the scans that could not be used, by any of the models.

    Raises:
        InputError: a model cannot be used, a scan has no lesion mask, two have one name, or no scan can be used
            (which is a table then).
        OSError: the disk is full.
    """
    _check(entries)
    loaded = [load_model(model) for model in models]
    named = dict(zip(method_names(loaded), zip(models, loaded, strict=True), strict=True))
    found: dict[str, list[Found]] = {method: [] for name in named for method in (name, _bright_beside(name))}
    unusable: list[Unusable] = []
    for place, entry in enumerate(entries):
        try:
            entry.check()
            own: list[Found] = []
            for k, (name, (file, model)) in enumerate(named.items()):
                if progress is not None:
                    progress(f"{entry.name}, {name}", (place + k / len(named)) / len(entries))
                own += _of_scan(entry, root, name, file, model, folder, device)
        except Exception as error:  # one scan must not take the others with it
            unusable.append(Unusable.by(entry.name, error))
        else:
            for one in own:
                found[one.method].append(one)
    if len(unusable) == len(entries):
        write_unusable(folder / ERRORS, unusable, of=len(entries))
    return [one for every in found.values() for one in every], tuple(unusable)


def _bright_beside(model: str) -> str:
    return f"{BRIGHT}, as much as {model}"


def _check(entries: Sequence[ScanEntry]) -> None:
    names = [folder_name(entry.name) for entry in entries]
    for entry, name in zip(entries, names, strict=True):
        if entry.lesions is None and not entry.fault:
            raise InputError(
                f"The scan {entry.name} has no lesion mask in the table: name it, or leave it out."
            )
        if names.count(name) > 1:
            raise InputError(
                f"The table has more than one scan named {entry.name}: give each a name of its own."
            )


def _of_scan(
    entry: ScanEntry, root: Path, name: str, file: str, model: AnyModel, folder: Path, device: str
) -> tuple[Found, Found]:
    """What a model finds in a scan, and bright FLAIR beside it: stored, or found and stored now."""
    path = folder / "found" / folder_name(name) / f"{folder_name(entry.name)}.npz"
    files = digest_of(entry.t1, entry.flair, entry.brain_mask, entry.lesions)
    key = {"files": files, "model": model.fingerprint}
    if key_of(path) != key:
        settings = DetectionSettings(model=file, device=device)
        detection = run_detection(
            DetectionRequest(entry.t1, entry.flair, entry.brain_mask, settings=settings)
        )
        findings = detection.findings
        plain = {
            "threshold": findings.threshold,
            "hints": [finding.hint for finding in findings.items],
            "voxel_ml": Grid.of(findings.labels).voxel_ml,
        }
        labels, lesions = voxels_of(findings.labels).astype(np.uint16), _lesion_mask(entry, detection)
        write_arrays(path, key, plain, labels=labels, bright=_bright(detection), lesions=lesions)
    _, stored, arrays = read_arrays(path)
    hints = tuple(stored["hints"]) if isinstance(model, ContextModel) else ()
    common: dict[str, Any] = {
        "name": entry.name,
        "patient": entry.patient,
        "collection": _collection(entry, root),
        "lesion_class": entry.lesion_class,
        "threshold": float(stored["threshold"]),
        "lesions": arrays["lesions"],
        "voxel_ml": float(stored["voxel_ml"]),
    }
    return (
        Found(**common, method=name, labels=arrays["labels"], hints=hints),
        Found(**common, method=_bright_beside(name), labels=arrays["bright"], hints=()),
    )


def _collection(entry: ScanEntry, root: Path) -> str:
    # "" also where the table has an absolute path.
    parts = entry.t1.relative_to(root).parts if entry.t1.is_relative_to(root) else ()
    return parts[0] if len(parts) > 1 else ""


def _lesion_mask(entry: ScanEntry, detection: Detection) -> np.ndarray:
    """bool on the grid of the findings."""
    assert entry.lesions is not None
    grid = Grid.of(detection.findings.labels)
    mask = placed_on(
        read_volume(entry.lesions, role="lesion mask", mask=True), grid, detection.study.flair.header
    )
    return np.asarray(sitk.GetArrayFromImage(grid.resampled(sitk.Cast(mask != 0, sitk.sitkUInt8)))) > 0


def _bright(detection: Detection) -> np.ndarray:
    """Numbered components of the brightest FLAIR, as much of it as the model flags: uint16 on the findings' grid."""
    study = detection.scores.study
    flagged_ml = np.count_nonzero(voxels_of(detection.findings.labels)) * study.flair_grid.voxel_ml
    bright = bright_findings(study, round(flagged_ml / study.grid.voxel_ml))
    return np.asarray(sitk.GetArrayFromImage(to_flair_grid(bright.astype(np.uint16), study)))


def lesions_of(found: Found) -> list[Row]:
    """Every lesion of a scan, a row each: a tumour whole, of the other classes a connected part (26 neighbours) of the mask.

    volume_ml is that of its voxels; found, whether a finding shares a voxel with it; share, of its voxels in findings, 0 to
    1; dice, with the findings that touch it, together, 0 where none does. A mask that is empty has none.
    """
    marked = found.labels > 0
    numbered = found.lesions.astype(np.int32) if found.lesion_class == "tumour" else components(found.lesions)
    count = int(numbered.max(initial=0))
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)
    covered = np.bincount(numbered[marked], minlength=count + 1)
    findings = np.bincount(found.labels.ravel())
    both = marked & found.lesions
    touching = np.unique(np.stack([numbered[both], found.labels[both]]), axis=1)
    rows = []
    for number in range(1, count + 1):
        own = touching[1, touching[0] == number].astype(np.int64)
        together = int(sizes[number] + findings[own].sum())
        rows.append(
            {
                **_names(found),
                "lesion": number,
                "volume_ml": float(sizes[number]) * found.voxel_ml,
                "found": bool(covered[number]),
                "share": float(covered[number] / sizes[number]),
                "dice": float(2 * covered[number] / together),
            }
        )
    return rows


def findings_of(found: Found) -> list[Row]:
    """Every finding of a scan, a row each.

    truth is one of `TRUTHS`' values where it shares a voxel with the lesion mask, else "" (nobody knows); shared_ml, of its
    voxels in the mask; hint, what it was called, "" where the method calls findings nothing.
    """
    sizes = np.bincount(found.labels.ravel())
    shared = np.bincount(found.labels[found.lesions], minlength=len(sizes))
    return [
        {
            **_names(found),
            "finding": int(number),
            "volume_ml": float(sizes[number]) * found.voxel_ml,
            "truth": TRUTHS[found.lesion_class] if shared[number] else "",
            "shared_ml": float(shared[number]) * found.voxel_ml,
            "hint": found.hints[number - 1] if found.hints else "",
        }
        for number in np.flatnonzero(sizes)
        if number
    ]


def _names(found: Found) -> Row:
    return {n: getattr(found, n) for n in ("name", "patient", "collection", "lesion_class", "method")}
