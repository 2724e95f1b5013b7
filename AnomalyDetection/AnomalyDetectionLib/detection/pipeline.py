"""The whole pipeline from files to findings, called by the command line, Slicer and cohorts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ..errors import InputError
from ..imaging.beside import beside
from ..imaging.out_of_memory import on_fallback
from ..imaging.preparation import prepare
from ..imaging.preparation_settings import PreparationSettings
from ..imaging.prepared import PreparedStudy
from ..imaging.reading import read_study
from ..imaging.volume import Study
from ..model.model_file import AnyModel, load_model
from .detection_settings import DetectionRequest, DetectionSettings
from .detector import score, scoring_settings
from .device import resolve_device
from .findings import Findings, derive_findings
from .midline import Midline
from .quality.checks import check_images, check_mask
from .quality.warning import QualityWarning
from .score_map import ScoreMap

Progress = Callable[[str, float, str], None]
"""Called with the stage's name, the fraction of the whole run done (0 to 1), and a line for people."""

_MESSAGES = {
    "reading": "Reading the images",
    "brain mask": "Finding the brain",
    "alignment": "Aligning T1 and FLAIR",
    "resampling": "Bringing both to the model's grid",
    "bias field": "Correcting the bias field",
    "scaling": "Scaling the intensities",
    "quality": "Checking the quality of the images",
    "anatomy": "Telling the parts of the brain apart",
    "scoring": "Scoring the patches",
    "findings": "Collecting the findings",
    "writing": "Writing the results",
}

WORTH_SAYING = 0.005  # share of the brain outside the T1 that is reported

# Where each part of a run begins, in fractions of its usual time.
PREPARATION_BEGINS, SCORING_BEGINS, FINDINGS_BEGIN, WRITING_BEGINS = 0.04, 0.60, 0.94, 0.96


@dataclass(frozen=True, kw_only=True)
class ScoredStudy:
    """The scores of a study, and how they were made."""

    request: DetectionRequest  # what was asked for
    study: Study  # the images as they were read
    model: AnyModel  # the model that was used
    # the preparation settings that were used: the model's, with what the request changed
    preparation: PreparationSettings
    device: str  # "cpu", "cuda" or "mps"
    scores: ScoreMap  # the third of the four values; `scores.study` is the second
    # threshold, min_patches: for the findings
    threshold: float
    min_patches: int
    # time by stage, in the order of the stages; of one that ran beside another, what was still waited for
    seconds: dict[str, float] = field(default_factory=dict)
    # what did not fit into the memory of the device, and how it was done instead: sentences without full stops
    fallbacks: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks about the run for the reader, sentences without full stops."""
        return (*remarks(self.scores.study, self.scores.quality), *self.fallbacks)


@dataclass(frozen=True, kw_only=True)
class Detection(ScoredStudy):
    """The result of a run, with its inputs and intermediate values. `findings`: the last of the four values."""

    findings: Findings


def run_detection(request: DetectionRequest, progress: Progress | None = None) -> Detection:
    """Read, prepare, score, and derive the findings. Raises InputError if the images, the mask, the model or
    the device cannot be used."""
    scored = score_study(request, progress)
    _Reporter(progress)("findings", FINDINGS_BEGIN)
    begin = time.perf_counter()
    findings = derive_findings(scored.scores, threshold=scored.threshold, min_patches=scored.min_patches)
    seconds = {**scored.seconds, "findings": time.perf_counter() - begin}
    return Detection(**{**vars(scored), "seconds": seconds}, findings=findings)


def score_study(request: DetectionRequest, progress: Progress | None = None) -> ScoredStudy:
    """Read, prepare and score. Raises InputError if the images, the mask, the model or the device cannot be used."""
    report = _Reporter(progress)
    fallbacks: list[str] = []

    def note_fallback(sentence: str) -> None:
        if sentence not in fallbacks:
            fallbacks.append(sentence)
        report.aside(sentence)

    with on_fallback(note_fallback):
        scored = _scored(request, report)
    return replace(scored, fallbacks=tuple(fallbacks))


def _scored(request: DetectionRequest, report: _Reporter) -> ScoredStudy:
    settings = request.settings
    device = resolve_device(settings.device)
    report("reading", 0.0)
    begin = time.perf_counter()
    model = load_model(settings.model)
    threshold = _threshold(settings, model)  # report mistakes before the work
    series = {"t1_series": request.t1_series, "flair_series": request.flair_series}
    study = read_study(request.t1, request.flair, request.brain_mask, **series)
    seconds = {"reading": time.perf_counter() - begin}
    preparation = _preparation(model.preparation, settings)
    prepared = prepare(study, preparation, device, report.part(PREPARATION_BEGINS, SCORING_BEGINS))
    seconds |= prepared.seconds
    report("quality", SCORING_BEGINS)
    with (
        beside(partial(check_images, study, prepared)) as checked,
        beside(partial(Midline.of, prepared)) as midline,
    ):
        progress = report.part(SCORING_BEGINS, FINDINGS_BEGIN)
        scores = score(prepared, model, device=device, progress=progress, **settings.scoring)
        scored = time.perf_counter()
    quality = checked.result()
    seconds["quality"] = time.perf_counter() - scored
    if found := remarks(prepared, quality):
        report.aside("; ".join(found))
    quality += check_mask(prepared, scores.anatomy)
    scores = replace(scores, quality=quality, known_midline=midline.result())
    seconds |= scores.seconds
    return ScoredStudy(
        request=request,
        study=study,
        model=model,
        preparation=preparation,
        device=device,
        scores=scores,
        threshold=threshold,
        min_patches=model.scoring.min_patches if settings.min_patches is None else settings.min_patches,
        seconds=seconds,
    )


def check_settings(settings: DetectionSettings) -> None:
    """Check that model and settings fit together, before scans are read; the device is not checked. Raises
    InputError where they do not."""
    _threshold(settings, load_model(settings.model))


def message_of(stage: str) -> str:
    """A stage's name as a line for people."""
    return _MESSAGES.get(stage, stage.capitalize())


