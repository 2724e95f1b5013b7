"""A training of the context detector, from the command line's options to a model file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..imaging.reading import read_volume
from ..imaging.settings import PreparationSettings
from ..imaging.voxels import voxels_of
from ..model.context_model import ContextModel
from ..model.context_network import STRIDE, ContextNetwork, ContextSettings
from ..model.model_file import SUFFIX, load_model, save_model
from ..model.settings import ScoringSettings
from .command import read_about
from .context_checkpoint import Step
from .context_fusion import fit_fusion
from .context_lesions import read_outlines
from .context_loop import ContextTrainingSettings, train_context
from .context_sampling import ContextScan
from .scan_file import TrainingScan, read_scans, split_patients

Progress = Callable[[str, float, str], None]

MIN_EXCESS = 16.0
"""Chosen on the four people held out, with infarcts of the test cohort's generator in them: 4 to 32 were tried."""

MOST_OUTLINES = 1000
"""Real lesions that lend their shapes, at most; more would only take memory."""


def train_context_from_options(options: dict[str, Any], command: str, progress: Progress) -> str:
    """Train, fit how the heads become one score, and write the model.

    Returns:
        What has been done, in one sentence.

    Raises:
        InputError: the scans, the masks, the model to begin with, the card's JSON or the folder cannot be used.
    """
    name, folder = options["name"], options["output"]
    if not name or Path(name).name != name:
        raise InputError(f"A model cannot be named '{name}': leave out folders, they belong to --output.")
    about = read_about(options["about"])
    start = _start(options["from_model"])
    training, held_out, preparation = _scans(options, start)
    outlines = _outlines(options["outlines"])
    settings = ContextTrainingSettings(
        network=start.settings if start else ContextSettings(widths=options["widths"]),
        steps=options["steps"],
        batch_size=options["batch_size"],
        learning_rate=options["learning_rate"],
        seed=options["seed"],
        data=_digest(options["scans"], training, outlines, start),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made ({error.strerror}); choose another.") from error

    def report(step: Step) -> None:
        progress("training", step.number / settings.steps, _describe(step, settings.steps))

    weights, history = train_context(
        [ContextScan.of(scan) for scan in training],
        outlines,
        folder,
        settings,
        start=start.weights if start else None,
        device=options["device"],
        report=report,
    )
    network = ContextNetwork(settings.network)
    network.load_state_dict(weights)
    network.eval()
    fitted = fit_fusion(
        network, [ContextScan.of(scan) for scan in held_out], outlines, seed=settings.seed + 1
    )
    card = {
        **about,
        "trained on": {
            "scans": [scan.name for scan in training],
            "held out for the fusion of the heads": sorted({scan.patient for scan in held_out}),
            "left out for testing": list(options["leave_out"]),
            "slices": settings.steps * settings.batch_size,
            "lesions": "painted, by training/context_lesions.py; none of them is from the generator of the tests",
            "lesion outlines": len(outlines),
        },
        "from model": {"name": start.name, "fingerprint": start.fingerprint} if start else None,
        "command": command,
        "seed": settings.seed,
        "training settings": json.loads(json.dumps(dataclasses.asdict(settings))),
        "curves": [dataclasses.asdict(step) for step in history],
    }
    fresh = ScoringSettings(stride=STRIDE, threshold=1.0, min_patches=2, min_excess=MIN_EXCESS)
    scoring = start.scoring if start else fresh
    model = ContextModel(name, weights, fitted, preparation, scoring, card)
    path = folder / f"{name}{SUFFIX}"
    save_model(model, path)
    return f"Trained on {settings.steps * settings.batch_size:,} slices; model in {path}. Calibrate it next."


def _start(name: str | None) -> ContextModel | None:
    if name is None:
        return None
    model = load_model(name)
    if not isinstance(model, ContextModel):
        raise InputError(
            f"The model {name} is no context model: 'train --from' goes on from a model of the paper."
        )
    return model


def _scans(
    options: dict[str, Any], start: ContextModel | None
) -> tuple[list[TrainingScan], list[TrainingScan], PreparationSettings]:
    """The scans to train on, those held out, and how they were prepared."""
    files = [read_scans(path) for path in options["scans"]]
    wanted = start.preparation if start else PreparationSettings()
    if any(file.preparation != wanted for file in files):
        raise InputError(
            "The files of scans were not prepared as this model wants them; use `prepare` as it is."
        )
    scans = [scan for file in files for scan in file.scans]
    unmarked = next((scan.name for scan in scans if scan.lesion is None), None)
    if unmarked is not None:
        raise InputError(f"The scan {unmarked} does not say where its lesions are; prepare the scans anew.")
    training, held_out = split_patients(scans, options["held_out"], options["leave_out"])
    return training, held_out, files[0].preparation


def _digest(
    files: Sequence[Path],
    training: Sequence[TrainingScan],
    outlines: Sequence[np.ndarray],
    start: ContextModel | None,
) -> str:
    """A hash of all that is trained on."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    names = [scan.name for scan in training]
    digest.update(json.dumps([names, len(outlines), start.fingerprint if start else ""]).encode())
    return digest.hexdigest()


def _outlines(folder: Path | None) -> list[np.ndarray]:
    if folder is None:
        return []
    files: Sequence[Path] = sorted(folder.glob("*.nii*"))
    if not files:
        raise InputError(f"The folder {folder} holds no masks *.nii or *.nii.gz: check --outlines.")
    found: list[np.ndarray] = []
    for file in files[:: max(1, len(files) // 300)]:
        mask = read_volume(file, role="lesion mask", mask=True).image
        found += read_outlines([voxels_of(mask) > 0])
    return found[:MOST_OUTLINES]


def _describe(step: Step, steps: int) -> str:
    return (
        f"step {step.number} of {steps}: anomaly {step.anomaly_loss:.4f}, normative {step.normative_loss:.4f}; "
        f"{step.slices_per_second:.0f} slices/s"
    )
