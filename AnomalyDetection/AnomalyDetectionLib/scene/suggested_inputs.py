"""Suggest the T1 and the FLAIR among the volumes of the scene, by their acquisition if known, else by name.

Slicer names a DICOM series by its number and description ("3: t2_tirm_tra_dark-fluid"), in the volume's name and in the
subject hierarchy, where patient and study are its parents. The acquisition is in the headers of its files, which
Slicer's database has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..dicom.choice import Role, SeriesCandidate, best
from ..dicom.kind import earlier_contrast_medium, kind_of_sequence
from ..dicom.sequence import MrSequence
from ..dicom.series_names import is_enhanced, is_reformatted, kind_of_name, rest_of
from ..errors import InputError
from .hierarchy import hierarchy_of
from .nodes import nodes_of_class
from .volumes import grid_of, quoted

OURS = "AnomalyDetection."  # prefix of the attributes that mark nodes of this extension


@dataclass(frozen=True)
class SuggestedInputs:
    """The most likely T1 and FLAIR volume nodes; None for one that is missing or uncertain.

    Attributes:
        t1, flair: scalar volume nodes.
        t1_why, flair_why: why the DICOM series was chosen, or why none was; "" for volumes that were chosen by name.
    """

    t1: Any | None
    flair: Any | None
    t1_why: str = ""
    flair_why: str = ""


def suggest_inputs(
    scene: Any,
    sequence_of: Callable[[Any], MrSequence | None] = lambda _node: None,
    *,
    t1: Any | None = None,
    flair: Any | None = None,
) -> SuggestedInputs:
    """Suggest volumes for the input selectors.

    Pairs of the same study are preferred to pairs of the same patient or folder, and these to other pairs; volumes of
    different patients are never paired. Then a T1 without contrast medium is preferred, then originals to reformats,
    then the newest. If the acquisition is known, it decides the kind of a volume, not the name; of several equally good
    series none is chosen.

    Args:
        sequence_of: returns the acquisition of a volume node's DICOM images; None for other formats.
        t1, flair: a volume node that is chosen already, to which the other one should belong.
    """
    nodes = list(filter(_may_be_scan, nodes_of_class(scene, "vtkMRMLScalarVolumeNode")))
    sequences = [sequence_of(node) for node in nodes]
    earlier = _given_before(nodes, sequences)
    candidates = [
        _candidate(node, place, sequence, earlier[place])
        for place, (node, sequence) in enumerate(zip(nodes, sequences, strict=True))
    ]
    likely_t1, likely_flair = _likely(candidates, t1, flair)
    t1_node, t1_why = _settled(likely_t1, candidates, "T1")
    flair_node, flair_why = _settled(likely_flair, candidates, "FLAIR")
    return SuggestedInputs(t1_node, flair_node, t1_why, flair_why)


def names_of(node: Any) -> list[str]:
    """The names of a volume: of the node and, if different, of its subject hierarchy item."""
    names = [node.GetName() or ""]
    hierarchy, item = _item(node)
    if item:
        names.append(hierarchy.GetItemName(item) or "")
    return list(dict.fromkeys(name for name in names if name))


def kind_of(node: Any) -> Literal["t1", "flair"] | None:
    """The kind of a volume node by its names."""
    return next((kind for kind in map(kind_of_name, names_of(node)) if kind), None)


def patient_of(node: Any) -> tuple[int, str] | None:
    """The subject hierarchy item and the name of a node's patient; None if not known."""
    return _ancestor(node, "Patient")


@dataclass(frozen=True)
class _Candidate:
    """A scan of the scene with the properties that decide the choice."""

    node: Any
    place: int  # index in the scene; higher is newer
    kind: str | None
    enhanced: bool
    reformatted: bool
    patient: int | None
    study: int | None
    folder: str | None
    stem: frozenset[str]  # the words of the name that are not about the contrast
    series: str  # identifies the DICOM images; equal for a series that was loaded twice
    dicom_series: SeriesCandidate | None  # the DICOM series as a candidate


def _given_before(nodes: Sequence[Any], sequences: Sequence[MrSequence | None]) -> list[str]:
    """For each node, a sentence if an earlier scan of its study was taken with contrast medium; else ""."""
    sentences = [""] * len(nodes)
    studies: dict[tuple[int, str] | None, list[int]] = {}
    for place, node in enumerate(nodes):
        if sequences[place] is not None:
            studies.setdefault(_ancestor(node, "Study"), []).append(place)
    for places in studies.values():
        known = [(quoted(nodes[place]), sequence) for place in places if (sequence := sequences[place])]
        for place, earlier in zip(places, earlier_contrast_medium(known), strict=True):
            sentences[place] = earlier
    return sentences


