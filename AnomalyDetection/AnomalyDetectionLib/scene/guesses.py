"""Which volumes of the scene are the T1 and the FLAIR, by what they are called.

In Slicer a DICOM series is called by its number and description ("3: t2_tirm_tra_dark-fluid"), in the volume's
name and in the subject hierarchy, where patient and study are its parents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

from .nodes import nodes_of_class

#: Nodes that this extension makes carry an attribute whose name begins so.
OURS = "AnomalyDetection."

#: What such a node is called, for one that lost its attributes (exported, and loaded again from a file).
_OUR_NAMES = re.compile(
    r"^(anomaly[ _]score|suspected[ _]anomal|findings\b|prepared[ _]|patch[ _]scores?\b)", re.IGNORECASE
)

_FLAIR = {"flair", "tirm", "darkfluid", "dafl", "darkfl", "df", "flairs", "brainviewflair"}
_T1 = {
    *(
        "t1",
        "t1w",
        "t1wi",
        "t1tfe",
        "t1ffe",
        "t1se",
        "t1tse",
        "t1fse",
        "t1mpr",
        "t1mprage",
        "t1space",
        "st1w",
    ),
    *("t1weighted", "t1vibe", "t1gre", "t1flair", "t1fl", "t1w3d", "t1n", "t1c", "t1ce", "t1gd", "t1post"),
    *(
        "mprage",
        "mpr",
        "mp2rage",
        "mpra",
        "memprage",
        "bravo",
        "fspgr",
        "spgr",
        "irspgr",
        "irfspgr",
        "efgre3d",
    ),
    *(
        "tfl3d",
        "tfl",
        "turboflash",
        "vibe",
        "3dt1",
        "3dtfe",
        "3dt1w",
        "3dt1tfe",
        "t13d",
        "t1irtfe",
        "mprrage",
    ),
}
#: Fast gradient-echo T1s by a name that other contrasts have too; they count where nothing else is named.
_WEAK_T1 = {"tfe", "thrive", "lava", "mpr"}
_OTHER_CONTRAST = {
    *(
        "t2",
        "t2w",
        "t2wi",
        "t2star",
        "pd",
        "pdw",
        "dwi",
        "dti",
        "adc",
        "trace",
        "swi",
        "swan",
        "bold",
        "fmri",
    ),
    *(
        "tof",
        "mra",
        "mrv",
        "asl",
        "cbf",
        "cbv",
        "mtt",
        "ttp",
        "perf",
        "perfusion",
        "dsc",
        "dce",
        "stir",
        "ciss",
    ),
    *("fiesta", "drive", "gre", "hemo", "epi", "fa", "qsm", "phase", "b1000", "b0"),
}
#: Made from a scan, or no scan of the brain.
_NO_SCAN = {
    *("seg", "segmentation", "label", "labels", "labelmap", "mask", "brainmask", "wmh", "lesion", "lesions"),
    *(
        "truth",
        "gt",
        "dlmuse",
        "aseg",
        "aparc",
        "prob",
        "probability",
        "score",
        "scores",
        "anomaly",
        "anomalies",
    ),
    *(
        "map",
        "maps",
        "mapping",
        "t1map",
        "t2map",
        "rho",
        "t1rho",
        "inv1",
        "inv2",
        "sub",
        "subtraction",
        "diff",
    ),
    *("loc", "localizer", "localiser", "scout", "survey", "aascout", "3plane", "plane", "cal", "calibration"),
    *("phoenixzipreport", "screen", "screenshot", "fusion", "fused", "report", "spine", "lspine", "cspine"),
    *("bias", "field", "warp", "distance", "atlas", "template", "mip", "wmhs", "jacobian"),
}
_ENHANCED = {
    *(
        "gd",
        "gad",
        "gado",
        "gadolinium",
        "gadovist",
        "dotarem",
        "magnevist",
        "prohance",
        "ce",
        "km",
        "kontrast",
    ),
    *(
        "contrast",
        "post",
        "postcontrast",
        "postgad",
        "postgd",
        "postgado",
        "mdc",
        "pc",
        "t1c",
        "t1ce",
        "t1gd",
    ),
    *("t1post", "t1km", "enhanced", "kontrastmittel", "cm", "cont", "contraste", "civ"),
}
_PLAIN = re.compile(
    r"\b(?:pre|non|no|without|w/?o|wo|ohne|nativ(?:e)?|sans|sin|senza|vor|before|un)[\W_]*"
    r"(?:gd|gad\w*|ce|km|kontrast\w*|contrast\w*|mdc|iv|cm|enhanced|injection)?(?=$|[\W_])",
    re.IGNORECASE,
)
_PLUS_C = re.compile(r"(?:\+\s?(?:c|gd|km|ce|mdc|contrast)|\bc\+)(?![a-z])", re.IGNORECASE)

#: What stands after these words is where an image was brought to: "FLAIR in T1 space" is a FLAIR.
_BROUGHT_TO = re.compile(
    r"(?<=[\W_])(?:to|in|on|onto|into|reg|registered|coreg|coregistered|aligned|resampled|2)(?=[\W_])",
    re.IGNORECASE,
)
_SERIES_NUMBER = re.compile(r"^\s*(?:series\s*)?\d+\s*:\s*", re.IGNORECASE)


def kind_of_name(name: str) -> Literal["t1", "flair"] | None:
    """What a volume called so most likely is.

    A T1 FLAIR is a T1. A T2 that is not called FLAIR, dark fluid or TIRM is neither, nor are parameter maps,
    label maps, localisers, and the like.
    """
    if _OUR_NAMES.match(name.strip()):
        return None
    name = re.sub(r"^\s*sub-", "", _SERIES_NUMBER.sub("", name))  # "sub-01" is a BIDS subject, no subtraction
    words = _words(name)
    if _NO_SCAN & words:
        return None
    before = _BROUGHT_TO.split(f" {name} ", maxsplit=1)[0]
    return _kind(_words(before)) or _kind(words)


def is_enhanced(name: str) -> bool:
    """Whether a name says that contrast medium was given."""
    if _PLUS_C.search(name):
        return True
    rest = _PLAIN.sub(" ", _SERIES_NUMBER.sub("", name).replace("_", " "))
    return bool(_ENHANCED & _words(rest))


def other_contrast(name: str) -> str | None:
    """The contrast other than T1 and FLAIR that a name speaks of, such as "T2"; None if it is no such name."""
    if kind_of_name(name) is not None:
        return None
    found = _OTHER_CONTRAST & _words(_SERIES_NUMBER.sub("", name))
    return sorted(found)[0].upper() if found else None


def guess_inputs(scene: Any) -> tuple[Any | None, Any | None]:
    """The T1 and the FLAIR volume node that the user most likely means; None for one that is not there.

    Two of the same study go before two of the same patient or folder, before two that are not known to belong
    together; volumes of different patients are never a pair. Among these a T1 before contrast medium goes
    first, then originals before reformats, then the newest.
    """
    candidates = [_candidate(scene, node, place) for place, node in enumerate(_scans(scene))]
    t1s = [each for each in candidates if each.kind == "t1"]
    flairs = [each for each in candidates if each.kind == "flair"]
    pairs = [(t1, flair) for t1, flair in product(t1s, flairs) if not _strangers(t1, flair)]
    if pairs:
        t1, flair = max(pairs, key=lambda pair: _rank(*pair))
        return t1.node, flair.node
    if flairs:  # the FLAIR is the reference of all that follows; a T1 of somebody else is no help
        return None, max(flairs, key=_own_rank).node
    return (max(t1s, key=_own_rank).node, None) if t1s else (None, None)


def names_of(node: Any) -> list[str]:
    """What a volume is called: its name and, where it differs, that of its subject hierarchy item."""
    names = [node.GetName() or ""]
    hierarchy, item = _item(node)
    if item:
        names.append(hierarchy.GetItemName(item) or "")
    return list(dict.fromkeys(name for name in names if name))


def kind_of(node: Any) -> Literal["t1", "flair"] | None:
    """What a volume node is by what it is called."""
    return next((kind for kind in map(kind_of_name, names_of(node)) if kind), None)


def patient_of(node: Any) -> tuple[int, str] | None:
    """The subject hierarchy item and the name of the patient a node belongs to; None if that is not known."""
    return _ancestor(node, "Patient")


@dataclass(frozen=True)
class _Candidate:
    """A scan of the scene, with all that decides."""

    node: Any
    place: int  # in the scene: later is newer
    kind: str | None
    enhanced: bool
    reformatted: bool
    patient: int | None
    study: int | None
    folder: str | None
    stem: frozenset[str]  # the words of the name that do not tell the contrast


def _candidate(scene: Any, node: Any, place: int) -> _Candidate:
    names = names_of(node)
    text = " ".join(names)
    patient, study = _ancestor(node, "Patient"), _ancestor(node, "Study")
    storage = node.GetStorageNode()
    file = storage.GetFileName() if storage is not None else None
    return _Candidate(
        node=node,
        place=place,
        kind=kind_of(node),
        enhanced=is_enhanced(text),
        reformatted=bool({"mpr", "range", "reformat", "reformatted", "ref", "mpv"} & _words(text)),
        patient=patient[0] if patient else None,
        study=study[0] if study else None,
        folder=str(Path(file).parent) if file else None,
        stem=frozenset(_words(names[0]) - _T1 - _FLAIR - _OTHER_CONTRAST - _ENHANCED)
        if names
        else frozenset(),
    )


def is_ours(node: Any) -> bool:
    """Whether this extension made the node."""
    return any(name.startswith(OURS) for name in node.GetAttributeNames() or ())


def _scans(scene: Any) -> list[Any]:
    """The scalar volumes that may be scans, oldest first: no label maps, no colours, nothing of ours."""
    return [node for node in nodes_of_class(scene, "vtkMRMLScalarVolumeNode") if _may_be_scan(node)]


def _may_be_scan(node: Any) -> bool:
    if node.GetClassName() != "vtkMRMLScalarVolumeNode" or node.GetHideFromEditors():
        return False
    if is_ours(node):
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


def _kind(words: set[str]) -> Literal["t1", "flair"] | None:
    if _T1 & words - _WEAK_T1:
        return "t1"
    if _FLAIR & words or {"dark", "fluid"} <= words or {"da", "fl"} <= words:
        return "flair"
    if _OTHER_CONTRAST & words:
        return None
    return "t1" if _WEAK_T1 & words and "3d" in words | {word[:2] for word in words} else None


def _words(name: str) -> set[str]:
    """The words of a name in lower case, also those that are run together ("T2FLAIR", "FLAIRSag")."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", name)  # SagFlair
    words = [word for word in re.split(r"[\W_]+", spaced.lower()) if word]
    joined = {word for word in re.split(r"[\W_]+", name.lower()) if word}
    pieces: set[str] = set()
    for word in [*words, *joined]:
        pieces.add(word)
        pieces |= {word[: -len("space")], "space"} if word.endswith("space") and word != "space" else set()
        pieces |= set(re.findall(r"flair|mprage|t1w?(?=flair|mprage|tfe)|tirm|mp2rage|bravo|darkfluid", word))
        if match := re.match(r"(s?3?d?)(t1w?|t2w?)(?=\d?d?(?:tse|tfe|ffe|se|fse|flair|spc|$))", word):
            pieces.add(match[2])
    return pieces


def _item(node: Any) -> tuple[Any, int]:
    """The subject hierarchy of a node's scene and the node's item in it; 0 where there is none."""
    import slicer

    scene = node.GetScene()
    if scene is None:
        return None, 0
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    return (hierarchy, hierarchy.GetItemByDataNode(node)) if hierarchy is not None else (None, 0)


def _ancestor(node: Any, level: str) -> tuple[int, str] | None:
    hierarchy, item = _item(node)
    found = hierarchy.GetItemAncestorAtLevel(item, level) if item else 0
    return (found, hierarchy.GetItemName(found)) if found else None
