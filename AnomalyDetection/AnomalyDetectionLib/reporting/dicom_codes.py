"""Coded concepts for DICOM objects: SNOMED CT and DICOM codes, and private codes where neither has one."""

from __future__ import annotations

from highdicom.sr.coding import CodedConcept
from pydicom.sr.coding import Code

from ..detection.hints import EDGE, INFARCT_LIKE, OTHER_ANOMALY, UNKNOWN, WMH_LIKE
from ..detection.reviewed_findings import ReviewedFinding

SCHEME, SCHEME_NAME = "99ANODET", "AnomalyDetection extension for 3D Slicer"
"""Designator and name of our private coding scheme; "99" marks a private one (PS3.16, section 8)."""


def own(value: str, meaning: str) -> CodedConcept:
    """A code of the private scheme; `value` has at most 16 characters, `meaning` at most 64."""
    return CodedConcept(value, SCHEME, meaning)


BRAIN = Code("12738006", "SCT", "Brain")
BRAIN_MRI = Code("24590-2", "LN", "Brain MRI")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
MORPHOLOGY = Code("49755003", "SCT", "Morphologically Abnormal Structure")
LESION = Code("52988006", "SCT", "Lesion")
SUSPECTED = Code("415684004", "SCT", "Suspected")
MILLILITRE = Code("mL", "UCUM", "Milliliter")
NO_UNITS = Code("1", "UCUM", "no units")
VOLUME = Code("118565006", "SCT", "Volume")
CENTRE = Code("128138", "DCM", "Center of Mass")
COMMENT = Code("121106", "DCM", "Comment")
NONE = Code("260413007", "SCT", "None")
QUALITATIVE = Code("C0034375", "UMLS", "Qualitative Evaluations")
FINDINGS_PER_SCAN = Code("{findings}/{scan}", "UCUM", "findings per normal scan")

PEAK_SCORE = own("PEAKSCORE", "Peak anomaly score")
MEAN_SCORE = own("MEANSCORE", "Mean anomaly score")
RATE = own("RATE", "Findings like it in a normal scan")
CERTAINTY = own("CERTAINTY", "Certainty of the finding")
REGION = own("REGION", "Region of the brain")
HINT = own("HINT", "What it may be, by its contrast")
HINT_EVIDENCE = own("HINTEVIDENCE", "Reasons for the hint")
CATEGORY = own("CATEGORY", "Reader's category")
KNOWN_BEFORE = own("KNOWNBEFORE", "Known before this reading")
DECISION = own("DECISION", "Reader's decision")
ANY_FINDING = own("ANYFINDING", "Suspected anomalies")

DECISIONS = {
    "": own("UNDECIDED", "no decision yet"),
    "accepted": own("ACCEPTED", "accepted"),
}
"""The reader's decisions; rejected findings are not written."""
HINTS = {
    INFARCT_LIKE: own("INFARCT", INFARCT_LIKE),
    WMH_LIKE: own("WMH", WMH_LIKE),
    OTHER_ANOMALY: own("OTHER", OTHER_ANOMALY),
    EDGE: own("EDGE", EDGE),
    UNKNOWN: own("UNKNOWN", UNKNOWN),
}

_LATERALITY = {"left": Code("7771000", "SCT", "Left"), "right": Code("24028007", "SCT", "Right")}
_MIDLINE = Code("261129000", "SCT", "Midline")
_THIRDS = {
    "anterior": Code("255549009", "SCT", "Anterior"),
    "posterior": Code("255551008", "SCT", "Posterior"),
    "superior": Code("264217000", "SCT", "Superior"),
    "inferior": Code("261089000", "SCT", "Inferior"),
}


_TISSUE, _ANATOMY = Code("85756007", "SCT", "Tissue"), Code("91723000", "SCT", "Anatomical Structure")
_SPATIAL = Code("309825002", "SCT", "Spatial and Relational Concept")
_INFARCT = (MORPHOLOGY, Code("55641003", "SCT", "Infarct"))
_KINDS = {
    0: (MORPHOLOGY, LESION),
    1: (MORPHOLOGY, Code("110702", "DCM", "White Matter T2 Hyperintensity")),
    2: (_TISSUE, Code("17621005", "SCT", "Normal")),
    3: _INFARCT,
    4: _INFARCT,
    5: (_SPATIAL, Code("111207", "DCM", "Image artifact(s)")),
    6: (_ANATOMY, Code("59820001", "SCT", "Blood Vessel")),
    7: (MORPHOLOGY, Code("18115005", "SCT", "Pathologic calcification")),
    8: (_TISSUE, Code("3138006", "SCT", "Bone")),
}
"""Category and type of a segmented property (PS3.16, CID 7150 and 7151) for each category of `detection.reviewed_findings`;
0: the reader has given none."""

_KNOWN = {3: Code("373066001", "SCT", "Yes"), 4: Code("373067005", "SCT", "No")}
"""Categories that say whether an infarct was known before, which their SNOMED code cannot express."""


def segmented_property(finding: ReviewedFinding) -> tuple[Code, Code]:
    """Category and type of the segmented property: those of a lesion, unless the reader's category differs."""
    return _KINDS.get(finding.category, _KINDS[0])


def reader_category(finding: ReviewedFinding) -> Code | None:
    """The reader's category; None where the finding is unreviewed."""
    return _KINDS[finding.category][1] if finding.category else None


def known_before(finding: ReviewedFinding) -> Code | None:
    """Whether the infarct was known (a yes or no code); None for other categories."""
    return _KNOWN.get(finding.category)


def laterality(finding: ReviewedFinding) -> Code | None:
    """Left or right; None in the midline."""
    return _LATERALITY.get(finding.side)


def region_modifiers(finding: ReviewedFinding) -> list[Code]:
    """Modifiers of the anatomic region: side and thirds of the brain; of an outline drawn by hand the side alone."""
    side = _LATERALITY.get(finding.side, _MIDLINE if finding.side == "midline" else None)
    words = [] if finding.by_hand else finding.region.split(",")[0].split()
    return [code for code in (side, *map(_THIRDS.get, words)) if code is not None]
