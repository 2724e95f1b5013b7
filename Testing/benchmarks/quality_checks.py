"""Which faults the quality checks notice in scans made so, and what they say of good scans.

Development people set the thresholds; test people are looked at once, for false alarms alone. Where the shared data and
simulated heads are:

    python Testing/benchmarks/quality_checks.py --data ../shared/data --heads runs/heads/cal --output Research/Experiments/results/quality

Faults that leave the geometry as it is are made with the brain mask and the alignment of the good scan at hand; other
sequences are made on the prepared images. Cut and coarse scans go the whole way again, brain extraction included.
"""

from __future__ import annotations

import csv
import pickle
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

import click
import numpy as np
import SimpleITK as sitk
from anomaly_research.evaluation.csv_rows import read_rows
from anomaly_research.evaluation.truth_files import read_bids
from anomaly_research.reports.markdown import grouped
from anomaly_research.simulation.signals import CSF, GREY_MATTER, WHITE_MATTER
from AnomalyDetectionLib.detection.anatomy import segment_anatomy
from AnomalyDetectionLib.detection.quality import (
    contrast_medium,
    contrasts,
    large_fluid,
    mirrored,
    orientation,
    slice_gaps,
)
from AnomalyDetectionLib.detection.quality.acquired import Acquired, Role, brain_on
from AnomalyDetectionLib.detection.quality.checks import check_image, check_images, check_mask
from AnomalyDetectionLib.detection.quality.slice_shifts import SliceShifts
from AnomalyDetectionLib.detection.quality.warning import QualityWarning
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.contrast import refuse_the_same
from AnomalyDetectionLib.imaging.geometry import lps_axes
from AnomalyDetectionLib.imaging.intensity import intensity_scale
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.imaging.reading import read_study
from AnomalyDetectionLib.imaging.registration import align, with_sides_exchanged
from AnomalyDetectionLib.imaging.volume import Study
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import degraded_scans as made

DEVELOPMENT = (
    *(f"nichart/Subj{n}" for n in (1, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16, 17, 18, 21)),
    *(f"openms_long/patient{p}" for p in ("01/study1", "01/study2", "03/study2", "04/study1")),
)
TEST = (
    *(f"nichart/Subj{n}" for n in (2, 14, 19)),
    "openms_long/patient20/study2",
    "openms_mni/patient07",
    "openms_mni/patient19",
)
FAULTY = (
    "lgg/TCGA_CS_5395_19981004",
    "lgg/TCGA_DU_5851_19950428",
    "lgg/TCGA_DU_6404_19850629",
    "lgg/TCGA_DU_7019_19940908",
    "lgg/TCGA_DU_7304_19930325",
    "lgg/TCGA_FG_6690_20020226",
    "lgg/TCGA_FG_7643_20021104",
    "lgg/TCGA_HT_7475_19970918",
    "lgg/TCGA_HT_7680_19970202",
    "lgg/TCGA_HT_A61A_20000127",
    *(f"nichart/Subj{n}" for n in (4, 13, 18)),
)
"""Faults are made in these."""

ENHANCED = ("openms_long/patient01/study2", "openms_long/patient03/study2")
"""T1 with bright plexus, deep veins and sinus, judged by eye."""
SPOILED = ("sub-free06", "sub-free07")
"""Of the simulated heads: these have an artefact and are no good scans."""

SOME = (
    *("nichart/Subj4", "nichart/Subj5", "nichart/Subj17"),
    *("openms_long/patient01/study1", "openms_long/patient04/study1", "sub-free01", "sub-free08"),
)
WHOLE_WAY = ("cut", "coarse", "exchanged")
"""Faults made with these go the whole way again, which takes its time: on some scans."""
NOTES = (
    "- patient01/study1: its T1 ends in the cerebellum, and 12 mm above that the FLAIR really is cut. Subj5: the brain extraction",
    "  drew the mask in at the cut; and there is no air in front of and behind the head to see ghosts in.",
    "- The FLAIR of nichart repeat each slice two or three times. Noise that is added makes the copies differ, which then looks like",
    "  missing slices; noise of a scanner would be copied with them.",
    "- Whether a T1 was taken after contrast medium, and which heads are spoilt, was judged by eye and by the simulation's own record.",
    "- A pair that is refused (twice the same), or called swapped, counts as noticed. The people of lgg have tumours: a cyst that is told is there.",
)
REFUSED = "refused"
ZEROS, MILD_NOISE = 14, 0.05  # voxels at each end; of the contrast, about 3 % of the brain's intensity
COLUMNS = ("scan", "group", "fault", "level", "expected", "noticed", "said", "seconds")


