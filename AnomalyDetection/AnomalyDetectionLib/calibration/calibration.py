"""Calibration to a scanner: estimate a model's statistics, false positives per scan and threshold from a few normal scans.

The paper adapts its model to another scanner by training on (transfer learning); this takes minutes and no training.
A shift or stretch of all scores, as some calibrations have it, would change nothing that the threshold does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..files.text import counted
from ..model.false_positive_curve import DEFAULT_FALSE_POSITIVES
from ..model.model_file import AnyModel, Model
from ..model.tissue_statistics import needs_tissue_statistics
from .count_false_positives import NormalScan, false_positive_curve, findings_above
from .latent_statistics import latent_differences, median_and_deviation
from .normal_scans import score_normal_scan
from .patch_source import PatchSource
from .scan_file import ScanFile, TrainingScan

MOST_SCANS = 20


@dataclass(frozen=True)
class CalibrationSettings:
    """How a model is calibrated."""

    false_positives: float = DEFAULT_FALSE_POSITIVES  # findings per normal scan that the threshold is set for
    statistics: bool = True  # whether the latent statistics of the paper's kind of model are estimated again
    prior_scans: float = 2.0  # as how many scans the model's own statistics count beside the new ones
    patches_a_scan: int = 20_000  # that statistics are estimated from, at random among the normal-appearing
    seed: int = 0  # of that


@dataclass(frozen=True)
class Calibration:
    """A calibrated model, and what the calibration changed."""

    # with statistics, false positives per scan and threshold of the new scans, and an entry in its card
    model: AnyModel
    scans: tuple[str, ...]  # names of the scans
    people: int  # whom they are of
    threshold: tuple[float, float]  # before and after
    findings: tuple[float, float]  # a scan, on these scans, before and after
    scored: tuple[NormalScan, ...]  # the scans as the new model scores them

    def in_words(self) -> str:
        """For people, in two sentences, or three."""
        (before, after), (many, few) = self.threshold, self.findings
        count, whose = counted(len(self.scans), "normal scan"), counted(self.people, "person", "people")
        fewer = f" These are scans of only {whose}: those of others may lie beyond."
        assert self.model.false_positive_curve is not None
        low, high = self.model.false_positive_curve.interval(after)
        return (
            f"On {count} the model had {many:.1f} findings a scan above its threshold of {before:g}; calibrated, it has "
            f"{few:.1f} above {after:g}. On other normal scans of this kind expect {low:.1f} to {high:.1f} a scan "
            f"on average; single scans differ more.{fewer * (self.people < len(self.scans))}"
        )


def calibrate(
    model: AnyModel,
    scans: ScanFile,
    name: str,
    settings: CalibrationSettings | None = None,
    *,
    device: str = "cpu",
    progress: Callable[[str, float], None] | None = None,
) -> Calibration:
    """Fit a model to a scanner, with normal scans from it.

    Of the paper's kind of model the latent statistics are estimated again, and drawn towards the model's own
    where the scans are few. Of every kind the findings of these scans are counted by threshold
    (`false_positive_curve`), and the threshold is set for these false positives per scan. Raises InputError
    where the scans were prepared with other settings, are too many, or so few false positives cannot be reached
    with them.

    `model`: of any kind. `scans`: 1 to `MOST_SCANS`, prepared as the model wants them. `name`: of the new
    model. `progress`: called with what is done and the fraction done."""
    settings = settings or CalibrationSettings()
    if not 1 <= len(scans.scans) <= MOST_SCANS:
        raise InputError(
            f"Calibration takes 1 to {MOST_SCANS} normal scans, and here are {len(scans.scans)}: give fewer."
        )
    scans = scans.scaled(model.preparation.scaling)
    if scans.preparation != model.preparation:
        raise InputError(
            f"These scans were prepared with other settings than the model {model.name} needs: prepare them for it, or give "
            "--scans."
        )
    steps = 1 + 2 * len(scans.scans)

    def score_all(which: AnyModel, what: str, first: int) -> tuple[NormalScan, ...]:
        scored = []
        for number, scan in enumerate(scans.scans):
            if progress is not None:
                progress(f"{what}: {scan.name}", (first + number) / steps)
            scored.append(score_normal_scan(scan, which, scans.preparation, device))
        return tuple(scored)

    before = score_all(model, "scoring", 0)
    fitted, after, estimated = model, before, False
    # Scores of which the median and deviation over all tissue, which can be had from a few scans, are the statistics.
    plain = model.scoring.statistics == "training" and not needs_tissue_statistics(model.scoring)
    if isinstance(model, Model) and settings.statistics and plain:
        if progress is not None:
            progress("estimating the statistics", len(scans.scans) / steps)
        differences = [local_differences(model, scan, settings, device) for scan in scans.scans]
        fitted, estimated = with_local_statistics(model, differences, settings.prior_scans), True
        after = score_all(fitted, "scoring anew", 1 + len(scans.scans))
    curve = false_positive_curve(after, fitted.scoring)
    threshold = math.ceil(100 * curve.threshold_for(settings.false_positives)) / 100  # as the slider shows it
    thresholds = model.scoring.threshold, threshold
    findings = tuple(
        float(np.mean([findings_above(scan, np.array([at]), model.scoring)[0] for scan in scored]))
        for scored, at in zip((before, after), thresholds, strict=True)
    )
    people = len({scan.patient for scan in scans.scans})
    what = "false positives per scan and threshold from normal scans"
    entry: dict[str, Any] = {
        "what": what + ", and latent statistics" * estimated,
        "from the model": {"name": model.name, "fingerprint": model.fingerprint},
        "normal scans": len(scans.scans),
        "people": people,
        "false positives per normal scan": settings.false_positives,
        "threshold before and after": list(thresholds),
        "findings a scan before and after, on these scans": [round(value, 2) for value in findings],
    }
    if estimated:
        entry["the model's own statistics count as so many scans"] = settings.prior_scans
    calibrated = replace(
        fitted,
        name=name,
        sha256="",
        false_positive_curve=curve,
        scoring=replace(fitted.scoring, threshold=threshold),
        card={**model.card, "calibration": entry},
    )
    names = tuple(scan.name for scan in scans.scans)
    return Calibration(calibrated, names, people, thresholds, findings, after)  # type: ignore[arg-type]


def with_false_positive_curve(model: AnyModel, scored: Sequence[NormalScan], people: str) -> AnyModel:
    """The model with a false-positive curve; scores and threshold stay the same. `scored`: normal scans as the
    model itself scores them, of people it was not trained on. `people`: who they are, for the card."""
    curve = false_positive_curve(scored, model.scoring)
    own = model.scoring.threshold
    note = {
        "what": "findings per normal scan by threshold; those that touch a known lesion were not counted",
        "scans": [scan.name for scan in scored],
        "people": people,
        "at the model's threshold": round(curve.rate(own), 2),
        "95 % interval": [round(value, 2) for value in curve.interval(own)],
    }
    return replace(model, false_positive_curve=curve, card={**model.card, "rates": note})


def local_differences(model: Model, scan: TrainingScan, settings: CalibrationSettings, device: str) -> Tensor:
    """z - z_hat of normal-appearing patches of one scan, drawn as the model's own training patches were."""
    sampling = model.card.get("training settings", {}).get("sampling", "brain")
    drawn = {"seed": settings.seed, "sampling": sampling, "device": device}
    source = PatchSource([scan], model.network.patch_size, settings.patches_a_scan, **drawn)
    return latent_differences(model.generator().to(device), source)


def with_local_statistics(model: Model, differences: Sequence[Tensor], prior_scans: float) -> Model:
    """The model with latent statistics of these scans, drawn towards its own.

    The medians are averaged, and the logarithms of the deviations, for these are scales. `differences`: of each
    scan, as of `local_differences`. `prior_scans`: as how many scans the model's own statistics count."""
    own, new = (model.median, model.deviation), median_and_deviation(torch.cat(list(differences)))
    weight = len(differences) / (len(differences) + prior_scans)
    tiny = torch.finfo(torch.float32).tiny
    before, after = (torch.log(deviation.clamp_min(tiny)) for deviation in (own[1], new[1]))
    usable = (own[1] > 0) & (new[1] > 0)
    return replace(
        model,
        median=torch.lerp(own[0], new[0], weight),
        deviation=torch.where(usable, torch.exp(torch.lerp(before, after, weight)), own[1]),
        tissue_statistics=None,  # those by tissue were of other scans
    )
