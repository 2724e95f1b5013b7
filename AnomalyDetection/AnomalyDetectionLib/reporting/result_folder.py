"""The result folder of `detect`, or of one scan of `bids`: its files, and where its input images are.

Imports neither torch nor other packages that Slicer may lack, so that a review needs no installation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..bids.bids_layout import read_tsv
from ..detection.stored_scores import FOLDER
from ..detection.stored_scores import RECORD as SCORE_RECORD
from ..dicom.headers import is_dicom, read_folder
from ..dicom.identity import Identity
from ..dicom.series import Series, series_of
from ..errors import InputError
from ..files.atomic_folder import recover
from ..files.file_hash import sha256_of
from ..files.text import display_path
from ..grid import Grid
from ..imaging.text_header import check_header, data_files

ROLES = {"t1": "T1", "flair": "FLAIR"}
_BIDS = "_space-FLAIR_desc-anomaly_"
_RAW = "bids:raw:"
_MOST_BYTES = 50_000_000


class ImageNotFoundError(InputError):
    """An input image of a result was moved or changed; the caller may ask the user for it.

    Attributes:
        role: "t1" or "flair".
    """

    def __init__(self, role: str, sentence: str) -> None:
        super().__init__(sentence)
        self.role = role


@dataclass(frozen=True)
class ResultImage:
    """An input image of a result, on the disk.

    Attributes:
        path: the file, or the folder of DICOM images.
        series: of DICOM images.
        remark: why it may not be the image that was analysed; "" if it is.
    """

    path: Path
    series: Series | None = None
    remark: str = ""

    @property
    def dicom_files(self) -> tuple[Path, ...]:
        """The files of DICOM images in slice order; empty for other formats."""
        return () if self.series is None else _files_in_order(self.series)


@dataclass(frozen=True)
class ResultFolder:
    """The files of one result.

    Attributes:
        folder: the folder that was opened.
        name: of the scan: "sub-01_ses-2", or the folder's name.
        record_file: findings.json, or its name in a BIDS dataset; record: its content.
        sha256: of the record when it was read; different for every run.
        score, labels: images on the FLAIR's grid.
        score_map: the folder of the kept scores; None if they were not kept.
        review: the path of the reader's review, whether it exists or not.
    """

    folder: Path
    name: str
    record_file: Path
    record: Mapping[str, Any]
    sha256: str
    score: Path
    labels: Path
    score_map: Path | None
    review: Path

    @property
    def subject(self) -> str:
        """The BIDS subject of the scan, "sub-01"; "" outside BIDS."""
        return self.name.partition("_")[0] if self.record_file.name != "findings.json" else ""

    @property
    def count(self) -> int:
        """The number of findings of the run."""
        return len(self.record["findings"])

    @property
    def settings(self) -> tuple[float, int]:
        """Threshold and minimum number of patches of the run."""
        return float(self.record["threshold"]), int(self.record["min_patches"])


def open_folder(folder: Path) -> ResultFolder:
    """Open a folder of `detect`, or of one scan of `bids` (sub-XX or sub-XX/ses-YY).

    If a run was killed while it wrote into it, the folder is repaired first. InputError: it holds no result, several,
    or a damaged one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{display_path(folder)} is not a folder: choose the folder that a detection has written."
        )
    recover(folder)
    found = sorted(folder.glob(f"anat/*{_BIDS}dseg.json"))
    if (folder / "findings.json").is_file():
        record, name = folder / "findings.json", folder.resolve().name
        score, labels = folder / "anomaly_score.nii.gz", folder / "suspected_anomalies.nii.gz"
        review = folder / "review.json"
    elif len(found) == 1:
        record, name = found[0], found[0].name.removesuffix(f"{_BIDS}dseg.json")
        score, labels = (record.with_name(f"{name}{_BIDS}{kind}.nii.gz") for kind in ("statmap", "dseg"))
        review = folder / f"{name}_review.json"
    else:
        several = sorted(path.parents[1].name for path in folder.glob(f"s*/anat/*{_BIDS}dseg.json"))
        several += sorted(path.parents[1].name for path in folder.glob(f"s*/s*/anat/*{_BIDS}dseg.json"))
        if several:
            raise InputError(
                f"{display_path(folder)} holds {len(several)} result{'s' if len(several) > 1 else ''} in folders of its own "
                f"({', '.join(several[:3])}{', ...' if len(several) > 3 else ''}): choose one of these."
            )
        raise InputError(
            f"{display_path(folder)} holds no result of a detection: choose the folder that `detect` has written, or that of "
            "one scan of `bids`."
        )
    stored = folder / FOLDER
    content, sha256 = _read_record(record), sha256_of(record)
    for path in (score, labels):
        if not path.is_file():
            raise InputError(
                f"The result in {display_path(folder)} is not complete ({path.name} is missing): detect again."
            )
    kept = stored if (stored / SCORE_RECORD).is_file() else None
    return ResultFolder(folder, name, record, content, sha256, score, labels, kept, review)