@dataclass(frozen=True)
class Scan:
    """A good scan: as read, and prepared."""

    name: str
    group: str
    study: Study
    prepared: PreparedStudy

    def image(self, role: Role) -> sitk.Image:
        """The image as it was read."""
        return (self.study.t1 if role == "T1" else self.study.flair).image

    def brain(self, role: Role) -> np.ndarray:
        """On the image's own grid."""
        return brain_on(self.study, self.prepared, role)

    def axes(self, role: Role) -> dict[str, int]:
        """Array axes of slices (those nearest to transversal) and of the phase encoding (front to back)."""
        (_, back, up), _ = lps_axes(Grid.of(self.image(role)))
        return {"through": 2 - up, "phase": 2 - back}

    def changed(self, role: Role, image: sitk.Image) -> Study:
        """With another image in the place of one."""
        if role == "T1":
            return replace(self.study, t1=replace(self.study.t1, image=image))
        return replace(self.study, flair=replace(self.study.flair, image=image))


Answer = Callable[[Scan], tuple[str, ...]]
"""What the checks call a scan that was made faulty."""
Found = Iterable[QualityWarning | str]


def of_scan(fault: Callable[..., Found]) -> Callable[..., Answer]:
    """What finds warnings of a scan with a fault, as what takes the fault's parameters first and the scan then."""

    def with_parameters(*values: Any, **named: Any) -> Answer:
        @wraps(fault)  # its name tells those that go the whole way
        def answer(scan: Scan) -> tuple[str, ...]:
            found = fault(scan, *values, **named)
            return tuple(each if isinstance(each, str) else each.name for each in found)

        return answer

    return with_parameters


def names(study: Study, prepared: PreparedStudy) -> tuple[str, ...]:
    """What the checks call the faults that they find."""
    return tuple(warning.name for warning in check_images(study, prepared))


def whole_way(study: Study) -> tuple[str, ...]:
    """The same of a study that is prepared anew; a refusal is an answer, too."""
    try:
        return names(study, prepare(study, PreparationSettings()))
    except InputError:
        return (REFUSED,)


@of_scan
def same_place(scan: Scan, role: Role, change: Callable[[Scan, Role], sitk.Image]) -> Found:
    """A fault that leaves the geometry as it is."""
    image = Acquired.of(scan.changed(role, change(scan, role)), scan.prepared, role)
    return check_image(image)


@of_scan
def without_slices(scan: Scan, role: Role, count: int) -> Found:
    """Slices missing from the middle of the brain. Of a FLAIR whose slices are repeated, as many of the true ones."""
    image = Acquired.of(scan.study, scan.prepared, role)
    own, across = np.flatnonzero(image.own), image.across
    middle = np.median(np.flatnonzero(image.slices[1].any(axis=(1, 2))))
    first = int(np.searchsorted(own, middle))
    gone = range(own[first], own[first + count])
    less = replace(
        image,
        values=np.delete(image.values, gone, axis=across),
        brain=np.delete(image.brain, gone, axis=across),
    )
    return slice_gaps.check(less)


@of_scan
def cut(scan: Scan, axis: str, mm_of_brain: float) -> Found:
    """T1 and FLAIR end so far within the brain, at its top, its lower end or on one side."""
    study = scan.study
    flair, brain = scan.image("FLAIR"), scan.prepared.flair_brain
    order, flips = lps_axes(Grid.of(flair))
    along = order[0] if axis == "side" else order[2]
    flipped = flips[0] if axis == "side" else flips[2]
    inside = np.flatnonzero(brain.any(axis=tuple(a for a in range(3) if a != 2 - along)))
    voxels = round(mm_of_brain / flair.GetSpacing()[along])
    at_end = (axis != "lower end") != flipped
    if at_end:
        below, above = 0, flair.GetSize()[along] - 1 - int(inside[-1]) + voxels
    else:
        below, above = int(inside[0]) + voxels, 0
    return whole_way(
        replace(study, flair=replace(study.flair, image=made.cropped(flair, along, below, above)))
    )


