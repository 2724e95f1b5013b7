"""How well the anatomy network agrees with DLMUSE on real people, and how long it takes.

DLMUSE's regions (Bashyam et al. 2025) are automatic as well, and come from thin T1s at 2 mm; they are grouped as the
network's labels are. Where the shared data are:

    python Testing/benchmarks/anatomy_dice.py --data ../shared/data --output anatomy_dice.csv
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import click
import numpy as np
import SimpleITK as sitk
import torch
from anomaly_research.evaluation.csv_rows import Row, write_rows
from anomaly_research.reports.markdown import grouped
from AnomalyDetectionLib.detection.anatomy import AnatomyLabel, segment_anatomy
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.imaging.reading import read_study
from AnomalyDetectionLib.imaging.registration import transform_of
from AnomalyDetectionLib.model.anatomy_network import anatomy_model

VALIDATION, TEST = (4, 7, 13, 18), (2, 14, 19)
NOT_COMPARED = 255  # basal forebrain, optic chiasm
SAMPLES = 4  # of a slice's thickness

MUSE = {
    AnatomyLabel.CSF: (1, 46),
    AnatomyLabel.VENTRICLES: (4, 11, 49, 50, 51, 52),
    AnatomyLabel.CORTEX: (31, 32, 47, 48, *range(100, 208)),
    AnatomyLabel.WHITE_MATTER: tuple(range(81, 96)),
    AnatomyLabel.DEEP_GREY: (23, 30, 36, 37, 55, 56, 57, 58, 59, 60),
    AnatomyLabel.CEREBELLUM: (38, 39, 40, 41, 71, 72, 73),
    AnatomyLabel.BRAIN_STEM: (35, 61, 62),
}


def muse_on_grid(path: Path, study: PreparedStudy) -> np.ndarray:
    """DLMUSE's regions as `AnatomyLabel` on the model's grid: of each voxel, what fills most of it."""
    table = np.full(256, NOT_COMPARED, np.uint8)
    table[0] = AnatomyLabel.OUTSIDE
    for label, numbers in MUSE.items():
        table[list(numbers)] = label
    regions = sitk.ReadImage(str(path))
    grouped = Grid.of(regions).image(table[sitk.GetArrayFromImage(regions)])
    to_t1, grid = transform_of(study.alignment), study.grid
    votes = np.zeros((256, *grid.shape), np.uint8)
    for height in (np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5:
        x, y, z = grid.points(np.array([[0, 0, height]]))[0].tolist()
        placed = Grid(grid.size, grid.spacing, (x, y, z), grid.direction).empty_image()
        sample = sitk.GetArrayFromImage(sitk.Resample(grouped, placed, to_t1, sitk.sitkNearestNeighbor))
        for value in np.unique(sample):
            votes[value] += sample == value
    return votes.argmax(axis=0).astype(np.uint8)


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="Folder that has nichart/ in it."
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="CSV to write.")
def main(data: Path, output: Path) -> None:
    """Measure, print, and write a CSV: one row a person and part of the brain."""
    torch.set_num_threads(min(2, torch.get_num_threads()))
    anatomy_model()
    rows: list[Row] = []
    for group, people in (("validation", VALIDATION), ("test", TEST)):
        for number in people:
            folder = data / "nichart" / f"Subj{number}"
            study = prepare(read_study(folder / "T1.nii.gz", folder / "FLAIR.nii.gz"), PreparationSettings())
            truth = muse_on_grid(folder / "DLMUSE_T1space.nii.gz", study)
            begin = time.perf_counter()
            found = segment_anatomy(study)
            seconds = time.perf_counter() - begin
            judged = study.brain & (truth != NOT_COMPARED)
            for label in MUSE:
                here, there = (found == label) & judged, (truth == label) & judged
                dice = 2 * (here & there).sum() / max(here.sum() + there.sum(), 1)
                rows.append(
                    {
                        "people": group,
                        "person": f"Subj{number}",
                        "part": label.name.lower().replace("_", " "),
                        "dice": round(float(dice), 3),
                        "found_ml": round(float(here.sum()) * study.grid.voxel_ml, 1),
                        "dlmuse_ml": round(float(there.sum()) * study.grid.voxel_ml, 1),
                        "seconds": round(seconds, 2),
                    }
                )
    write_rows(output, rows)
    for (group, part), own in grouped(rows, "people", "part").items():
        click.echo(f"{group:10} {part:13} {statistics.mean(row['dice'] for row in own):.3f}")


if __name__ == "__main__":
    main()
