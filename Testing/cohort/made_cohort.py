"""A BIDS dataset of heads made of formulas, as small as the detection takes them, and a model for them."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path

import SimpleITK as sitk
from conftest import Run, run_command
from synthetic_head import SyntheticHead, axial_grid

GRID = axial_grid((3.0, 3.0, 8.0), (64, 72, 20))
MASKS = "derivatives/brains"


def add_subject(dataset: Path, subject: str, session: str = "") -> None:
    """T1, FLAIR and brain mask."""
    study = SyntheticHead().study(GRID, GRID)
    name = f"{subject}_{session}" if session else subject
    for root, suffix, volume in (
        (dataset, "T1w", study.t1),
        (dataset, "FLAIR", study.flair),
        (dataset / MASKS, "space-FLAIR_desc-brain_mask", study.brain_mask),
    ):
        path = root / subject / session / "anat" / f"{name}_{suffix}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(sitk.Cast(volume.image, sitk.sitkFloat32), str(path), True)


def cut_off(path: Path) -> None:
    """The first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def small_model(path: Path) -> Path:
    """Random weights on a coarse grid: some findings, whatever they are, in no time."""
    import torch
    from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
    from AnomalyDetectionLib.model.model_file import save_model
    from AnomalyDetectionLib.model.model_settings import ScoringSettings
    from made_models import random_model

    coarse = PreparationSettings(in_plane_mm=3.0, slice_mm=8.0, bias_correction=False, register="off")
    scoring = ScoringSettings(threshold=0.5)
    save_model(random_model(deviation=torch.full((8,), 1e-3), preparation=coarse, scoring=scoring), path)
    return path


def command(
    dataset: Path, output: Path, model: Path, *more: object, levels: tuple[str, ...] = ("participant",)
) -> list[str]:
    """The arguments of a run over such a dataset."""
    fixed = ["--model", model, "--brain-masks", dataset / MASKS, "--device", "cpu"]
    fixed += ["--progress", "none", "--no-pictures"]
    return ["bids", *map(str, (dataset, output, *levels, *fixed, *more))]


def run(dataset: Path, output: Path, *more: object, **levels: tuple[str, ...]) -> Run:
    """The command as a user runs it; arguments as of `command`."""
    return run_command(*command(dataset, output, *more, **levels), output=output)


def wait_for(condition: Callable[[], object], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)


def quiet(_stage: str, _fraction: float, _message: str) -> None:
    """Take a report of progress."""


def table_of(path: Path) -> list[dict[str, str]]:
    """The rows of a TSV."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))