def filled_in(role: Role, along: int) -> Answer:
    """A good scan with noisy air, whose outermost voxels are 0: at the sides (0), or in front and behind (1)."""

    def change(scan: Scan, role: Role) -> sitk.Image:
        order, _ = lps_axes(Grid.of(scan.image(role)))
        noisy = made.noisy(scan.image(role), scan.brain(role), MILD_NOISE)
        return made.zero_margins(noisy, order[along], ZEROS)

    return same_place(role, change)


@of_scan
def coarse(scan: Scan, in_plane: float | None, across: float | None) -> Found:
    """A FLAIR of larger voxels."""
    image = scan.image("FLAIR")
    order, _ = lps_axes(Grid.of(image))
    spacing = list(image.GetSpacing())
    for axis in order[:2]:
        spacing[axis] = in_plane or spacing[axis]
    spacing[order[2]] = across or spacing[order[2]]
    return whole_way(scan.changed("FLAIR", made.coarse(image, (spacing[0], spacing[1], spacing[2]))))


@of_scan
def another_sequence(scan: Scan, role: Role, tr: float, te: float) -> Found:
    """A spin echo in the place of one image, made of the T1, with its noise."""
    signals = tuple(made.spin_echo(tissue, tr, te) for tissue in (CSF, GREY_MATTER, WHITE_MATTER))
    study = scan.prepared
    values = made.of_another_sequence(study.t1, study.brain, signals)
    noise = 0.02 * max(signals) * np.random.default_rng(0).standard_normal(values.shape)
    return of_prepared(scan, role, (values + noise).astype(np.float32))


@of_scan
def the_other(scan: Scan, role: Role) -> Found:
    """Twice the same sequence, with noise of its own each time."""
    other, scale = (
        (scan.prepared.flair, scan.prepared.flair_scale)
        if role == "T1"
        else (scan.prepared.t1, scan.prepared.t1_scale)
    )
    noise = 0.05 * np.random.default_rng(0).standard_normal(other.shape)
    return of_prepared(scan, role, scale.invert((other + noise).astype(np.float32)))


TURNS = {
    "upside down": ((0, 1, 2), (-1, 1, 1)),
    "back to front": ((0, 1, 2), (1, -1, 1)),
    "slices coronal": ((1, 0, 2), (1, -1, 1)),
    "slices sagittal": ((2, 1, 0), (1, 1, -1)),
    "by 90 degrees in the slice": ((0, 2, 1), (1, 1, -1)),
}


@of_scan
def turned(scan: Scan, order: tuple[int, ...], directions: tuple[int, ...]) -> Found:
    """The voxels turned under a header that stays: on the prepared images, with the brain mask of the good scan."""
    study = scan.prepared
    steps = tuple(slice(None, None, step) for step in directions)
    t1, flair, brain = (
        np.ascontiguousarray(each.transpose(order)[steps]) for each in (study.t1, study.flair, study.brain)
    )
    mm = tuple(study.grid.spacing[::-1][axis] for axis in order)[::-1]
    grid = Grid(brain.shape[::-1], mm, (0.0,) * 3, tuple(np.eye(3).ravel().tolist()))
    return orientation.check(replace(study, t1=t1, flair=flair, brain=brain, grid=grid))


@of_scan
def with_cavity(scan: Scan, ml: float) -> Found:
    """A ball of fluid in the left hemisphere, on the prepared images."""
    study = scan.prepared
    index = np.argwhere(study.brain)
    points = study.grid.points(index[:, ::-1])
    radius = (ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3)
    middle = (points.max(axis=0) + points.min(axis=0)) / 2 + np.array((max(radius, 30.0), 0.0, 15.0))
    inside = tuple(index[np.linalg.norm(points - middle, axis=1) < radius].T)
    changed = {}
    for name in ("t1", "flair"):
        image = getattr(study, name).copy()
        image[inside] = np.percentile(image[study.brain], 2)
        changed[name] = intensity_scale(image, study.brain, 5, 95, name=name).apply(image)
    return large_fluid.check(replace(study, **changed))


