"""One result in the scene: how it comes about, and what follows from the threshold and the least size.

The scores and all that they came from stay in the scene, so that findings can be derived again without the
network, also after the scene was saved and opened.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..detection.findings import Findings, derive_findings
from ..detection.hints import HINTS
from ..detection.numbering import Numbering, keep_numbers
from ..detection.score_map import ScoreMap
from ..detection.stored_scores import IMAGES, StoredScores, restore
from ..errors import InputError
from ..model import rates
from ..model.rates import RateCurve
from ..reporting.result_scores import WHY_FIXED, WITHOUT_PATCHES
from .carry_over import carried_numbering
from .findings_table import forget_all, rows, write_rows
from .hand_edits import with_edits
from .logics import Logics
from .overlay import show_scores
from .result_nodes import (
    Result,
    connect,
    fill_volumes,
    follow_flair,
    name_nodes,
    new_nodes,
    place,
    remove_forgotten,
    remove_result,
    result_of,
    results_in,
    with_aligned_t1,
)
from .result_record import ResultRecord, read_record, record_text
from .segmentation import hide_findings, remove_findings, show_findings
from .titles import name_scores
from .volumes import array_of, ijk_to_ras
from .window_level import brain_windows, show_window

__all__ = [
    "Result",
    "add_result",
    "detected_in",
    "findings_of",
    "hidden_hints",
    "hide_hints",
    "prepare_for_sliders",
    "provenance_of",
    "rates_of",
    "rederive",
    "remove_forgotten",
    "remove_result",
    "result_of",
    "results_in",
    "score_map_of",
    "scores_voxels",
    "settings_of",
    "show_again",
    "why_fixed",
    "would_lose_review",
]


def add_result(
    scene: Any,
    logics: Logics,
    *,
    t1: Any,
    flair: Any,
    stored: StoredScores,
    provenance: Mapping[str, Any],
    threshold: float,
    min_patches: int,
    replace: Result | None = None,
    keep_intermediate: bool = False,
    written: Callable[[ScoreMap], Findings | None] | None = None,
) -> Result:
    """Bring scores into the scene, with findings, overlay and table. A failure leaves the scene as it was.

    Args:
        scene: vtkMRMLScene.
        logics: that belong to it.
        t1, flair: the volumes that were analysed.
        stored: the scores of this FLAIR.
        provenance: where they come from, plain values.
        threshold, min_patches: for the findings.
        replace: a result whose nodes are used again. Where its findings overlap the new ones, these take over
            number and review, if it is on the same grid; else nothing of it is kept. None: new nodes.
        keep_intermediate: whether the volumes that findings are derived from are shown among the volumes.
        written: gives the findings that the run itself derived from its scores, so that it is not done twice;
            they count where they have this threshold and least size.

    Raises:
        InputError: the scores are damaged or do not fit the FLAIR, or give more findings than can be numbered.
    """
    scores = restore(stored)
    if array_of(flair).shape != scores.study.flair_grid.shape:
        raise InputError(
            f'"{flair.GetName()}" no longer has the size it was analysed with: detect anomalies again.'
        )
    findings = None if written is None else written(scores)
    if findings is None or (findings.threshold, findings.min_patches) != (threshold, min_patches):
        findings = derive_findings(scores, threshold=threshold, min_patches=min_patches)
    old = _what_was_found(replace, flair)
    known = None if old is None else carried_numbering(*old, findings, scores)
    findings, numbering = keep_numbers(findings, scores, known)
    hidden = () if replace is None else hidden_hints(replace)
    text = record_text(ResultRecord(threshold, min_patches, numbering, provenance, stored.record, hidden))
    if replace is None:
        result = new_nodes(scene, t1, flair, keep_intermediate)
    else:
        result = dataclasses.replace(replace, t1=t1, flair=flair)
    try:
        fill_volumes(result, stored)
        t1_grid = (dict(provenance).get("inputs") or {}).get("t1", {}).get("grid")
        result = with_aligned_t1(scene, result, stored.record, t1_grid)
        if replace is not None and old is None:
            forget_all(result.table)
            remove_findings(result.segmentation)
            name_nodes(scene, result)
        connect(result)
        result.record.SetText(text)
        _remember(result, scores, findings)
        show_again(scene, logics, result)
        place(scene, result, keep_intermediate)
        name_scores(scene, result)
    except BaseException:
        if replace is None:
            remove_result(scene, result)
        raise
    for volume, window in zip((result.shown_t1, flair), brain_windows(scores.study), strict=True):
        show_window(volume, window)
    return result


def rederive(scene: Any, logics: Logics, result: Result, *, threshold: float, min_patches: int) -> Findings:
    """The findings for another threshold or least size, everywhere in the scene; without the network.

    They keep their numbers and their review, also those that had vanished for a while.

    Raises:
        InputError: there would be more findings than can be numbered, a volume of the result has lost its voxels,
            or its scores were opened without their patches. Nothing was changed then.
    """
    if reason := why_fixed(result):
        raise InputError(reason)
    scores = score_map_of(result)
    findings = derive_findings(scores, threshold=threshold, min_patches=min_patches)
    record = read_record(result.record)
    findings, numbering = keep_numbers(findings, scores, record.numbering)
    record = dataclasses.replace(record, threshold=threshold, min_patches=min_patches, numbering=numbering)
    result.record.SetText(record_text(record))
    follow_flair(result)
    _remember(result, scores, findings)
    return show_again(scene, logics, result)


def show_again(scene: Any, logics: Logics, result: Result) -> Findings:
    """Bring table, segments and colours to the findings as they are known: after an edit was taken back, or made.

    Raises:
        InputError: a volume of the result has lost its voxels.
    """
    findings = findings_of(result)
    _show(scene, logics, result, findings)
    return findings


def findings_of(result: Result) -> Findings:
    """The findings as they are now, with their numbers, and with what the reader has edited of them.

    Raises:
        InputError: a volume of the result has lost its voxels.
    """
    detected, known = detected_in(result), rows(result.table, all=True)
    if not any(row.edited for row in known):
        return detected
    memory = _cache(result)
    state = (memory.settings, [row for row in known if row.edited])
    if memory.edited is None or memory.edits != state:
        numbering = read_record(result.record).numbering
        memory.edited, memory.edits = with_edits(detected, known, score_map_of(result), numbering), state
    return memory.edited


def detected_in(result: Result) -> Findings:
    """The findings as the detection has them at these settings, whatever the reader has edited.

    Raises:
        InputError: a volume of the result has lost its voxels.
    """
    memory, record = _cache(result), read_record(result.record)
    fixed = why_fixed(result)
    if memory.findings is None and fixed:
        raise InputError(fixed)
    if memory.findings is None or (memory.settings != _settings(record) and not fixed):
        scores = score_map_of(result)
        derived = derive_findings(scores, threshold=record.threshold, min_patches=record.min_patches)
        findings, _ = keep_numbers(derived, scores, record.numbering)
        _remember(result, scores, findings)
        return findings
    return memory.findings


def score_map_of(result: Result) -> ScoreMap:
    """The scores, taken up from the scene; kept in memory as long as the volumes do not change.

    Raises:
        InputError: a volume of the result has lost its voxels.
    """
    memory = _cache(result)
    if memory.scores is None:
        images = {name: sitk.GetImageFromArray(_voxels(getattr(result, name))) for name in IMAGES}
        memory.scores = restore(StoredScores(images, dict(read_record(result.record).scores)))
    return memory.scores


def prepare_for_sliders(result: Result) -> None:
    """Find out now what the next threshold will ask for, so that its first step is as quick as the others."""
    with contextlib.suppress(InputError):  # the volumes were not saved with the scene
        scores = score_map_of(result)
        _ = scores.midline, scores.regions, scores.parts


def would_lose_review(result: Result) -> bool:
    """Whether another run on its FLAIR would drop what a reader has reviewed or edited.

    It cannot be carried over where the FLAIR has another grid now, or the findings cannot be derived any more.
    """
    if not any(row.reviewed or row.note or row.edited for row in rows(result.table)):
        return False
    return result.flair.GetImageData() is None or _what_was_found(result, result.flair) is None


def settings_of(result: Result) -> tuple[float, int]:
    """Threshold and least number of patches of the findings that are shown."""
    record = read_record(result.record)
    return record.threshold, record.min_patches


def has_probabilities(result: Result) -> bool:
    """Whether its scores are probabilities."""
    return read_record(result.record).scores.get("answers") is not None


def scores_voxels(result: Result) -> bool:
    """Whether its scores are those of single voxels of the network's grid, not of patches some voxels apart."""
    return dict(read_record(result.record).scores.get("lattice") or {}).get("stride") == 1


