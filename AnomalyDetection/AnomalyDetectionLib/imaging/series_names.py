"""What a series or a volume is, by what it is called: names from scanners, archives and BIDS, in many languages."""

from __future__ import annotations

import re
from typing import Literal

#: What this program's own results are called, for those that lost their attributes (exported, and loaded again).
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
_LOCALISER = {
    *(
        "loc",
        "localizer",
        "localiser",
        "localisateur",
        "scout",
        "survey",
        "aascout",
        "aahscout",
        "3plane",
        "plane",
    ),
    *("cal", "calibration", "lokalizer", "repérage", "reperage", "übersicht", "localizador"),
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
    *_LOCALISER,
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
    if is_no_scan(name):
        return None
    name = _SERIES_NUMBER.sub("", name)
    words = words_of(name)
    before = _BROUGHT_TO.split(f" {name} ", maxsplit=1)[0]
    return _kind(words_of(before)) or _kind(words)


def is_enhanced(name: str) -> bool:
    """Whether a name says that contrast medium was given."""
    if _PLUS_C.search(name):
        return True
    rest = _PLAIN.sub(" ", _SERIES_NUMBER.sub("", name).replace("_", " "))
    return bool(_ENHANCED & words_of(rest))


def other_contrast(name: str) -> str | None:
    """The contrast other than T1 and FLAIR that a name speaks of, such as "T2"; None if it is no such name."""
    if kind_of_name(name) is not None:
        return None
    found = _OTHER_CONTRAST & words_of(_SERIES_NUMBER.sub("", name))
    return sorted(found)[0].upper() if found else None


def is_reformatted(name: str) -> bool:
    """Whether a name speaks of a reformat ("t1_mpr_range_tra"); "MPR" also is short for MPRAGE."""
    return bool({"mpr", "range", "reformat", "reformatted", "ref", "mpv"} & words_of(name))


def is_localiser(name: str) -> bool:
    """Whether a name speaks of a localiser or another scan that only prepares the others."""
    return bool(_LOCALISER & words_of(name))


def is_no_scan(name: str) -> bool:
    """Whether a name speaks of something made from a scan (a map, a mask, a subtraction) or of no head."""
    # "sub-01" is a BIDS subject, no subtraction.
    name = re.sub(r"^\s*sub-", "", _SERIES_NUMBER.sub("", name))
    return bool(_NO_SCAN & words_of(name))


def rest_of(name: str) -> frozenset[str]:
    """The words of a name that do not tell the contrast."""
    return frozenset(words_of(name) - _T1 - _FLAIR - _OTHER_CONTRAST - _ENHANCED)


def _kind(words: set[str]) -> Literal["t1", "flair"] | None:
    if _T1 & words - _WEAK_T1:
        return "t1"
    if _FLAIR & words or {"dark", "fluid"} <= words or {"da", "fl"} <= words:
        return "flair"
    if _OTHER_CONTRAST & words:
        return None
    return "t1" if _WEAK_T1 & words and "3d" in words | {word[:2] for word in words} else None


def words_of(name: str) -> set[str]:
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