def exchanged(scan: Scan) -> tuple[str, ...]:
    """T1 as FLAIR and FLAIR as T1."""
    return whole_way(Study(scan.study.flair, scan.study.t1))


def of_prepared(scan: Scan, role: Role, values: np.ndarray) -> tuple[str, ...]:
    """The contrasts' warnings with another image (scanner's units) on the model's grid."""
    study, key = scan.prepared, role.lower()
    scale = intensity_scale(values, study.brain, 5, 95, name=role)
    changed = replace(study, **{key: scale.apply(values), f"{key}_scale": scale})
    try:
        refuse_the_same(changed.t1, changed.flair, study.brain, t1_name="T1", flair_name="FLAIR")
    except InputError:
        return (REFUSED,)
    found = contrasts.Contrasts.of(changed)
    return tuple(warning.name for warning in found.swapped or found.of_each or found.of_both)


@of_scan
def enhanced(scan: Scan, strength: float) -> Found:
    """A T1 with painted vessels and plexus."""
    t1 = Acquired.of(scan.study, scan.prepared, "T1")
    painted = made.after_contrast(t1.values, t1.brain, t1.spacing, strength)
    return contrast_medium.check(replace(t1, values=painted))


@of_scan
def between_slices(scan: Scan, role: Role, mm: float, *, each: bool = False) -> Found:
    """Every other (true) slice is displaced by so much; or each by its own shift of this standard deviation."""
    image = Acquired.of(scan.study, scan.prepared, role).distinct
    values, _ = image.slices
    at = np.where(np.arange(len(values))[:, None] % 2, mm * np.sqrt(0.5), 0.0) * np.ones(2)
    if each:
        at = np.random.default_rng(0).normal(0, mm, (len(values), 2))
    shifted = np.stack(
        [
            ndimage.shift(plane, shift / image.in_plane, order=1)
            for plane, shift in zip(values, at, strict=True)
        ]
    )
    moved = replace(image, values=np.moveaxis(shifted, 0, image.across))
    return SliceShifts.of(moved).warnings


def mirrored_t1(scan: Scan) -> tuple[str, ...]:
    """The T1's voxels turned round from left to right under its header, and aligned so."""
    study = scan.changed("T1", with_sides_exchanged(scan.image("T1")))
    brain = scan.prepared.flair_brain
    try:
        alignment = align(study.t1, study.flair, brain, PreparationSettings())
    except InputError:
        return (REFUSED,)
    return tuple(w.name for w in mirrored.check(study, replace(scan.prepared, alignment=alignment)))


