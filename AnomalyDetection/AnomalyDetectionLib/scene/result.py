"""One result in the scene: create it, and derive its findings for a threshold and a minimum size.

The scores and the prepared images are kept in the scene, so that findings can be derived again without the network,
also after the scene was saved and opened.
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
from ..detection.numbering import FindingNumbers, keep_numbers
from ..detection.score_map import ScoreMap
from ..detection.stored_scores import IMAGES, StoredScores, restore
from ..errors import InputError
from ..model import false_positive_curve
from ..model.false_positive_curve import FalsePositiveCurve
from ..reporting.result_scores import WHY_FIXED, WITHOUT_PATCHES
from .carry_over import carried_numbering
from .findings_table import ADDED, replace_rows, rows, write_rows
from .hand_edits import with_edits
from .hierarchy import place_beside
from .nodes import Logics
from .overlay import show_scores
from .result_nodes import (
    Result,
    connect,
    fill_volumes,
    follow_flair,
    forget_shown,
    missing_parts,
    name_nodes,
    new_node,
    new_nodes,
    place,
    reference_of,
    remove_forgotten,
    remove_node,
    remove_result,
    result_of,
    results_in,
    t1_grid_of,
    with_aligned_t1,
)
from .result_record import ResultRecord, read_record, record_text
from .segmentation import hide_findings, remove_findings, show_findings
from .titles import name_scores
from .volumes import array_of, ijk_to_ras
from .window_level import brain_windows, show_window

__all__ = ["remove_forgotten", "result_of", "results_in"]  # beside what is made here


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
    """Add scores to the scene, with findings, overlay and table. After a failure the scene is as before.

    Args:
        t1, flair: the volumes that were analysed.
        replace: a result whose nodes are reused. If it is on the same grid, new findings take number and review of
            the old findings that they overlap; else nothing of it is kept. None: create new nodes.
        keep_intermediate: whether the volumes that findings are derived from are listed in Slicer.
        written: returns the findings that the run derived, which are used if they have this threshold and minimum size.

    Raises an InputError if the scores are damaged, do not fit the FLAIR, or give too many findings to number.
    """
    scores = restore(stored)
    if array_of(flair).shape != scores.study.flair_grid.shape:
        raise InputError(
            f'"{flair.GetName()}" no longer has the size it was analysed with: detect anomalies again.'
        )
    findings = None if written is None else written(scores)
    if findings is None or (findings.threshold, findings.min_patches) != (threshold, min_patches):
        findings = derive_findings(scores, threshold=threshold, min_patches=min_patches)
    old = None if replace is None else _what_was_found(replace, flair)
    known = None if old is None else carried_numbering(*old, findings, scores)
    findings, numbering = keep_numbers(findings, scores, known)
    hidden = () if replace is None else hidden_hints(replace)
    text = record_text(ResultRecord(threshold, min_patches, numbering, provenance, stored.record, hidden))
    if replace is None:
        result = new_nodes(scene, t1, flair)
    else:
        result = dataclasses.replace(replace, t1=t1, flair=flair)
    try:
        fill_volumes(result, stored)
        result = with_aligned_t1(scene, result, stored.record, t1_grid_of(provenance))
        if replace is not None:
            forget_shown(scene, result, other_grid=old is None)
        if replace is not None and old is None:
            replace_rows(result.table, [])
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
    """Derive the findings for another threshold or minimum size and update the scene; does not use the network.

    Findings keep their numbers and reviews, even if they had vanished in between.

    Raises an InputError if there would be too many findings to number, a volume of the result has no voxels,
    or its scores were opened without their patches. Nothing is changed.
    """
    if reason := why_fixed(result):
        raise InputError(reason)
    scores = score_map_of(result)
    findings = derive_findings(scores, threshold=threshold, min_patches=min_patches)
    record = read_record(result.record)
    findings, numbering = keep_numbers(findings, scores, record.numbering)
    record = dataclasses.replace(record, threshold=threshold, min_patches=min_patches, numbering=numbering)
    result.record.SetText(record_text(record))
    _remember(result, scores, findings)
    return show_again(scene, logics, result)


def show_again(scene: Any, logics: Logics, result: Result) -> Findings:
    """Update table, segments and colours after an edit, or after the FLAIR was moved.

    Raises an InputError if a volume has no voxels, or the FLAIR has another size now.
    """
    findings = findings_of(result)
    follow_flair(result)  # segments are compared with the score volume, so both move with the FLAIR
    write_rows(result.table, findings)
    show_findings(result.segmentation, findings, result.flair, result.table)
    _hide(result)
    show_scores(scene, logics, result.score, findings.threshold, probabilities=has_probabilities(result))
    return findings


def make_again(scene: Any, logics: Logics, score: Any) -> Result | None:
    """Make the deleted outlines or table of a result again, see `can_be_made_again`.

    `score`: its score volume. Returns None, and changes nothing, if its findings cannot be derived.
    """
    flair = score.GetNodeReference(reference_of("flair"))
    made = {role: new_node(scene, role, flair) for role in missing_parts(score)}
    for role, node in made.items():
        score.SetNodeReferenceID(reference_of(role), node.GetID())
    result = result_of(score)
    try:
        if result is not None:
            show_again(scene, logics, result)
    except InputError:  # such as volumes that were not saved with the scene
        result = None
    for node in made.values():
        if result is None:
            remove_node(scene, node)
        else:
            place_beside(scene, node, flair)
    return result


def findings_of(result: Result) -> Findings:
    """The current findings with the reader's edits. Raises an InputError if a volume of the result has no voxels."""
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
    """Like `findings_of`, but without the reader's edits."""
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
    """The scores, cached until the volumes change. Raises an InputError if a volume of the result has no voxels."""
    memory = _cache(result)
    if memory.scores is None:
        images = {name: sitk.GetImageFromArray(_voxels(getattr(result, name))) for name in IMAGES}
        memory.scores = restore(StoredScores(images, dict(read_record(result.record).scores)))
    return memory.scores


