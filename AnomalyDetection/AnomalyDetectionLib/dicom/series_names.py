"""Recognise a series or a volume by its name: names from scanners, archives and BIDS, in many languages."""

from __future__ import annotations

import re
from typing import Literal

#: Names of this program's own results, for those that lost their attributes (exported, and loaded again).
_OUR_NAMES = re.compile(
    r"^(anomaly[ _]score|suspected[ _]anomal|findings\b|prepared[ _]|patch[ _]scores?\b)", re.IGNORECASE
)

_FLAIR = {"flair", "tirm", "darkfluid", "dafl", "darkfl", "df", "flairs", "brainviewflair"}
_T1 = {
    *("t1", "t1w", "t1wi", "t1tfe", "t1ffe", "t1se", "t1tse", "t1fse", "t1mpr", "t1mprage", "t1space"),
    *("st1w", "t1weighted", "t1vibe", "t1gre", "t1flair", "t1fl", "t1w3d", "t1n", "t1c", "t1ce", "t1gd"),
    *("t1post", "mprage", "mpr", "mp2rage", "mpra", "memprage", "bravo", "fspgr", "spgr", "irspgr"),
    *("irfspgr", "efgre3d", "tfl3d", "tfl", "turboflash", "vibe", "3dt1", "3dtfe", "3dt1w", "3dt1tfe"),
    *("t13d", "t1irtfe", "mprrage"),
}
#: Names of fast gradient-echo T1s that other contrasts also have; they count only if nothing else is named.
_WEAK_T1 = {"tfe", "thrive", "lava", "mpr"}
_OTHER_CONTRAST = {
    *("t2", "t2w", "t2wi", "t2star", "pd", "pdw", "dwi", "dti", "adc", "trace", "swi", "swan", "bold"),
    *("fmri", "tof", "mra", "mrv", "asl", "cbf", "cbv", "mtt", "ttp", "perf", "perfusion", "dsc", "dce"),
    *("stir", "ciss", "fiesta", "drive", "gre", "hemo", "epi", "fa", "qsm", "phase", "b1000", "b0"),
}
_LOCALISER = {
    *("loc", "localizer", "localiser", "localisateur", "scout", "survey", "aascout", "aahscout", "3plane"),
    *("plane", "cal", "calibration", "lokalizer", "repérage", "reperage", "übersicht", "localizador"),
}
#: Images made from a scan, and scans of other parts of the body.
_NO_SCAN = {
    *("seg", "segmentation", "label", "labels", "labelmap", "mask", "brainmask", "wmh", "lesion", "lesions"),
    *("truth", "gt", "dlmuse", "aseg", "aparc", "prob", "probability", "score", "scores", "anomaly"),
    *("map", "maps", "mapping", "t1map", "t2map", "rho", "t1rho", "inv1", "inv2", "sub", "subtraction"),
    *("phoenixzipreport", "screen", "screenshot", "fusion", "fused", "report", "spine", "lspine", "cspine"),
    *(
        "bias",
        "field",
        "warp",
        "distance",
        "atlas",
        "template",
        "mip",
        "wmhs",
        "jacobian",
        "anomalies",
        "diff",
    ),
    *_LOCALISER,
}
_AGENTS = (
    r"gd(?:dtpa|dota|bopta)?|gad\w*|gbca|dotarem|magnevist|prohance|omniscan|multihance|clariscan|elucirem|vueway"
    r"|ablavar|primovist|eovist|cyclolux|dota(?:gita|graf)"
)
_PULSES = r"(?:t1w?|flair|mprage|vibe|bravo)"
#: Words that say that contrast medium was given; "c" and "con" do so only when joined to another word.
_MEDIUM = re.compile(
    rf"{_PULSES}?(?:post)?(?:{_AGENTS}|km|ce|cm|mdc|pc|cont|civ|enh|enhanced|enhancement|contrast\w*|kontrast\w*|контраст\w*)"
    rf"|{_PULSES}?post(?:inj\w*)?|(?:{_PULSES}|post|{_PULSES}post)(?:c|con)|ce(?:t1w?|mprage)",
)
_PLAIN = re.compile(
    r"(?:\b(?:pre|non|no|without|w/?o|wo|ohne|nativ(?:e)?|sans|sin|sem|senza|zonder|utan|uden|uten|bez|без|vor|before"
    r"|avant|un)[\W_]*|(?<=\s)[-\N{EN DASH}\N{MINUS SIGN}])"
    rf"(?:{_AGENTS}|ce|c|km|con|kontrast\w*|contrast\w*|контраст\w*|mdc|iv|cm|enh\w*|injection)?(?=$|[\W_])",
    re.IGNORECASE,
)
_PLUS_C = re.compile(
    rf"(?:\+\s?(?:c|con|{_AGENTS}|km|ce|mdc|contrast)|\bc\+)(?![a-z])|\bt1w?\s?\+\s*$|\bw/?\s?con\b"
    r"|(?<!非)(?:增强|增強|造影)(?!前)",
    re.IGNORECASE,
)