def find_image(
    opened: ResultFolder, role: str, given: Path | None = None, also: Sequence[Path] = ()
) -> ResultImage:
    """The image that a result was made from, known by its SHA256.

    It is looked for where the record says, and beside the results.

    Args:
        role: "t1" or "flair".
        given: chosen by the reader. If its content differs but its voxel grid is the same, it is accepted with a
            remark, as the image may have been saved again.
        also: other places to look.

    Raises:
        ImageNotFoundError: it was not found, or is not the image that was analysed.
    """
    described = (opened.record.get("inputs") or {}).get(role) or {}
    sha256, what = described.get("sha256"), ROLES[role]
    candidates = [given] if given is not None else [*_candidates(opened, described.get("path")), *also]
    there = [path for path in candidates if path.exists()]
    for path in there:
        for image, digest in _images_at(path, int(described.get("dicom_files") or 0)):
            if sha256 is not None and digest() == sha256:
                return image
            if given is not None and _same_grid(image, described.get("grid")):
                remark = f"The {what} {display_path(path)} is not the file that was analysed, but has the same voxel grid"
                return ResultImage(image.path, image.series, remark)
    name = described.get("path") or "which the record does not name"
    if given is not None:
        sentence = f"{display_path(given)} is not the {what} that was analysed ({name}): choose that one, or detect anomalies again."
    elif there:
        sentence = f"The {what} {display_path(there[0])} has changed since it was analysed: choose the original image, or detect anomalies again."
    else:
        sentence = f"The {what} of this result was moved or deleted ({name}): choose the image."
    raise ImageNotFoundError(role, sentence)


def identity_of(opened: ResultFolder, image: ResultImage) -> Identity:
    """Patient and study of a DICOM image; of other images the date, if their BIDS dataset has it (scans.tsv).

    For a result that was written from a scene they come from the record.
    """
    if image.series is not None:
        return image.series.identity
    identity = opened.record.get("identity")
    if isinstance(identity, Mapping):
        return Identity(**{field: str(identity.get(field, "")) for field in asdict(Identity())})
    return Identity(study_date=_date_in_bids(image.path))


def _date_in_bids(path: Path) -> str:
    """The acquisition date of an image in "anat" from scans.tsv, in DICOM format; "" if not known."""
    for table in path.parent.parent.glob("sub-*_scans.tsv"):
        try:
            rows = read_tsv(table)
            times = [row.get("acq_time") for row in rows if Path(row.get("filename") or "").name == path.name]
            return date.fromisoformat((times[0] or "")[:10]).strftime("%Y%m%d") if times else ""
        except (OSError, ValueError):
            return ""
    return ""