def rates_of(result: Result) -> RateCurve | None:
    """What the scores mean, as findings a normal scan by threshold; None where that is not known."""
    return rates.from_plain(read_record(result.record).scores.get("rates"))


def why_fixed(result: Result) -> str:
    """Why threshold and least size cannot be changed; "" where they can."""
    return WHY_FIXED if read_record(result.record).scores.get(WITHOUT_PATCHES) else ""


def provenance_of(result: Result) -> dict[str, Any]:
    """Where the scores come from: model, settings, versions, device, inputs."""
    return dict(read_record(result.record).provenance)


def hidden_hints(result: Result) -> tuple[str, ...]:
    """The hints whose findings are not shown."""
    return read_record(result.record).hidden


def hide_hints(result: Result, hints: Collection[str]) -> None:
    """Show the findings of all hints but these, in every view; all keep their number and review."""
    record = read_record(result.record)
    if set(record.hidden) != set(hints):
        hidden = tuple(hint for hint in HINTS if hint in hints)
        result.record.SetText(record_text(dataclasses.replace(record, hidden=hidden)))
    _hide(result)


def _hide(result: Result) -> None:
    hidden = hidden_hints(result)
    hide_findings(result.segmentation, [row.number for row in rows(result.table) if row.hint in hidden])


def _show(scene: Any, logics: Logics, result: Result, findings: Findings) -> None:
    write_rows(result.table, findings)
    show_findings(result.segmentation, findings, result.flair, result.table)
    _hide(result)
    show_scores(scene, logics, result.score, findings.threshold, probabilities=has_probabilities(result))