#: Separators of words; Chinese and Japanese characters follow Latin ones without a space.
_BETWEEN = r"[\W_\u2e80-\u9fff]+"

_SIDES = r"[aprlsihf](?:\s|[^\w\s]){0,2}[aprlsihf]\b"
_TIME = r"\d+\s?(?:days?|tage?|w|wks?|weeks?|wochen?|mo|mos|mths?|months?|monate?|y|yrs?|years?|jahre?)\b"
#: What comes before or after something other than contrast medium, and other things that are called posterior.
_EVENT = (
    rf"(?:op\b|ops\b|oper\w*|surg\w*|chirurg\w*|rese[ck]\w*|crani\w*|treat\w*|tx\b|rx\b|xrt\b|ther\w*"
    r"|radi(?:ation|o)\w*|irrad\w*|bestrahl\w*|chemo\w*|stroke|infar[ck]\w*|isch\w*|ictal|seizure\w*"
    r"|trauma\w*|tbi\b|concuss\w*|proc\w*|biops\w*|bx\b|shunt\w*|evd\b|etv\b|embol\w*|thromb\w*"
    r"|t[pn][ak]\b|lys[ei]\w*|mortem|part[ua]\w*|natal|interv\w*|rehab\w*|train\w*|exerc\w*"
    r"|arrest|covid\w*|transpl\w*|implant\w*|evac\w*|drain\w*|fos\w*|circ\w*|horn|limb|commis\w*"
    rf"|{_TIME})"
)
#: Phrases that mean something other than their words, and the joined form of those that are often spelt apart.
_PHRASES = [
    (re.compile(pattern, re.IGNORECASE), meant)
    for pattern, meant in (
        (r"\bmp\W*rage", "mprage"),
        (r"\bmp\W*2\W*rage", "mp2rage"),
        (r"\bme\W*mp\W*rage", "memprage"),
        (r"\bturbo\W*flash", "turboflash"),
        (r"\bfluid\W*attenuat\w*(?:\W*inversion\W*recovery)?", "flair"),
        (r"\bt[- ]([12])(?=w|\b)", r"t\1"),
        (rf"(?<![a-z])(?:pre|post|intra|peri)\W*{_EVENT}", " "),
        # Without a hyphen these announce what is to follow, with contrast medium.
        (r"(?<![a-z])post-?(?:rt|srs|gk|gamma\w*|dbs|coil\w*|clip\w*|stent\w*|lp|ect|tms)\b", " "),
        (rf"\b{_TIME}\W*post\b|\bant(?:erior)?\W*post\b|\bpost\W*ant(?:erior)?\b", " "),
        (r"\b\d+\s?cm\b", " "),
        (r"\bphase\W*contrast\b", " phase "),
        (r"\b(?:high|low|best|good|tissue|gr[ae]y)\W*contrast\b", " "),
        (r"\b(?:no|non|anti|without|w/?o)\W*phase\W*wrap\w*", " "),
        (
            rf"\bphase\W*(?:over\w*|os\b|wrap\w*|fov|enc\w*|dir\w*|res\w*|swap\w*|samp\w*|steps?\b|\d|i+\b|{_SIDES})",
            " ",
        ),
        (
            r"\b(?:swap\w*|freq\w*|in|arterial|venous|delayed|early|late)\W*(?:and\W*)?phase\b|\bmulti\W*phase\b",
            " ",
        ),
        (r"\bphased\b", " "),
        (r"\b(?:in|through|ax\w*|sag\w*|cor\w*|tra\w*|obl\w*)\W*planes?\b", " "),
        (r"\bfield\W*of\W*view\b|\b(?:high|low|full|large|small|wide)\W*field\b", " "),
    )
]

