"""A training of the context detector, from the command line's options to a model file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from AnomalyDetectionLib.calibration.calibration import with_false_positive_curve
from AnomalyDetectionLib.calibration.count_false_positives import false_positive_curve
from AnomalyDetectionLib.calibration.normal_scans import score_normal_scan
from AnomalyDetectionLib.calibration.scan_file import TrainingScan, read_scans, split_patients
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.file_hash import sha256_of
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.reading import read_volume
from AnomalyDetectionLib.imaging.unusable import Unusable
from AnomalyDetectionLib.imaging.voxels import voxels_of
from AnomalyDetectionLib.model.candidate_network import CandidateSettings
from AnomalyDetectionLib.model.context_model import ContextModel
from AnomalyDetectionLib.model.context_network import ContextNetwork, ContextSettings
from AnomalyDetectionLib.model.model_file import SUFFIX, AnyModel, load_model, save_model
from AnomalyDetectionLib.model.model_settings import ScoringSettings
from torch import Tensor

from ..painting.lesion_shapes import read_outlines
from .candidate_examples import Examples, draw_examples
from .candidate_training import (
    CandidateTrainingSettings,
    calibrated,
    logits_of,
    train_second_look,
    with_score,
)
from .command import checked_name, read_about
from .context_loop import ContextTrainingSettings, Step, train_context
from .lesion_scan import LesionScan

Progress = Callable[[str, float, str], None]

MOST_OUTLINES = 500  # real lesions of a folder that lend their shapes; more would only take memory
FALSE_POSITIVES = 1.0  # a normal scan, at the default threshold
_SECOND_LOOK = 0.75  # of the time, before it begins


def train_context_from_options(options: dict[str, Any], command: str, progress: Progress) -> str:
    """Train both networks, calibrate the second on people held out, and write the model; returns a sentence about it.

    An InputError if the scans, the masks, the model to begin with, the card's JSON or the folder cannot be used.
    """
    name, folder = checked_name(options["name"]), options["output"]
    about = read_about(options["about"])
    start = _start(options["from_model"])
    training, held_out, preparation = _scans(options, start)
    read = [read_masks(masks) for masks in options["outlines"]]
    outlines = [outline for found, _ in read for outline in found]
    left_out = [mask for _, masks in read for mask in masks]
    for mask in left_out:
        progress("masks", 0.0, f"{mask.subject} of --outlines is left out: {mask.reason}")
    files = b"".join(bytes.fromhex(sha256_of(file)) for file in options["scans"])
    rest = json.dumps([[scan.name for scan in training], len(outlines), start.fingerprint if start else ""])
    settings = ContextTrainingSettings(
        network=start.settings if start else ContextSettings(widths=options["widths"]),
        steps=options["steps"],
        batch_size=options["batch_size"],
        learning_rate=options["learning_rate"],
        mined_at=ContextTrainingSettings.mined_at if options["mining"] else (),
        kinds=options["paint"] or ContextTrainingSettings.kinds,
        seed=options["seed"],
        data=hashlib.sha256(files + rest.encode()).hexdigest(),
    )
    folder.mkdir(parents=True, exist_ok=True)

    def report(step: Step) -> None:
        line = f"step {step.number} of {settings.steps}: loss {step.loss:.4f}; {step.slices_per_second:.0f} slices/s"
        progress("training", _SECOND_LOOK * step.number / settings.steps, line)

    scans, device = [LesionScan.of(scan) for scan in training], options["device"]
    first = start.weights if start else None
    weights, history = train_context(
        scans, outlines, folder, settings, start=first, device=device, report=report
    )
    network = ContextNetwork(settings.network)
    network.load_state_dict(weights)
    painted = options["painted_scans"], max(1, round(1 / 6 * options["painted_scans"]))
    strangers = [LesionScan.of(scan) for scan in held_out]
    second_look, candidate = _second_look(
        network.eval(), (scans, strangers), painted, outlines, settings, device, progress
    )
    card = {
        **about,
        "trained on": {
            "scans": [scan.name for scan in training],
            "held out for calibration": sorted({scan.patient for scan in held_out}),
            "left out for testing": list(options["leave_out"]),
            "slices": settings.steps * settings.batch_size,
            "painted scans of the second look": painted[0],
            "painted scans of its calibration": painted[1],
            "lesions": "painted, by painting/lesion_painting.py; none of them is from the generator of the tests",
            "lesion outlines": len(outlines),
            "masks left out": len(left_out),
        },
        "from model": {"name": start.name, "fingerprint": start.fingerprint} if start else None,
        "command": command,
        "seed": settings.seed,
        "training settings": dataclasses.asdict(settings),
        "curves": [dataclasses.asdict(step) for step in history],
    }
    scoring = ScoringSettings(stride=1, threshold=0.5, min_patches=1)
    model = ContextModel(name, weights, settings.network, second_look, candidate, preparation, scoring, card)
    path = folder / f"{name}{SUFFIX}"
    save_model(model, path)  # not lost where these people have no findings to count
    save_model(_at_false_positives(model, held_out, device), path)
    done = f"Trained on {settings.steps * settings.batch_size:,} slices; model in {path}."
    if not left_out:
        return done
    return f"{done} {len(left_out)} masks of --outlines were left out, the first: {left_out[0].reason}"


def _second_look(
    network: ContextNetwork,
    scans: tuple[list[LesionScan], list[LesionScan]],
    painted: tuple[int, int],
    outlines: Sequence[np.ndarray],
    settings: ContextTrainingSettings,
    device: str,
    progress: Progress,
) -> tuple[dict[str, Tensor], CandidateSettings]:
    """Weights and settings of the second look.

    `scans`: to learn from, and of people held out, to calibrate on; `painted`: how many are made of each.
    """

    def draw(which: int, seed: int, first: float, last: float, what: str) -> Examples:
        count = painted[which]

        def report(done: int) -> None:
            progress("second look", first + (last - first) * done / count, f"{what} {done} of {count}")

        return draw_examples(
            network, scans[which], outlines, count, seed=settings.seed + seed, kinds=settings.kinds,
            device=device, workers=min(4, os.cpu_count() or 1), progress=report,
        )  # fmt: skip

    def report(epoch: int, loss: float) -> None:
        progress("second look", 0.88, f"epoch {epoch}: loss {loss:.4f}")

    training = CandidateTrainingSettings(seed=settings.seed)
    examples = draw(0, 10, _SECOND_LOOK, 0.88, "painted scan")
    second = train_second_look(examples, training, device=device, report=report)
    others = draw(1, 20, 0.9, 0.95, "calibration scan")
    logits = logits_of(second, others)
    candidate = with_score(calibrated(training.network, logits, others.label), logits, others)
    return dict(second.state_dict()), candidate


def _at_false_positives(model: ContextModel, scans: Sequence[TrainingScan], device: str) -> AnyModel:
    """The model with the rates of normal scans, and the threshold with `FALSE_POSITIVES` a scan.

    `scans`: of people that nothing was trained on; what touches their known lesions is no false positive.
    """
    scored = [score_normal_scan(scan, model, model.preparation, device) for scan in scans]
    curve = false_positive_curve(scored, model.scoring)
    threshold = float(np.ceil(1000 * curve.threshold_for(FALSE_POSITIVES)) / 1000)
    model = dataclasses.replace(model, scoring=dataclasses.replace(model.scoring, threshold=threshold))
    counted_on = f"{len({scan.patient for scan in scans})} people not trained on"
    return with_false_positive_curve(model, scored, counted_on)


def _start(name: str | None) -> ContextModel | None:
    model = None if name is None else load_model(name)
    if not isinstance(model, ContextModel | None):
        raise InputError(
            f"The model {name} is no context model: 'train --from' goes on from a model of the paper."
        )
    return model


def _scans(
    options: dict[str, Any], start: ContextModel | None
) -> tuple[list[TrainingScan], list[TrainingScan], PreparationSettings]:
    """The scans to train on, those held out, and how they were prepared."""
    files = [read_scans(path) for path in options["scans"]]
    wanted = start.preparation if start else PreparationSettings(scaling="modes")
    if any(file.preparation != wanted for file in files):
        raise InputError(
            "The files of scans were not prepared as this model wants them; use `prepare` as it is."
        )
    scans = [scan for file in files for scan in file.scans]
    return *split_patients(scans, options["held_out"], options["leave_out"]), wanted


def read_masks(folder: Path) -> tuple[list[np.ndarray], list[Unusable]]:
    """The outlines of the lesions of a folder (see `read_outlines`), and the masks that cannot be used."""
    files = sorted(folder.glob("*.nii*"))
    if not files:
        raise InputError(f"The folder {folder} holds no masks *.nii or *.nii.gz: check --outlines.")
    found, unusable = [], []
    chosen = files[:: max(1, len(files) // 300)]
    for file in chosen:
        try:
            mask = read_volume(file, role="lesion mask", mask=True).image
            found += read_outlines([voxels_of(mask) > 0])
        except Exception as error:  # one mask must not take the others with it
            unusable.append(Unusable.by(file.name, error))
    if len(unusable) == len(chosen):
        raise InputError(
            f"The folder {folder} holds no mask that can be used; the first: {unusable[0].reason}"
        )
    kept = np.random.default_rng(0).permutation(len(found))[:MOST_OUTLINES]
    return [found[k] for k in sorted(kept)], unusable