def _candidate(node: Any, place: int, sequence: MrSequence | None, earlier: str) -> _Candidate:
    names, storage = names_of(node), node.GetStorageNode()
    text = " ".join(names)
    patient, study = _ancestor(node, "Patient"), _ancestor(node, "Study")
    file = storage.GetFileName() if storage is not None else None
    dicom_series = _series_candidate(node, sequence, earlier)
    kinds = {"T1": "t1", "FLAIR": "flair"}
    return _Candidate(
        node=node,
        place=place,
        kind=kinds.get(dicom_series.classification.kind) if dicom_series else kind_of(node),
        enhanced=dicom_series.classification.after_contrast if dicom_series else is_enhanced(text),
        reformatted=dicom_series.classification.derived if dicom_series else is_reformatted(text),
        patient=patient[0] if patient else None,
        study=study[0] if study else None,
        folder=str(Path(file).parent) if file else None,
        stem=rest_of(names[0]) if names else frozenset(),
        series=node.GetAttribute("DICOM.instanceUIDs") or node.GetID(),
        dicom_series=dicom_series,
    )


def _series_candidate(node: Any, sequence: MrSequence | None, earlier: str) -> SeriesCandidate | None:
    if sequence is None:
        return None
    try:
        return SeriesCandidate(
            kind_of_sequence(sequence, earlier=earlier), grid_of(node, np.eye(4)), sequence
        )
    except InputError:  # no valid grid; reported when the volume is chosen
        return None


def _likely(
    candidates: Sequence[_Candidate], t1: Any | None, flair: Any | None
) -> tuple[_Candidate | None, _Candidate | None]:
    """The best pair of T1 and FLAIR, with the T1 or the FLAIR that is chosen already."""
    t1s = [each for each in candidates if (each.kind == "t1" if t1 is None else each.node is t1)]
    flairs = [each for each in candidates if (each.kind == "flair" if flair is None else each.node is flair)]
    pairs = [(t1, flair) for t1, flair in product(t1s, flairs) if not _strangers(t1, flair)]
    if pairs:
        return max(pairs, key=lambda pair: _rank(*pair))
    if t1 is None and flairs:  # the FLAIR is the reference; a T1 of another patient is of no use
        return None, max(flairs, key=_own_rank)
    return (max(t1s, key=_own_rank) if t1s else None), None


def _settled(
    likely: _Candidate | None, candidates: Sequence[_Candidate], role: Role
) -> tuple[Any | None, str]:
    """The node with the best DICOM series of that kind and study, and the reason; no node if several are equally good."""
    if likely is None or likely.dicom_series is None or likely.kind != role.lower():
        return (None if likely is None else likely.node), ""
    rivals = {
        each.series: each  # the newest of a series that was loaded twice
        for each in candidates
        if each.kind == likely.kind and each.study == likely.study and each.dicom_series is not None
    }
    known = list(rivals.values())
    dicom_series = [each.dicom_series for each in known if each.dicom_series is not None]
    places, reason = best(dicom_series, role)
    if len(places) > 1:
        names = ", ".join(quoted(known[place].node) for place in places)
        return None, f"{len(places)} {role} series are equally good ({names}): choose one."
    chosen = known[places[0]]
    return (
        chosen.node,
        f"{role}: {quoted(chosen.node)} ({dicom_series[places[0]].classification.why}; {reason}).",
    )


def is_ours(node: Any) -> bool:
    """Whether this extension made the node."""
    return any(name.startswith(OURS) for name in node.GetAttributeNames() or ())


def _may_be_scan(node: Any) -> bool:
    """Whether a scalar volume may be a scan: no label map, colour image or node of ours."""
    if node.GetClassName() != "vtkMRMLScalarVolumeNode" or node.GetHideFromEditors() or is_ours(node):
        return False
    data = node.GetImageData()
    if data is None or min(data.GetDimensions()) < 2:
        return False
    hierarchy, item = _item(node)
    modality = hierarchy.GetItemAttribute(item, "DICOM.Modality") if item else ""
    return modality in ("", None, "MR")


def _strangers(one: _Candidate, other: _Candidate) -> bool:
    return one.patient is not None and other.patient is not None and one.patient != other.patient


def _rank(t1: _Candidate, flair: _Candidate) -> tuple[Any, ...]:
    def same(what: str) -> bool:
        mine = getattr(t1, what)
        return mine is not None and mine == getattr(flair, what)

    together = 3 if same("study") else 2 if same("patient") else 1 if same("folder") else 0
    return (
        together,
        t1.stem == flair.stem,
        not t1.enhanced,
        not flair.enhanced,
        not t1.reformatted,
        not flair.reformatted,
        max(t1.place, flair.place),
        min(t1.place, flair.place),
    )


def _own_rank(one: _Candidate) -> tuple[Any, ...]:
    return not one.enhanced, not one.reformatted, one.place


def _item(node: Any) -> tuple[Any, int]:
    """The subject hierarchy of a node's scene and the node's item in it; 0 where there is none."""
    if node.GetScene() is None:
        return None, 0
    hierarchy = hierarchy_of(node.GetScene())
    return hierarchy, hierarchy.GetItemByDataNode(node)


def _ancestor(node: Any, level: str) -> tuple[int, str] | None:
    hierarchy, item = _item(node)
    found = hierarchy.GetItemAncestorAtLevel(item, level) if item else 0
    return (found, hierarchy.GetItemName(found)) if found else None