#: These words are followed by the space that an image was resampled to: "FLAIR in T1 space" is a FLAIR.
_BROUGHT_TO = re.compile(
    r"(?<=[\W_])(?:to|in|on|onto|into|reg|registered|coreg|coregistered|aligned|resampled|2)(?=[\W_])",
    re.IGNORECASE,
)
#: A T1 or T2 that is joined to what follows.
_RUN_TOGETHER = re.compile(
    r"s?3?d?(t1w?|t2w?)(?=\d?d?(?:tse|tfe|ffe|se|fse|flair|spc|post|gad|gd|km|fs|ax|sag|cor|tra|$))"
)
_SERIES_NUMBER = re.compile(r"^\s*(?:series\s*)?\d+\s*:\s*", re.IGNORECASE)


def kind_of_name(name: str) -> Literal["t1", "flair"] | None:
    """The most likely kind of a volume with this name.

    A T1 FLAIR is a T1. A T2 that is not called FLAIR, dark fluid or TIRM is neither, nor are parameter maps,
    label maps, localisers, and the like.
    """
    if _OUR_NAMES.match(name.strip()) or is_no_scan(name):
        return None
    name = _SERIES_NUMBER.sub("", name)
    words = words_of(name)
    if {"phase", "pha"} & words:
        return None
    before = _BROUGHT_TO.split(f" {name} ", maxsplit=1)[0]
    return _kind(words_of(before)) or _kind(words)


def is_enhanced(name: str) -> bool:
    """Whether a name says that contrast medium was given."""
    name = _as_meant(_SERIES_NUMBER.sub("", name))
    return bool(_PLUS_C.search(name)) or any(map(_MEDIUM.fullmatch, words_of(_PLAIN.sub(" ", name))))


def other_contrast(name: str) -> str | None:
    """The contrast other than T1 and FLAIR that a name mentions, such as "T2"; None if there is none."""
    if kind_of_name(name) is not None:
        return None
    found = _OTHER_CONTRAST & words_of(_SERIES_NUMBER.sub("", name))
    return sorted(found)[0].upper() if found else None


def is_reformatted(name: str) -> bool:
    """Whether a name indicates a reformat ("t1_mpr_range_tra"); "MPR" is short for MPRAGE, too."""
    return bool({"mpr", "range", "reformat", "reformatted", "ref", "mpv"} & words_of(name))


def is_localiser(name: str) -> bool:
    """Whether a name indicates a localiser or another preparatory scan."""
    return bool(_LOCALISER & words_of(name))


def is_no_scan(name: str) -> bool:
    """Whether a name indicates something made from a scan (a map, a mask, a subtraction), or another part of the body."""
    # "sub-01" is a BIDS subject, not a subtraction.
    name = re.sub(r"^\s*sub-", "", _SERIES_NUMBER.sub("", name))
    return bool(_NO_SCAN & words_of(name))


def rest_of(name: str) -> frozenset[str]:
    """The words of a name that do not indicate the contrast."""
    rest = words_of(name) - _T1 - _FLAIR - _OTHER_CONTRAST
    return frozenset(word for word in rest if not _MEDIUM.fullmatch(word))


def _kind(words: set[str]) -> Literal["t1", "flair"] | None:
    if _T1 & words - _WEAK_T1:
        return "t1"
    if _FLAIR & words or {"dark", "fluid"} <= words or {"da", "fl"} <= words:
        return "flair"
    if _OTHER_CONTRAST & words:
        return None
    return "t1" if _WEAK_T1 & words and "3d" in words | {word[:2] for word in words} else None


def words_of(name: str) -> set[str]:
    """The words of a name in lower case, including words that are run together ("T2FLAIR", "FLAIRSag").

    Phrases whose words mean something else, such as "post op" and "no phase wrap", are left out.
    """
    name = _as_meant(name)
    words = {word for text in (name, _spaced(name)) for word in re.split(_BETWEEN, text.lower()) if word}
    pieces = set(words)
    for word in words:
        pieces |= {word[: -len("space")], "space"} if word.endswith("space") and word != "space" else set()
        pieces |= set(re.findall(r"flair|mprage|t1w?(?=flair|mprage|tfe)|tirm|mp2rage|bravo|darkfluid", word))
        if match := _RUN_TOGETHER.match(word):
            pieces.add(match[1])
    return pieces


def _spaced(name: str) -> str:
    """Separate words that only capitals divide: "SagFlair"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", name)


def _as_meant(name: str) -> str:
    """Remove phrases whose words mean something else, and join those that are spelt apart."""
    name = name.replace("_", " ")
    for pattern, meant in _PHRASES:
        apart = _spaced(name)
        name = pattern.sub(meant, apart) if pattern.search(apart) else pattern.sub(meant, name)
    return name
