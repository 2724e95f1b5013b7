"""Short labels for the table and the buttons, and the full texts for tool tips."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..detection.detection_settings import setting_of
from ..detection.hints import EDGE, INFARCT_LIKE, OTHER_ANOMALY, UNKNOWN, WMH_LIKE
from ..model.false_positive_curve import in_words
from ..scene.findings_table import ADDED, CHANGED, DELETED, FindingRow

DECISIONS = {"": "", "accepted": "✓", "rejected": "✗"}

HINT_SHORT = {
    INFARCT_LIKE: "● infarct",
    WMH_LIKE: "○ WMH",
    OTHER_ANOMALY: "◆ other",
    EDGE: "▫ normal",
    UNKNOWN: "◇ unknown",
}
"""Short names of the hints for buttons; the table has the symbols alone."""

SHORT = ("", "WMH", "normal", "infarct, known", "infarct, new", "artefact", "vessel", "calcification", "bone")
"""Short names of the categories; the tool tips have the full names."""

EDITED = {"": "", CHANGED: "✎", DELETED: "✎", ADDED: "✚"}

_SHORTER = (
    ("anterior", "ant."),
    ("posterior", "post."),
    ("superior", "sup."),
    ("inferior", "inf."),
    ("white matter", "WM"),
    ("periventricular", "periv."),
)


def about_setting(name: str, *, of_paper: bool = True) -> str:
    """The tool tip of a setting of `DetectionSettings`: its help, and the paper's value where that applies."""
    setting = setting_of(name)
    help = _(setting.help)
    if setting.kind is bool:
        return _("Off: {effect}").format(effect=help[:1].lower() + help[1:])
    if of_paper and setting.in_paper:
        return _("{help} The paper uses {value}.").format(help=help, value=setting.in_paper)
    return help


def short_region(row: FindingRow) -> str:
    """Side and region, abbreviated, with the tissue first: "L cortex, ant. sup."."""
    where, _comma, part = row.region.partition(", ")
    region = f"{part}, {where}" if part else where
    for long, short in _SHORTER:
        region = region.replace(long, short)
    return f"{row.side[:1].upper()} {region}"


def about_finding(row: FindingRow) -> str:
    """The tool tip of a row, with everything that the table leaves out."""
    lines = [
        _("{number}: {side}, {region}").format(number=row.number, side=_(row.side), region=row.region),
        _("{volume:.2f} ml").format(volume=row.volume_ml),
        _("peak score {peak:.2f}, mean {mean:.2f}").format(peak=row.peak_score, mean=row.mean_score),
        about_rate(row.per_normal_scan),
        hint_in_words(row),
    ]
    return "\n".join(line for line in (*lines, about_edit(row)) if line)


def about_rate(rate: float | None) -> str:
    """The number of findings per normal scan, as a sentence."""
    if rate is None:
        return ""
    about = in_words(rate) if rate < 0.01 else _("about {rate}").format(rate=in_words(rate))
    return _(
        "A normal scan has {about} findings that are as unusual or more, besides white matter hyperintensities."
    ).format(about=about)


def about_edit(row: FindingRow) -> str:
    """The reader's edit of the outline, as a sentence."""
    return {
        "": "",
        CHANGED: _("Outline corrected by hand: the threshold does not change it."),
        DELETED: _("Deleted by hand: it stays deleted at every threshold."),
        ADDED: _("Added by the reader, not by the detection."),
    }[row.edited]


def hint_in_words(row: FindingRow) -> str:
    """The hint with its evidence."""
    return f"{_(row.hint)}: {row.hint_evidence}" if row.hint_evidence else _(row.hint)
