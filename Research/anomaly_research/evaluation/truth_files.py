"""A cohort in the layout of BIDS with the truth about it in `derivatives/truth`, on the grid of each FLAIR.

Which images count is the engine's rule (`AnomalyDetectionLib.bids.selection`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from AnomalyDetectionLib.bids.bids_layout import files_with_suffix, read_participants, subject_folders
from AnomalyDetectionLib.bids.selection import CohortScan, SelectionCriteria, select_scans, set_aside
from AnomalyDetectionLib.imaging.unusable import Unusable

#: What the values of a confounder map mean. Real MS lesions count as hyperintensities.
CONFOUNDERS: Mapping[int, str] = {
    1: "white matter hyperintensity",
    2: "enlarged perivascular space",
    3: "widened sulcus",
    4: "image artefact",
    5: "tumour",
}

#: The columns of the table of infarcts; index is the value in the label map. Volumes: of the shape that was
#: drawn, and of the voxels that carry its number. Centroids in RAS mm.
INFARCT_COLUMNS = (
    *("index", "name", "kind", "cavitated", "region", "side", "volume_ml", "voxel_volume_ml"),
    *("centroid_r_mm", "centroid_a_mm", "centroid_s_mm"),
)

INFARCTS = "space-FLAIR_desc-infarcts_dseg"
CONFOUNDER_MAP = "space-FLAIR_desc-confounders_dseg"
BRAIN_MASK = "space-FLAIR_desc-brain_mask"


@dataclass(frozen=True)
class BidsScan:
    """One T1 and FLAIR of a cohort, and what is known about them.

    Attributes:
        subject: "sub-XX", or "sub-XX_ses-YY" where the subject has sessions.
        patient: the real person; several simulated subjects may share one. The unit of resampling.
        t1, flair: images.
        brain_mask: not 0 inside the brain, in the FLAIR's space; None: not given.
        infarcts: label map on the FLAIR's grid, number of the infarct; None: no truth.
        infarct_table: TSV of `INFARCT_COLUMNS`; None: not given.
        confounders: label map on the FLAIR's grid, values as of `CONFOUNDERS`; None: not given.
        participant: the subject's row of participants.tsv (empty where there is none).
        set_aside: names of images beside these that do not count.
    """

    subject: str
    patient: str
    t1: Path
    flair: Path
    brain_mask: Path | None = None
    infarcts: Path | None = None
    infarct_table: Path | None = None
    confounders: Path | None = None
    participant: dict[str, str] = field(default_factory=dict)
    set_aside: tuple[str, ...] = ()

    @property
    def lesion_free(self) -> bool:
        """Whether participants.tsv says that there is no infarct in it."""
        return self.participant.get("lesion_free", "").strip().lower() == "yes"


def image_path(cohort: Path, subject: str, suffix: str) -> Path:
    """Where the image of a subject without sessions lies; suffix "T1w" or "FLAIR"."""
    return cohort / subject / "anat" / f"{subject}_{suffix}.nii.gz"


def truth_path(cohort: Path, subject: str, name: str, ending: str = ".nii.gz") -> Path:
    """Where a file of the truth lies; name `INFARCTS`, `CONFOUNDER_MAP` or `BRAIN_MASK`."""
    return cohort / "derivatives" / "truth" / subject / "anat" / f"{subject}_{name}{ending}"


def read_bids(folder: Path) -> tuple[tuple[BidsScan, ...], tuple[Unusable, ...]]:
    """What a cohort holds, in the order of the subjects' names, and what in it cannot be used.

    Only names are looked at, no voxels. A scan without truth is no problem here: its `infarcts` are None.

    Raises:
        InputError: if the folder is not there, is no folder, or has no folder sub-*.
    """
    folder = folder.absolute()
    selection = select_scans(folder, SelectionCriteria(remedy="keep one of them"))
    participants, faults = read_participants(folder / "participants.tsv")
    with_truth = [_with_truth(folder, scan, participants.get(scan.subject, {})) for scan in selection.scans]
    missing = participants.keys() - {subject.name for subject in subject_folders(folder)}
    problems = (
        *(Unusable("participants.tsv", fault) for fault in faults),
        *(Unusable(each.name, f"{each.name}: {each.reason}.") for each in selection.problems),
        *(Unusable(name, f"{name} has neither a T1 nor a FLAIR.") for name in selection.without),
        *(found for found in with_truth if isinstance(found, Unusable)),
        *(
            Unusable(name, f"participants.tsv lists {name}, but there is no folder of that name.")
            for name in sorted(missing)
        ),
    )
    return tuple(found for found in with_truth if isinstance(found, BidsScan)), problems


def _with_truth(cohort: Path, scan: CohortScan, participant: dict[str, str]) -> BidsScan | Unusable:
    truth = cohort / "derivatives" / "truth" / scan.flair.parent.relative_to(cohort)
    labels: list[Path | None] = []
    for key in (BRAIN_MASK, INFARCTS, CONFOUNDER_MAP):
        found = files_with_suffix(truth, f"_{key.removeprefix('space-FLAIR_')}")
        if len(found) > 1:
            kept = (
                f"{len(found)} label maps of one kind ({', '.join(path.name for path in found)}): keep one."
            )
            return Unusable(scan.name, f"{scan.name} has {kept}")
        labels.append(found[0] if found else None)
    brain_mask, infarcts, confounders = labels
    table = None if infarcts is None else infarcts.with_name(infarcts.name.split(".nii")[0] + ".tsv")
    return BidsScan(
        subject=scan.name,
        patient=participant.get("patient") or scan.subject,
        t1=scan.t1,
        flair=scan.flair,
        brain_mask=brain_mask,
        infarcts=infarcts,
        infarct_table=table if table is not None and table.is_file() else None,
        confounders=confounders,
        participant=participant,
        set_aside=tuple(set_aside(scan.t1, scan.flair)),
    )