def _what_was_found(result: Result | None, flair: Any) -> tuple[Findings, ScoreMap, Numbering] | None:
    """The findings of a result, if they lie on the voxels of this FLAIR and can still be derived."""
    if result is None:
        return None
    same = result.flair.GetID() == flair.GetID()
    if not (same or np.allclose(ijk_to_ras(result.score), ijk_to_ras(flair), atol=1e-4)):
        return None
    try:
        scores = score_map_of(result)
        if scores.study.flair_grid.shape != array_of(flair).shape:
            return None
        return detected_in(result), scores, read_record(result.record).numbering
    except InputError:
        return None


def _settings(record: ResultRecord) -> tuple[Any, ...]:
    return record.threshold, record.min_patches, record.numbering


class _ResultCache:
    """What was computed from the nodes of a result, as long as they do not change.

    It hangs on the record node itself, as a Python attribute that VTK keeps as long as the node lives. So it
    goes when the scene is closed, and another scene's node has none, even under the same name and ID.
    """

    def __init__(self, state: object) -> None:
        self.state = state
        self.scores: ScoreMap | None = None
        self.findings: Findings | None = None
        self.settings: tuple[Any, ...] = ()
        self.edited: Findings | None = None
        self.edits: tuple[Any, ...] = ()


def _cache(result: Result) -> _ResultCache:
    # VTK counts every modification in the whole process: another content never has the same numbers.
    data = [getattr(result, name).GetImageData() for name in IMAGES]
    state = [
        read_record(result.record).scores,
        [None if image is None else image.GetMTime() for image in data],
    ]
    memory = getattr(result.record, "_anomaly_detection", None)
    if memory is None or memory.state != state:
        memory = result.record._anomaly_detection = _ResultCache(state)
    return memory


def _remember(result: Result, scores: ScoreMap, findings: Findings) -> None:
    memory = _cache(result)
    memory.scores, memory.findings = scores, findings
    memory.settings = _settings(read_record(result.record))


def _voxels(node: Any) -> np.ndarray:
    try:
        return array_of(node)
    except InputError as error:
        raise InputError(
            f'"{node.GetName()}" was not saved with the scene (a .mrb file saves all), so the findings stay as '
            "they are: detect anomalies again to change them."
        ) from error