def prepare_for_sliders(result: Result) -> None:
    """Compute in advance what a change of the threshold needs, so that the first step is as fast as the others."""
    with contextlib.suppress(InputError):  # the volumes were not saved with the scene
        scores = score_map_of(result)
        _ = scores.midline, scores.regions, scores.parts


def would_lose_review(result: Result) -> bool:
    """Whether another run on the same FLAIR would lose reviews or edits.

    They cannot be carried over if the FLAIR's grid has changed, or the findings can no longer be derived.
    """
    if not any(row.by_reader for row in rows(result.table, all=True)):
        return False
    return result.flair.GetImageData() is None or _what_was_found(result, result.flair) is None


def settings_of(result: Result) -> tuple[float, int]:
    """Threshold and minimum number of patches of the shown findings."""
    record = read_record(result.record)
    return record.threshold, record.min_patches


def has_probabilities(result: Result) -> bool:
    """Whether its scores are probabilities."""
    return read_record(result.record).scores.get("candidate_probabilities") is not None


def scores_voxels(result: Result) -> bool:
    """Whether its scores are per voxel of the network's grid, not per patch."""
    return dict(read_record(result.record).scores.get("lattice") or {}).get("stride") == 1


def rates_of(result: Result) -> FalsePositiveCurve | None:
    """Findings per normal scan by threshold; None if not known."""
    return false_positive_curve.from_plain(read_record(result.record).scores.get("false_positive_curve"))


def why_fixed(result: Result) -> str:
    """Why threshold and minimum size cannot be changed; "" if they can."""
    return WHY_FIXED if read_record(result.record).scores.get(WITHOUT_PATCHES) else ""


def provenance_of(result: Result) -> dict[str, Any]:
    """The provenance of the scores: model, settings, versions, device, inputs."""
    return dict(read_record(result.record).provenance)


def hidden_hints(result: Result) -> tuple[str, ...]:
    """The hints whose findings are not shown."""
    return read_record(result.record).hidden


def hidden_numbers(result: Result) -> set[int]:
    """The numbers of the findings that are not shown for their hint; those that the reader has added always are."""
    hidden = hidden_hints(result)
    return {row.number for row in rows(result.table) if row.hint in hidden and row.edited != ADDED}


def hide_hints(result: Result, hints: Collection[str]) -> None:
    """Hide the findings with these hints in every view; all findings keep their numbers and reviews."""
    record = read_record(result.record)
    if set(record.hidden) != set(hints):
        hidden = tuple(hint for hint in HINTS if hint in hints)
        result.record.SetText(record_text(dataclasses.replace(record, hidden=hidden)))
    _hide(result)


def _hide(result: Result) -> None:
    hide_findings(result.segmentation, sorted(hidden_numbers(result)))


def _what_was_found(result: Result, flair: Any) -> tuple[Findings, ScoreMap, FindingNumbers] | None:
    """The findings of a result, if they are on the grid of this FLAIR and can still be derived."""
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
    """Values computed from the nodes of a result, valid until the nodes change.

    It is a Python attribute of the record node, which VTK keeps as long as the node exists. So it is released when the
    scene is closed, and never confused with a node of the same ID in another scene.
    """

    def __init__(self, state: object) -> None:
        self.state = state
        self.scores: ScoreMap | None = None
        self.findings: Findings | None = None
        self.settings: tuple[Any, ...] = ()
        self.edited: Findings | None = None
        self.edits: tuple[Any, ...] = ()


def _cache(result: Result) -> _ResultCache:
    # VTK's modification times are unique in the process, so different contents never have the same ones.
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
            f'"{node.GetName()}" was not saved with the scene (a .mrb file saves all), so the findings cannot be '
            "changed: detect anomalies again."
        ) from error
