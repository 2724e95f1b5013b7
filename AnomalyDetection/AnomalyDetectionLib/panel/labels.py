"""What the table and the buttons say where there is little room, and the whole words beside them."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..detection.hints import EDGE, INFARCT_LIKE, OTHER_ANOMALY, UNKNOWN, WMH_LIKE
from ..model.rates import in_words
from ..scene.findings_table import ADDED, CHANGED, DELETED, FindingRow

DECISIONS = {"": "", "accepted": "✓", "rejected": "✗"}

HINT_SHORT = {
    INFARCT_LIKE: "● infarct",
    WMH_LIKE: "○ WMH",
    OTHER_ANOMALY: "◆ other",
    EDGE: "▫ normal",
    UNKNOWN: "◇ unknown",
}
"""The hints on their buttons; the table has the symbols alone, which are what is seen at a glance."""

SHORT = ("", "WMH", "normal", "infarct, known", "infarct, new", "artefact", "vessel", "calcification", "bone")
"""The categories; the tooltips have the whole words."""

EDITED = {"": "", CHANGED: "✎", DELETED: "✎", ADDED: "✚"}

_SHORTER = (
    ("anterior", "ant."),
    ("posterior", "post."),
    ("superior", "sup."),
    ("inferior", "inf."),
    ("white matter", "WM"),
    ("periventricular", "periv."),
)


def short_region(row: FindingRow) -> str:
    """Side and region in as few letters as are still read at once, the tissue first: "L cortex, ant. sup."."""
    where, _comma, part = row.region.partition(", ")
    region = f"{part}, {where}" if part else where
    for long, short in _SHORTER:
        region = region.replace(long, short)
    return f"{row.side[:1].upper()} {region}"


def about_finding(row: FindingRow) -> str:
    """All that the table leaves out, as the tooltip of its row."""
    lines = [
        _("{number}: {side}, {region}").format(number=row.number, side=_(row.side), region=row.region),
        _("{volume:.2f} ml").format(volume=row.volume_ml),
        _("peak score {peak:.2f}, mean {mean:.2f}").format(peak=row.peak_score, mean=row.mean_score),
        about_rate(row.per_normal_scan),
        hint_in_words(row),
    ]
    return "\n".join(line for line in (*lines, about_edit(row)) if line)


def about_rate(rate: float | None) -> str:
    """What the number in the column says."""
    if rate is None:
        return ""
    about = in_words(rate) if rate < 0.01 else _("about {rate}").format(rate=in_words(rate))
    return _(
        "A normal scan has {about} findings like this one, or more unusual, besides white matter hyperintensities."
    ).format(about=about)


def about_edit(row: FindingRow) -> str:
    """What the reader has done to the outline."""
    return {
        "": "",
        CHANGED: _("Outline corrected by hand: the threshold leaves it alone."),
        DELETED: _("Deleted by hand: it stays so at every threshold."),
        ADDED: _("Added by the reader, not by the detection."),
    }[row.edited]


def hint_in_words(row: FindingRow) -> str:
    """The hint with its evidence."""
    return f"{_(row.hint)}: {row.hint_evidence}" if row.hint_evidence else _(row.hint)
