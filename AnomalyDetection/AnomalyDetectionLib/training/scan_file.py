"""One compact file of prepared scans: all that training reads.

A plain .npz without pickled objects, so that the training loop needs torch and numpy alone, on any machine.
Intensities are kept in steps of 1/256 (the noise of a scan is about 0.03), only round the brain.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..imaging.settings import PreparationSettings
from ..imaging.whole_file import whole_file

STEP = 1 / 256
FORMAT = "anomaly-detection scans 2"
_EARLIER = "anomaly-detection scans 1"
"""The same without lesions."""


@dataclass(frozen=True)
class TrainingScan:
    """A prepared scan as training sees it.

    Attributes:
        name: of the scan, unique in the file.
        patient: scans of one patient are never split between training and training-validation.
        t1, flair: float32 (slices, rows, columns), scaled.
        brain: bool, same shape.
        normal: bool, same shape: voxels whose whole patch is normal-appearing; patch centres lie here.
        lesion: bool, same shape: what was kept out; None in files that do not say.
        slice_mm: between slices; what is aimed at, in files that do not say.
        known: bool, same shape: voxels that the scan's own lesion mask marks, nothing beyond; None in files that do not
            say.
        simulated: whether it is a simulated head, and no scan of a person; in files that do not say, what holds no
            lesion is taken for one.
    """

    name: str
    patient: str
    t1: np.ndarray
    flair: np.ndarray
    brain: np.ndarray
    normal: np.ndarray
    lesion: np.ndarray | None = None
    slice_mm: float = PreparationSettings.slice_mm
    known: np.ndarray | None = None
    simulated: bool = False


@dataclass(frozen=True)
class ScanFile:
    """The scans of a file, how they were prepared, and a note of what they are and what was kept out."""

    scans: tuple[TrainingScan, ...]
    preparation: PreparationSettings
    notes: str


def write_scans(
    scans: Iterable[TrainingScan], path: Path, preparation: PreparationSettings, notes: str
) -> None:
    """Write scans into one file, `notes` saying what they are and what was kept out."""
    arrays: dict[str, np.ndarray] = {}
    index = []
    for number, scan in enumerate(scans):
        for name, image in (("t1", scan.t1), ("flair", scan.flair)):
            steps = np.clip(np.rint(image / STEP), -32768, 32767).astype(np.int16)
            # Patches reach 7 voxels beyond the brain; what lies further out is never read.
            arrays[f"{number}/{name}"] = np.where(_reach(scan.brain), steps, 0).astype(np.int16)
        masks = scan.brain.astype(np.uint8) + 2 * scan.normal.astype(np.uint8)
        arrays[f"{number}/masks"] = masks if scan.lesion is None else masks + 4 * scan.lesion.astype(np.uint8)
        if scan.known is not None:
            arrays[f"{number}/masks"] += 8 * scan.known.astype(np.uint8)
        said = {"known": scan.known is not None, "simulated": scan.simulated}
        index.append({"name": scan.name, "patient": scan.patient, "slice_mm": scan.slice_mm, **said})
    header = json.dumps(
        {"format": FORMAT, "scans": index, "preparation": asdict(preparation), "notes": notes}
    )
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, header=np.frombuffer(header.encode(), np.uint8), **arrays)  # type: ignore[arg-type]


def read_scans(path: Path) -> ScanFile:
    """Read a file that `write_scans` wrote.

    Raises:
        InputError: the file is missing, damaged, or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            header = json.loads(content["header"].tobytes())
            if header["format"] not in (FORMAT, _EARLIER):
                raise KeyError(header["format"])
            lesions = header["format"] == FORMAT
            scans = tuple(
                _read_one(content, number, entry, lesions) for number, entry in enumerate(header["scans"])
            )
            return ScanFile(scans, PreparationSettings(**header["preparation"]), header["notes"])
    except FileNotFoundError:
        raise InputError(
            f"There is no file of prepared scans at {path}; make one with 'anomaly-detection prepare'."
        ) from None
    except Exception as error:
        raise InputError(
            f"{path} is not a file of prepared scans of this version, or it is damaged; make it anew with 'anomaly-detection prepare'."
        ) from error


def _read_one(
    content: np.lib.npyio.NpzFile, number: int, entry: dict[str, Any], lesions: bool
) -> TrainingScan:
    t1, flair = (
        content[f"{number}/{name}"].astype(np.float32) * np.float32(STEP) for name in ("t1", "flair")
    )
    masks = content[f"{number}/masks"]
    brain, normal, lesion, known = ((masks & bit) > 0 for bit in (1, 2, 4, 8))
    return TrainingScan(
        entry["name"],
        entry["patient"],
        t1,
        flair,
        brain,
        normal,
        lesion if lesions else None,
        float(entry.get("slice_mm", PreparationSettings.slice_mm)),
        known if entry.get("known") else None,
        bool(entry.get("simulated", lesions and not lesion.any())),
    )


def _reach(brain: np.ndarray, voxels: int = 8) -> np.ndarray:
    """The brain, dilated within each slice by a square of `voxels` to every side."""
    reach = brain.copy()
    for axis in (1, 2):
        source = reach.copy()
        for step in range(1, voxels + 1):
            for sign in (step, -step):
                reach |= _shift(source, sign, axis)
    return reach


def _shift(mask: np.ndarray, by: int, axis: int) -> np.ndarray:
    moved = np.roll(mask, by, axis)
    edge: list[slice] = [slice(None)] * mask.ndim
    edge[axis] = slice(0, by) if by > 0 else slice(by, None)
    moved[tuple(edge)] = False
    return moved


def normal_centres(brain: np.ndarray, lesion: np.ndarray, patch_size: int) -> np.ndarray:
    """Voxels of the brain whose whole patch (patch_size x patch_size, in the slice) is free of lesion."""
    return brain & ~_reach(lesion, patch_size // 2)


def split_patients(
    scans: Sequence[TrainingScan], held_out: Sequence[str], left_out: Sequence[str] = ()
) -> tuple[list[TrainingScan], list[TrainingScan]]:
    """Split scans into training and training-validation by whole patients, and leave some out.

    Raises:
        InputError: a patient named is not in the file, or nothing is left for one of the two.
    """
    missing = sorted({*held_out, *left_out} - {scan.patient for scan in scans})
    if missing:
        there = ", ".join(sorted({scan.patient for scan in scans}))
        raise InputError(f"The file of prepared scans has no patient {', '.join(missing)}; it has {there}.")
    training = [scan for scan in scans if scan.patient not in (*held_out, *left_out)]
    validation = [scan for scan in scans if scan.patient in held_out]
    if not training or not validation:
        raise InputError(
            "Training needs at least one patient to train on and one for training-validation: "
            "name some, but not all, with --held-out."
        )
    return training, validation