def read_image(image: ResultImage, role: str) -> sitk.Image:
    """The voxels of an image (LPS, three dimensions), in the file's own type; InputError if it cannot be read."""
    if image.series is not None:
        from ..dicom.series import read

        return read(image.series, role=ROLES[role])[0]
    try:
        check_header(image.path, role=ROLES[role])
        found = sitk.ReadImage(str(image.path))
    except (RuntimeError, OSError):
        found = _as_the_engine_does(image.path, role)
    while found.GetDimension() > 3 and found.GetSize()[-1] == 1:
        found = found[(*[slice(None)] * (found.GetDimension() - 1), 0)]
    return found if found.GetDimension() == 3 else _as_the_engine_does(image.path, role)


def _read_record(path: Path) -> dict[str, Any]:
    damaged = InputError(f"{display_path(path)} is damaged: detect anomalies again.")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise damaged
        record = json.loads(path.read_text("utf-8"))
        float(record["threshold"]), int(record["min_patches"])
        if not isinstance(record["findings"], list) or not isinstance(record.get("inputs"), dict):
            raise damaged
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged from error
    return dict(record)


def _candidates(opened: ResultFolder, recorded: str | None) -> list[Path]:
    """Paths where an image may be, the likeliest first."""
    if not recorded:
        return []
    folder = opened.folder.absolute()
    places: list[Path] = []
    if recorded.startswith(_RAW):
        inside = recorded.removeprefix(_RAW)
        for root in (folder.parent, folder.parent.parent):  # of the results: sub-XX, or sub-XX/ses-YY
            source = _source_of(root)
            places += [place / inside for place in (*source, root.parent.parent, root.parent)]
        name = Path(inside).name
    else:
        path = Path(recorded)
        name = path.name or recorded.replace("\\", "/").rpartition("/")[2]
        # Of images that were moved together with the result, the end of the path stays.
        beside = [folder.parent / Path(*path.parts[-2:])]
        places += [path, *beside] if path.is_absolute() else [folder.parent / path, folder / path]
    places += [folder / name, folder.parent / name] if name else []
    return list(dict.fromkeys(places))


def _source_of(root: Path) -> list[Path]:
    """The BIDS dataset that a results folder of `bids` refers to."""
    try:
        return [Path(json.loads((root / "code" / "settings.json").read_text("utf-8"))["source"])]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _images_at(path: Path, dicom_files: int) -> list[tuple[ResultImage, Any]]:
    """The images at a path, each with a function that returns its SHA256."""
    if path.is_dir() or is_dicom(path):
        place = path if path.is_dir() else path.parent
        series = [s for s in series_of(read_folder(place)) if s.is_mr and not s.problem]
        series = [s for s in series if len(s.instances) == dicom_files] or series
        return [(ResultImage(place, one), lambda one=one: sha256_of(*_files_in_order(one))) for one in series]
    files = (path, *(path.parent / name for name in data_files(path) if (path.parent / name).is_file()))
    return [(ResultImage(path), lambda: sha256_of(*files))]


def _files_in_order(series: Series) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(frame.file for frame in series.stack(series.name).frames))


def _same_grid(image: ResultImage, recorded: Any) -> bool:
    try:
        grid = Grid.of(read_image(image, "flair"))
        then = Grid(*(tuple(recorded[key]) for key in ("size", "spacing_mm", "origin_lps_mm", "direction")))
    except (InputError, KeyError, TypeError):
        return False
    corners = np.array([[0, 0, 0], *(np.diag(grid.size) - np.eye(3))])
    return grid.size == then.size and bool(np.allclose(grid.points(corners), then.points(corners), atol=0.05))


def _as_the_engine_does(path: Path, role: str) -> sitk.Image:
    try:
        from ..imaging.reading import read_volume
    except ImportError as error:
        raise InputError(
            f"The {ROLES[role]} {display_path(path)} cannot be read: convert it to NIfTI or NRRD."
        ) from error
    return read_volume(path, role=ROLES[role]).image