ROLES: tuple[Role, Role] = ("FLAIR", "T1")
FAULTS: list[tuple[str, str, str, Answer]] = [
    *(
        (f"noise on the {role}", f"{level:g} of the contrast", "noise",
         same_place(role, lambda scan, role, level=level: made.noisy(scan.image(role), scan.brain(role), level)))
        for role in ROLES for level in (0.1, 0.2)
    ),
    *(
        (f"ghosts on the {role}", f"every other line {100 * level:.0f} % weaker", "motion",
         same_place(role, lambda scan, role, level=level: made.ghosted(scan.image(role), level, 2, scan.axes(role)["phase"])))
        for role in ROLES for level in (0.2, 0.5)
    ),
    *(
        (f"good {role} with zeros {where}", f"{ZEROS} voxels at each end, mild noise: no warning wanted", "",
         filled_in(role, along))
        for role in ROLES for along, where in ((0, "at the sides"), (1, "in front and behind"))
    ),
    *(
        (f"motion on the {role}", f"{mm:g} mm and degrees, {100 * share:.0f} % of the lines", "motion",
         same_place(role, lambda scan, role, mm=mm, share=share: made.moved(scan.image(role), mm, share, 1, **scan.axes(role))))
        for role in ROLES for mm, share in ((2, 0.3), (5, 0.5))
    ),
    *(
        (f"motion between slices of the {role}", f"{mm:g} mm", "motion between slices", between_slices(role, mm))
        for role in ROLES for mm in (1.5, 3)
    ),
    *(
        (f"each slice of the {role} elsewhere", "2.5 mm standard deviation", "motion between slices",
         between_slices(role, 2.5, each=True))
        for role in ROLES
    ),
    *(
        (f"slices missing from the {role}", f"{count}", "missing slice", without_slices(role, count))
        for role in ROLES for count in (1, 2)
    ),
    ("FLAIR cut at the top", "12 mm: about 2 % of the brain, no warning wanted", "", cut("top", 12)),
    ("FLAIR cut at the top", "25 mm of brain", "field of view", cut("top", 25)),
    ("FLAIR cut on one side", "25 mm of brain", "field of view", cut("side", 25)),
    ("FLAIR cut at the lower end", "45 mm of brain and brain stem", "field of view", cut("lower end", 45)),
    ("FLAIR cut at the lower end", "12 mm: brain stem, no warning wanted", "", cut("lower end", 12)),
    ("coarse FLAIR", "3 mm wide", "spacing", coarse(3, None)),
    ("coarse FLAIR", "slices 8 mm apart", "spacing", coarse(None, 8)),
    ("T2 as FLAIR", "TR 4000, TE 100", "contrast", another_sequence("FLAIR", 4000, 100)),
    ("proton density as FLAIR", "TR 3000, TE 15", "contrast", another_sequence("FLAIR", 3000, 15)),
    ("T1 as FLAIR", "", "contrast", the_other("FLAIR")),
    ("T2 as T1", "TR 4000, TE 100", "contrast", another_sequence("T1", 4000, 100)),
    ("proton density as T1", "TR 3000, TE 15", "contrast", another_sequence("T1", 3000, 15)),
    ("FLAIR as T1", "", "contrast", the_other("T1")),
    ("T1 and FLAIR exchanged", "", "swapped", exchanged),
    ("T1 alone mirrored", "", "mirrored", mirrored_t1),
    *(("turned head", name, "orientation", turned(*turn)) for name, turn in TURNS.items()),
    *(("cavity on one side", f"{ml:g} ml", "large fluid", with_cavity(ml)) for ml in (60, 179)),
    *(
        ("T1 after contrast medium (painted)", f"vessels {strength:g} of white matter", "contrast medium", enhanced(strength))
        for strength in (1.6, 2.0)
    ),
    ("FLAIR cut off", "above the 97th percentile", "cut off intensities",
     same_place("FLAIR", lambda scan, role: made.clipped(scan.image(role), scan.brain(role), 97))),
]  # fmt: skip


def scans(data: Path, heads: Path | None, people: str, kept: Path | None = None) -> Iterator[Scan]:
    """The good scans, prepared one after the other."""
    named = {"development": DEVELOPMENT, "test": TEST}.get(people)
    if named is None:
        named = tuple(f"lgg/{folder.name}" for folder in sorted((data / "lgg").glob("TCGA_*")))
    places = [(place, "real", data / place / "T1.nii.gz", data / place / "FLAIR.nii.gz") for place in named]
    if heads is not None:
        places += [(scan.subject, "simulated", scan.t1, scan.flair) for scan in read_bids(heads)[0]]
    for name, group, t1, flair in places:
        study = read_study(t1, flair)
        yield Scan(name, group, study, _prepared(study, kept and kept / f"{name.replace('/', '_')}.pickle"))


