"""From a table of scans to the one compact file that training reads; lesions are kept out here."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..detection.patches import network_images
from ..detection.pipeline import remarks
from ..detection.quality.checks import check_images
from ..errors import InputError
from ..grid import Grid
from ..imaging.acquired_slices import acquired_slices, only_slices
from ..imaging.geometry import to_lps_axes
from ..imaging.preparation import prepare
from ..imaging.preparation_settings import PreparationSettings
from ..imaging.reading import read_study, read_volume
from ..imaging.resampling import flair_to_model_grid
from ..imaging.same_voxels import placed_on
from ..imaging.unusable import Unusable, write_unusable
from .scan_file import GROUPS, TrainingScan, normal_centres, write_scans

BRIGHT = 1.2
BRIGHT_BLUR_VOXELS = 0.6
BRIGHT_VOXELS = 6

MOST_LESION = 0.5
"""Of the brain: what covers more is no mask of lesions, but one of the brain, or an image. All findings would count as known."""

_NEEDED = ("name", "patient", "t1", "flair")

MASK_CLASSES = ("wmh", "ms", "tumour")
"""What a lesion mask marks; multiple sclerosis is to be called like white matter hyperintensities."""


@dataclass(frozen=True)
class ScanEntry:
    """One row of the table. Paths are absolute; brain mask and lesion mask may be missing.

    `healthy`: known to be without lesions, such as a simulated head: bright FLAIR voxels are then normal. `group`:
    "old" or "young" (see `scan_file.GROUPS`). `lesion_class`: what the lesion mask marks, one of `MASK_CLASSES`.
    `fault`: why the row cannot be used; one sentence.
    """

    name: str
    patient: str
    t1: Path
    flair: Path
    brain_mask: Path | None
    lesions: Path | None
    healthy: bool = False
    group: str = "young"
    lesion_class: str = "wmh"
    fault: str = ""

    def check(self) -> None:
        """Raise InputError if the row cannot be used."""
        if self.fault:
            raise InputError(self.fault)


def read_table(table: Path, root: Path) -> list[ScanEntry]:
    """Read a table of the columns name, patient, t1, flair and, optionally, brain_mask, lesions, healthy
    ("yes" or "no"), group ("old" or "young") and lesion_class ("wmh", "ms" or "tumour"). A row that lacks something has
    a fault.

    `table`: CSV, with commas or, as Excel writes it in many countries, semicolons; or TSV. `root`: the folder
    that the table's paths start from. Raises InputError where the table is missing or lacks a column, or has no
    rows."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as content:
            columns = content.readline()
            content.seek(0)
            reader = csv.reader(content, delimiter=max(",;\t", key=columns.count), strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except OSError as error:
        raise InputError(f"The table of scans {table} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The table of scans {table} is not a CSV or TSV in UTF-8; save it so.") from error
    (_, head), *rows = [(number, cells) for number, cells in lines if any(cells)] or [(1, [])]
    head = [name.lower() for name in head]
    if not rows:
        raise InputError(f"The table of scans {table} has no rows.")
    if lacking := [name for name in _NEEDED if name not in head]:
        raise InputError(f"The table of scans {table} has no column {lacking[0]}.")
    return [
        _entry(head, cells, root, f"line {number} of the table of scans {table}") for number, cells in rows
    ]


def _entry(head: list[str], cells: list[str], root: Path, where: str) -> ScanEntry:
    row = dict(zip(head, cells, strict=False))
    needed = {name: row.get(name) or "" for name in _NEEDED}
    faults = [f"{name} is missing in {where}." for name, value in needed.items() if not value]
    if any(cells[len(head) :]):
        faults.append(
            f"There are more cells than columns in {where}: put a text that holds a comma in quotes."
        )
    chosen = {}
    allowed = (("group", GROUPS), ("lesion_class", MASK_CLASSES), ("healthy", ("no", "yes")))
    for column, values in allowed:
        chosen[column] = (row.get(column) or getattr(ScanEntry, column) or values[0]).lower()
        if chosen[column] not in values:
            faults.append(f"There is '{row[column]}' as {column} in {where}: give {' or '.join(values)}.")

    def optional(name: str) -> Path | None:
        return root / row[name] if row.get(name) else None

    return ScanEntry(
        needed["name"] or where.partition(" of")[0], needed["patient"], root / needed["t1"], root / needed["flair"],
        optional("brain_mask"), optional("lesions"), chosen["healthy"] == "yes",
        chosen["group"], chosen["lesion_class"], next(iter(faults), ""),
    )  # fmt: skip


def prepare_scans(entries: list[ScanEntry], output: Path, settings: PreparationSettings, errors: Path, *,
                  patch_size: int = 15, device: str = "cpu",
                  progress: Callable[[str, float], None] | None = None,
                  doubt: Callable[[str], None] = lambda sentence: None) -> tuple[Unusable, ...]:  # fmt: skip
    """Prepare all scans of a table and write them into one file; a scan that cannot be used is left out, and a
    row of the table `errors`.

    What is kept out of the normal-appearing tissue: every patch that touches a voxel of the lesion mask, or a
    cluster of bright FLAIR voxels (`bright_clusters`), which an incomplete mask has missed. `doubt`: called with each
    doubt about a scan, such as that its images seem to be swapped. Returns the scans that were left out, and why.
    Raises InputError where no scan of the table can be used. Only the table `errors` was written then."""
    unusable: list[Unusable] = []
    seen: dict[str, ScanEntry] = {}

    def scans() -> Iterator[TrainingScan]:
        for number, entry in enumerate(entries):
            if progress is not None:
                progress(entry.name, number / len(entries))
            try:
                scan = prepare_scan(entry, settings, patch_size, device, doubt)
                images = hashlib.sha256(scan.t1.tobytes() + scan.flair.tobytes()).hexdigest()
                if (first := seen.setdefault(images, entry)) is not entry:
                    raise InputError(f"Its images are those of {first.name}: each scan counts once.")
            except Exception as error:  # one scan must not take the others with it
                unusable.append(Unusable.by(entry.name, error))
            else:
                yield scan
        write_unusable(errors, unusable, of=len(entries))

    notes = (
        f"Patch centres whose {patch_size} x {patch_size} patch touches the lesion mask or a cluster "
        f"of {BRIGHT_VOXELS} or more voxels with a scaled FLAIR above {BRIGHT:g} were kept out"
    )
    write_scans(scans(), output, settings, notes)
    return tuple(unusable)


def prepare_scan(
    entry: ScanEntry,
    settings: PreparationSettings,
    patch_size: int,
    device: str,
    doubt: Callable[[str], None] = lambda sentence: None,
) -> TrainingScan:
    """Prepare one scan as detection would, and mark where its tissue is normal-appearing. `settings`: with
    scaling by modes; the file knows the percentiles as well. `doubt`: as for `prepare_scans`."""
    entry.check()
    given = read_study(entry.t1, entry.flair, entry.brain_mask)
    study = prepare(given, settings, device)
    for remark in remarks(study, check_images(given, study)):
        doubt(f"{entry.name}: {remark}.")
    filled = np.zeros(study.brain.shape, np.float32)
    if entry.lesions is not None:
        lesions = read_volume(entry.lesions, role="lesion mask", mask=True)
        mask = placed_on(lesions, study.flair_grid, given.flair.header)
        filled = share_on_model_grid(mask, given.flair.image, study.grid) * study.brain
        if (share := float((filled > 0.5)[study.brain].mean())) > MOST_LESION:
            raise InputError(
                f"The lesion mask {entry.lesions} covers {100 * share:.0f} % of the brain: give one of the lesions alone."
            )
    ends = (settings.low_percentile, settings.high_percentile)
    a, b = np.percentile(study.t1[study.brain], ends)
    c, d = np.percentile(study.flair[study.brain], ends)
    kept_out = filled > 0.1
    if not entry.healthy:
        kept_out |= bright_clusters((study.flair - c) / (d - c), study.brain)
    t1, flair = network_images(study, settings.outside_brain)
    return TrainingScan(
        name=entry.name,
        patient=entry.patient,
        t1=t1,
        flair=flair,
        brain=study.brain,
        normal=normal_centres(study.brain, kept_out, patch_size),
        lesion=filled > 0.5,
        slice_mm=study.grid.spacing[2],
        group=entry.group,
        lesion_class="" if entry.healthy else {"ms": "wmh"}.get(entry.lesion_class, entry.lesion_class),
        percentiles=(float(a), float(b), float(c), float(d)),
    )


def bright_clusters(flair: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Clusters of FLAIR voxels much brighter than normal tissue: bool, like `brain`.

    Normal-appearing grey matter reaches about 1.1 on the scaled FLAIR; hyperintensities lie above.
    """
    smooth = ndimage.gaussian_filter(flair, (0, BRIGHT_BLUR_VOXELS, BRIGHT_BLUR_VOXELS))
    labels, count = ndimage.label((smooth > BRIGHT) & brain)
    large = np.bincount(labels.ravel(), minlength=count + 1) >= BRIGHT_VOXELS
    large[0] = False
    return large[labels]


def share_on_model_grid(mask: sitk.Image, flair: sitk.Image, grid: Grid) -> np.ndarray:
    """How much of each voxel of the model's grid a mask in FLAIR space fills: float32, averaged as the FLAIR is."""
    inside = to_lps_axes(Grid.of(flair).resampled(mask > 0))
    return flair_to_model_grid(only_slices(inside, acquired_slices(to_lps_axes(flair))), grid, order=1)