def remarks(study: PreparedStudy, quality: Sequence[QualityWarning] = ()) -> tuple[str, ...]:
    """What a reader has to know about a scan and its preparation, if anything: a sentence each, without full stops.

    Doubts about the whole result, which are what the checks say of it, come first.
    """
    alignment, sentences = study.alignment, [warning.sentence for warning in quality]
    if alignment.registered:
        sentences.append(
            f"T1 and FLAIR did not line up: T1 was registered to the FLAIR, moved by {alignment.shift_mm:.1f} mm"
            f" and turned by {alignment.rotation_deg:.1f} degrees"
        )
    if study.fraction_outside_t1 >= WORTH_SAYING:
        sentences.append(
            f"T1 and FLAIR do not both show {100 * study.fraction_outside_t1:.0f} % of the brain; nothing was looked for there"
        )
    return tuple(sentences)


class _Reporter:
    """Turns the parts' own fractions into those of the whole run."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._last = ("reading", 0.0)

    def __call__(self, stage: str, fraction: float, message: str | None = None) -> None:
        self._last = stage, fraction
        if self._progress is not None:
            self._progress(stage, fraction, message or message_of(stage))

    def aside(self, message: str) -> None:
        """Report a message without changing the progress."""
        self(*self._last, message)

    def part(self, begin: float, end: float) -> Callable[[str, float], None]:
        return lambda stage, fraction: self(stage, begin + (end - begin) * fraction)


def _threshold(asked: DetectionSettings, model: AnyModel) -> float:
    """The threshold that was asked for: as a score, as false positives per scan, or the model's own. Raises
    InputError where the settings are not for this model."""
    scoring = scoring_settings(model, **asked.scoring)
    if asked.false_positives is None:
        return model.scoring.threshold if asked.threshold is None else asked.threshold
    if model.false_positive_curve is None:
        raise InputError(
            f"The model {model.name} does not know how many findings normal scans have: calibrate it with some of yours, "
            "or give a threshold.",
            see=("calibrate", "threshold"),
        )
    if scoring != model.scoring or asked.min_patches not in (None, model.false_positive_curve.min_patches):
        raise InputError(
            "False positives per scan were counted with the model's own settings: leave out the other scoring settings, or give a threshold.",
            see=("false_positives", "threshold"),
        )
    return model.false_positive_curve.threshold_for(asked.false_positives)


def _preparation(settings: PreparationSettings, asked: DetectionSettings) -> PreparationSettings:
    return replace(
        settings,
        register=settings.register if asked.register else "off",
        bias_correction=settings.bias_correction and asked.bias_correction,
    )