def _prepared(study: Study, kept: Path | None) -> PreparedStudy:
    """Prepared once: preparing takes far longer than all checks."""
    if kept is not None and kept.is_file():
        return pickle.loads(kept.read_bytes())
    prepared = prepare(study, PreparationSettings())
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps(prepared))
    return prepared


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path), required=True)
@click.option("--heads", type=click.Path(path_type=Path), help="A cohort of simulated heads (BIDS).")
@click.option("--people", type=click.Choice(["development", "test", "lgg"]), default="development")
@click.option(
    "--kept", type=click.Path(path_type=Path), help="Folder to keep prepared scans in, and to take them from."
)
@click.option("--output", type=click.Path(path_type=Path), required=True)
def main(data: Path, heads: Path | None, people: str, kept: Path | None, output: Path) -> None:
    """Write one row for every scan and fault; `summary` makes the table of them."""
    rows = []
    for scan in scans(data, heads if people == "development" else None, people, kept):
        begin = time.perf_counter()
        warnings = check_images(scan.study, scan.prepared)
        seconds = time.perf_counter() - begin
        said = [w.name for w in warnings + check_mask(scan.prepared, segment_anatomy(scan.prepared))]
        expected = "contrast medium" if scan.name in ENHANCED else "motion" if scan.name in SPOILED else ""
        rows.append(
            [scan.name, scan.group, "none", "", expected, expected in said, "; ".join(said), f"{seconds:.2f}"]
        )
        click.echo(" ".join(map(str, rows[-1])))
        if scan.name in FAULTY:
            for fault, level, wanted, make in FAULTS:
                if make.__qualname__.startswith(WHOLE_WAY) and scan.name not in SOME:
                    continue
                found = make(scan)
                also = {"swapped", REFUSED} if wanted == "contrast" else set()
                noticed = bool({wanted, *also} & {*found}) if wanted else bool(found)
                rows.append([scan.name, scan.group, fault, level, wanted, noticed, "; ".join(found), ""])
    output.mkdir(parents=True, exist_ok=True)
    with (output / f"{people}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    summary(output)


def summary(folder: Path) -> None:
    """The tables of both groups of people, as Markdown."""
    tables = {people: folder / f"{people}.csv" for people in ("development", "test", "lgg")}
    rows = {people: read_rows(table, COLUMNS) for people, table in tables.items() if table.is_file()}
    every = [row for found in rows.values() for row in found]
    lines = [
        "# Quality checks",
        "",
        "Made by `Testing/benchmarks/quality_checks.py`; each scan is in the CSV files.",
        "",
    ]
    lines += ["## Good scans", "", "| scans | number | without a warning | warnings |", "|---|---|---|---|"]
    for people, found in rows.items():
        plain = grouped([row for row in found if row["fault"] == "none" and not row["expected"]], "group")
        for group in ("real", "simulated"):
            if good := plain.get((group,)):
                said = "; ".join(f"{row['scan']}: {row['said']}" for row in good if row["said"]) or "-"
                quiet = sum(not row["said"] for row in good)
                lines.append(f"| {group}, {people} people | {len(good)} | {quiet} | {said} |")
    lines += ["", "## Faults that are really there", ""]
    lines += ["| scan | what | noticed | all warnings |", "|---|---|---|---|"]
    lines += [
        f"| {row['scan']} | {row['expected']} | {'yes' if row['noticed'] == 'True' else 'no'} | {row['said'] or '-'} |"
        for row in every
        if row["fault"] == "none" and row["expected"]
    ]
    lines += ["", "## Scans made so", "", "Noticed of all; warnings beside the expected one in how many.", ""]
    lines += ["| fault | level | real scans | simulated heads | other warnings |", "|---|---|---|---|---|"]
    made_so = grouped([row for row in every if row["fault"] != "none"], "fault", "level")
    for (fault, level), same in made_so.items():
        cells = []
        for group in ("real", "simulated"):
            of = [row for row in same if row["group"] == group]
            cells.append(f"{sum(row['noticed'] == 'True' for row in of)} of {len(of)}" if of else "-")
        others = Counter(
            name
            for row in same
            for name in set(row["said"].split("; "))
            - {"", row["expected"], REFUSED, "swapped" if row["expected"] == "contrast" else ""}
        )
        beside = ", ".join(f"{name} {count}" for name, count in sorted(others.items())) or "-"
        lines.append(f"| {fault} | {level or '-'} | {' | '.join(cells)} | {beside} |")
    lines += ["", *NOTES]
    (folder / "quality.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
