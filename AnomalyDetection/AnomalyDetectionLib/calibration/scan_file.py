"""One compact file of prepared scans: all that training reads.

A plain .npz without pickled objects, so that the training loop needs torch and numpy alone, on any machine.
Intensities are kept in steps of 1/48 of the distance from fluid to white matter (noise is about 0.05), only in the brain.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files.atomic_file import atomic_file
from ..imaging.preparation_settings import PreparationSettings

STEP = 1 / 48
DARKEST = -0.75
FORMAT = "anomaly-detection scans 3"

GROUPS = ("old", "young")
"""Brains with atrophy and white matter hyperintensities, and those without; simulated heads are among the latter."""

_LISTED = ("name", "patient", "slice_mm", "group", "lesion_class", "percentiles")
LESION_CLASSES = ("", "wmh", "tumour")  # What a lesion mask marks; "": the scan is known to hold no lesion


@dataclass(frozen=True)
class TrainingScan:
    """A prepared scan as training sees it."""

    name: str  # of the scan, unique in the file
    patient: str  # scans of one patient are never split between training and training-validation
    # t1, flair: float32 (slices, rows, columns), scaled by tissue modes, or by percentiles (see
    # `percentile_scaled`); 0 outside the brain
    t1: np.ndarray
    flair: np.ndarray
    brain: np.ndarray  # bool, same shape
    normal: np.ndarray  # bool, same shape: centres of patches that are normal-appearing throughout
    lesion: np.ndarray  # bool, same shape: the scan's own lesion mask
    slice_mm: float = PreparationSettings.slice_mm  # between slices
    group: str = "young"  # one of `GROUPS`
    lesion_class: str = "wmh"  # one of `LESION_CLASSES`
    # 5th and 95th of T1, then of FLAIR, within the brain, on the scale of `t1` and `flair`
    percentiles: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)

    def percentile_scaled(self) -> TrainingScan:
        """The same scan scaled as the paper does: the 5th percentile of the brain at 0, the 95th at 1."""
        a, b, c, d = self.percentiles
        empty = (self.t1 == 0) & (self.flair == 0) & ~self.brain
        t1, flair = (
            np.where(empty, 0, (image - low) / (high - low)).astype(np.float32)
            for image, low, high in ((self.t1, a, b), (self.flair, c, d))
        )
        return replace(self, t1=t1, flair=flair, percentiles=(0.0, 1.0, 0.0, 1.0))


@dataclass(frozen=True)
class ScanFile:
    """The scans of a file, how they were prepared, and a note of what they are and what was kept out."""

    scans: tuple[TrainingScan, ...]
    preparation: PreparationSettings
    notes: str

    def scaled(self, scaling: str) -> ScanFile:
        """The same scans scaled as a model wants them (see `PreparationSettings.scaling`). Raises InputError
        where that cannot be told from this file."""
        if scaling == self.preparation.scaling:
            return self
        if scaling != "percentiles":
            raise InputError(
                f"The prepared scans are scaled by {self.preparation.scaling}, and the model wants {scaling}: prepare them anew."
            )
        scans = tuple(scan.percentile_scaled() for scan in self.scans)
        return replace(self, scans=scans, preparation=replace(self.preparation, scaling=scaling))


def write_scans(
    scans: Iterable[TrainingScan], path: Path, preparation: PreparationSettings, notes: str
) -> None:
    """Write scans into one file, `notes` saying what they are and what was kept out."""
    arrays: dict[str, np.ndarray] = {}
    index = []
    for number, scan in enumerate(scans):
        for name, image in (("t1", scan.t1), ("flair", scan.flair)):
            steps = np.clip(np.rint((image - DARKEST) / STEP), 0, 255)
            shown = scan.brain if preparation.outside_brain == "zero" else _reach(scan.brain)
            arrays[f"{number}/{name}"] = np.where(shown, steps, 0).astype(np.uint8)
        arrays[f"{number}/masks"] = (
            scan.brain + 2 * scan.normal.astype(np.uint8) + 4 * scan.lesion.astype(np.uint8)
        )
        index.append({name: getattr(scan, name) for name in _LISTED})
    about = {"format": FORMAT, "scans": index, "preparation": asdict(preparation), "notes": notes}
    header = json.dumps(about)
    with atomic_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, header=np.frombuffer(header.encode(), np.uint8), **arrays)  # type: ignore[arg-type]


def read_scans(path: Path) -> ScanFile:
    """Read a file that `write_scans` wrote. Raises InputError where the file is missing, damaged, or something else."""
    try:
        with np.load(path, allow_pickle=False) as content:
            header = json.loads(content["header"].tobytes())
            if header["format"] != FORMAT:
                raise KeyError(header["format"])
            preparation = PreparationSettings(**header["preparation"])
            scans = tuple(
                _read_one(content, number, entry, preparation.outside_brain == "zero")
                for number, entry in enumerate(header["scans"])
            )
            return ScanFile(scans, preparation, header["notes"])
    except FileNotFoundError:
        raise InputError(
            f"There is no file of prepared scans at {path}; make one with 'anomaly-detection prepare'."
        ) from None
    except Exception as error:
        raise InputError(
            f"{path} is not a file of prepared scans of this version, or it is damaged; make it anew with 'anomaly-detection prepare'."
        ) from error


def _read_one(
    content: np.lib.npyio.NpzFile, number: int, entry: dict[str, Any], zero_outside: bool
) -> TrainingScan:
    t1, flair = (
        content[f"{number}/{name}"].astype(np.float32) * np.float32(STEP) + np.float32(DARKEST)
        for name in ("t1", "flair")
    )
    masks = content[f"{number}/masks"]
    brain, normal, lesion = ((masks & bit) > 0 for bit in (1, 2, 4))
    if zero_outside:
        t1[~brain], flair[~brain] = 0.0, 0.0
    a, b, c, d = (float(value) for value in entry["percentiles"])
    if entry["group"] not in GROUPS or entry["lesion_class"] not in LESION_CLASSES:
        raise KeyError(entry["group"])
    return TrainingScan(
        entry["name"], entry["patient"], t1, flair, brain, normal, lesion, float(entry["slice_mm"]),
        entry["group"], entry["lesion_class"], (a, b, c, d),
    )  # fmt: skip


def _reach(brain: np.ndarray, voxels: int = 8) -> np.ndarray:
    """The brain, dilated within each slice by a square of `voxels` to every side."""
    from scipy import ndimage  # a training without scipy reads these files as well

    return np.asarray(ndimage.maximum_filter(brain, (1, 2 * voxels + 1, 2 * voxels + 1), mode="constant"))


def normal_centres(brain: np.ndarray, lesion: np.ndarray, patch_size: int) -> np.ndarray:
    """Voxels of the brain whose whole patch (patch_size x patch_size, in the slice) is free of lesion."""
    return brain & ~_reach(lesion, patch_size // 2)


def split_patients(
    scans: Sequence[TrainingScan],
    held_out: Sequence[str],
    left_out: Sequence[str] = (),
    *,
    fine_tuning: bool = False,
) -> tuple[list[TrainingScan], list[TrainingScan]]:
    """Split scans into training and training-validation by whole patients, and leave some out.

    With a handful of scans, a model may be fine-tuned on all of them: nobody is held out then, and both are the same.
    Raises InputError where a patient named is not in the file or in both lists, or nothing is left for one of the two."""
    there = sorted({scan.patient for scan in scans})
    if missing := sorted({*held_out, *left_out} - {*there}):
        raise InputError(
            f"The file of prepared scans has no patient {', '.join(missing)}; it has {', '.join(there)}."
        )
    if both := sorted({*held_out} & {*left_out}):
        raise InputError(
            f"{', '.join(both)} cannot be both held out and left out: who is left out for testing must not have a say in the "
            "training. Name each patient for one of the two."
        )
    training = [scan for scan in scans if scan.patient not in (*held_out, *left_out)]
    validation = [scan for scan in scans if scan.patient in held_out]
    if fine_tuning and not held_out:
        validation = training
        if not training:
            raise InputError(
                "All patients of the file of prepared scans are left out: nobody is left to train on."
            )
    if not training or not validation:
        raise InputError(
            "Training needs at least one patient to train on and one for training-validation: "
            "name some, but not all, with --held-out."
        )
    return training, validation
