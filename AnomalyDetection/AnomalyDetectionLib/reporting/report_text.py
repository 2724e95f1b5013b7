"""The text of a report: the result, the patient, and the provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..detection.findings import Findings, least_size
from ..detection.hints import HINTS
from ..detection.reviewed_findings import CATEGORIES, ReviewedFinding
from ..dicom.patient import NOBODY, PatientHeader
from ..files.text import counted
from ..model.false_positive_curve import FalsePositiveCurve, in_words
from .html_page import with_units
from .report_pictures import in_letters

SEXES = {"F": "female", "M": "male", "O": "other"}


def result_in_words(
    reviewed: Sequence[ReviewedFinding],
    findings: Findings,
    curve: FalsePositiveCurve | None,
    brain_ml: float,
    stride: int,
) -> str:
    """What was found, and the findings of a normal scan, as one paragraph in which **words** are strong.

    Args:
        reviewed: the findings to report.
        findings: gives the settings that they were derived with.
        brain_ml: volume of the brain that was searched.
        stride: of the scores, in voxels.
    """
    sentences = [_found(reviewed, findings, brain_ml, least_size(findings.min_patches, stride))]
    if reviewed:
        sentences += [_largest(reviewed), _by_hint(reviewed)]
    return " ".join([*sentences, *_expected_findings(curve, findings)])


def review_in_words(reviewed: Sequence[ReviewedFinding], brain_ml: float) -> str:
    """The reader's review as one paragraph in which **words** are strong; "" if nothing was reviewed."""
    judged = [finding for finding in reviewed if finding.decision or finding.category]
    if not judged:
        return ""
    count = "all" if len(judged) == len(reviewed) else f"{len(judged)} of {len(reviewed)}"
    accepted, rejected = (
        [finding for finding in reviewed if finding.decision == decision]
        for decision in ("accepted", "rejected")
    )
    decisions = []
    if accepted:
        share = f"{_ml(accepted)}, {_share(accepted, brain_ml)} of the brain"
        decisions.append(f"**{len(accepted)} accepted** ({share})")
    if rejected:
        decisions.append(f"**{len(rejected)} rejected** ({_ml(rejected)})")
    decided = f": {', '.join(decisions)}" if decisions else ""
    groups = [
        (name, [finding for finding in reviewed if finding.category == number])
        for number, name in enumerate(CATEGORIES, start=1)
    ]
    by_category = "; ".join(f"{len(group)} {name} ({_ml(group)})" for name, group in groups if group)
    return f"A reader has reviewed {count}{decided}.{f' By category: {by_category}.' if by_category else ''}"


def _found(reviewed: Sequence[ReviewedFinding], findings: Findings, brain_ml: float, least: str) -> str:
    rule = f"(score above {findings.threshold:g}, {least})"
    if not reviewed:
        return f"**No suspected anomaly** in {brain_ml:,.0f} ml of brain {rule}."
    added = sum(finding.added for finding in reviewed)
    rule += f", {added} of them added by the reader" if added else ""
    return (
        f"**{counted(len(reviewed), 'suspected anomaly', 'suspected anomalies')}** {rule}, {'together ' if len(reviewed) > 1 else ''}"
        f"**{_ml(reviewed)}**: **{_share(reviewed, brain_ml)}** of the {brain_ml:,.0f} ml of brain."
    )


def _largest(reviewed: Sequence[ReviewedFinding]) -> str:
    largest = max(reviewed, key=lambda finding: finding.volume_ml)
    return f"The largest is number {largest.number} with {largest.volume_ml:.2f} ml: {place(largest)}."


def _by_hint(reviewed: Sequence[ReviewedFinding]) -> str:
    groups = [(hint, [finding for finding in reviewed if finding.hint == hint]) for hint in HINTS]
    return f"By hint: {', '.join(f'{len(group)} {hint} ({_ml(group)})' for hint, group in groups if group)}."


def _expected_findings(curve: FalsePositiveCurve | None, findings: Findings) -> Iterator[str]:
    """The findings of a normal scan at this threshold; nothing if the model does not know."""
    if curve is None or curve.min_patches != findings.min_patches:
        return
    rate, basis = curve.rate(findings.threshold), f"counted on {counted(curve.scans, 'normal scan')}"
    if rate >= curve.most:
        bound = "more than"
    elif rate <= curve.least:
        bound = "at most about"
    else:
        bound = "about"
        low, high = map(in_words, curve.interval(findings.threshold))
        basis = f"95 % interval {low} to {high}, {basis}"
    yield (
        f"With this threshold a normal scan has {bound} **{in_words(rate)}** findings besides white matter "
        f"hyperintensities ({basis})."
    )


def place(finding: ReviewedFinding) -> str:
    """Side and region of a finding, as text."""
    side = "at the midline" if finding.side == "midline" else finding.side
    return ", ".join(part for part in (side, finding.region) if part)


def about(rate: float) -> str:
    """A number of findings per normal scan as text: "about 0.9", "about 12", "under 0.01"."""
    return in_words(rate) if rate < 0.01 else f"about {in_words(rate) if rate >= 0.95 else f'{rate:.1g}'}"


def centre(finding: ReviewedFinding) -> str:
    """The centroid with direction letters: "L 25, A 25, S 39"."""
    pairs = zip(finding.centroid_ras, ("RL", "AP", "SI"), strict=True)
    return ", ".join(in_letters(mm, letters) for mm, letters in pairs)


def patient_rows(patient: PatientHeader | None) -> list[tuple[str, str]]:
    """The rows about patient and study that the images identify."""
    who = NOBODY if patient is None else patient
    rows = (
        ("Patient", who.name),
        ("Patient ID", who.patient_id),
        ("Born", who.birth_date),
        ("Sex", SEXES.get(who.sex, who.sex)),
        ("Study date", who.study_date),
        ("Study", who.study_description),
        ("Accession number", who.accession),
    )
    return [(name, value) for name, value in rows if value]


def image_rows(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows with the names of the images, if the record has them."""
    blocks = [(name, _block(record, "inputs", key)) for name, key in (("T1", "t1"), ("FLAIR", "flair"))]
    rows = [(name, b.get("volume") or b.get("description") or b.get("path")) for name, b in blocks]
    return [(name, str(text)) for name, text in rows if text]


def provenance_rows(record: Mapping[str, Any], findings: Findings) -> list[tuple[str, str]]:
    """The rows about settings, model, versions, device, inputs, alignment and durations that the record has.

    `record`: from `provenance.provenance`, or of a result in a scene; parts may be missing. `findings`: give the
    threshold and the minimum size, which may have changed since the run.
    """
    stride = _block(record, "settings", "scoring").get("stride") or 4
    versions = (f"{name} {value}" for name, value in _block(record, "versions").items() if value)
    rows = [
        ("Model", _model(record)),
        ("Findings", f"score above {findings.threshold:g}, {least_size(findings.min_patches, stride)}"),
        ("Scores", _scoring(_block(record, "settings"))),
        ("Preparation", with_units(_preparation(_block(record, "settings", "preparation")))),
        *((name, _input(_block(record, "inputs", key))) for name, key in _INPUTS),
        ("Brain", with_units(_brain(record))),
        ("Alignment", with_units(_alignment(_block(record, "alignment")))),
        ("Computed on", str(record.get("device", ""))),
        ("Versions", ", ".join(versions)),
        ("Finished", str(_block(record, "run").get("finished_utc", "")).replace("T", " ")),
        ("Times", with_units(_times(_block(record, "run", "seconds")))),
    ]
    return [(name, value) for name, value in rows if value]


_COMPARED = {
    "training": "the patches of the normal scans it was trained on",
    "tissue": "patches of the same tissue in the normal scans it was trained on",
    "scan": "the other patches of this scan",
}

_INPUTS = (("T1", "t1"), ("FLAIR", "flair"), ("Brain mask", "brain_mask"))


def _block(record: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """A nested block of a record; empty if it is missing."""
    value: Any = record
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _model(record: Mapping[str, Any]) -> str:
    model = _block(record, "model")
    digest = f", SHA256 {model['sha256']}" if model.get("sha256") else ""
    return f"{model['name']}{digest}" if model.get("name") else ""


def _scoring(settings: Mapping[str, Any]) -> str:
    if settings.get("scores_are_probabilities"):
        return "of a candidate, the probability of an anomaly; white matter hyperintensities count for less"
    scoring, parts = _block(settings, "scoring"), []
    if "stride" in scoring:
        parts.append(f"a patch every {scoring['stride']} voxels")
    if "percentile" in scoring:
        parts.append(f"percentile {scoring['percentile']:g}")
    if "statistics" in scoring:
        parts.append(f"compared with {_COMPARED.get(str(scoring['statistics']), scoring['statistics'])}")
    return ", ".join(parts)


def _preparation(settings: Mapping[str, Any]) -> str:
    parts = []
    if "in_plane_mm" in settings and "slice_mm" in settings:
        mm = f"{settings['in_plane_mm']:g}"
        parts.append(
            f"brought to {mm} x {mm} mm in the slice and about {settings['slice_mm']:g} mm between slices"
        )
    if "bias_correction" in settings:
        parts.append(f"bias field {'corrected (N4)' if settings['bias_correction'] else 'not corrected'}")
    return ", ".join(parts)


def _input(block: Mapping[str, Any]) -> str:
    grid = block.get("grid")
    parts = [str(block.get("volume") or block.get("path") or block.get("description") or "")]
    if isinstance(grid, Mapping):
        size = " x ".join(str(n) for n in grid.get("size", ()))
        spacing = " x ".join(f"{float(mm):.2f}" for mm in grid.get("spacing_mm", ()))
        parts.append(with_units(f"{size} voxels of {spacing} mm"))
    parts += [f"SHA256 {block['sha256']}" if block.get("sha256") else "", str(block.get("chosen") or "")]
    return ", ".join(part for part in parts if part)


def _brain(record: Mapping[str, Any]) -> str:
    how = {"given": "mask given", "deepbet": "found by deepbet"}
    mask = _block(record, "settings").get("brain_mask")
    parts = [how.get(str(mask), "")]
    if "brain_ml" in record:
        parts.append(f"{float(record['brain_ml']):,.0f} ml")
    if "patches_scored" in record:
        parts.append(f"{int(record['patches_scored']):,} patches scored")
    return ", ".join(part for part in parts if part)


def _alignment(alignment: Mapping[str, Any]) -> str:
    if not alignment:
        return ""
    if not alignment.get("registered"):
        return "T1 and FLAIR as their headers say"
    mm, degrees = float(alignment["shift_mm"]), float(alignment["rotation_deg"])
    return f"T1 registered rigidly to the FLAIR: moved by {mm:.1f} mm, turned by {degrees:.1f} degrees"


def _times(seconds: Mapping[str, Any]) -> str:
    if not seconds:
        return ""
    total = sum(float(value) for value in seconds.values())
    stages = ", ".join(f"{stage} {float(value):.1f}" for stage, value in seconds.items())
    return f"{total:.1f} s ({stages})"


def _ml(group: Sequence[ReviewedFinding]) -> str:
    total = sum(finding.volume_ml for finding in group)
    return f"{total:.1f} ml" if total >= 1 else f"{total:.2f} ml"


def _share(group: Sequence[ReviewedFinding], brain_ml: float) -> str:
    if brain_ml <= 0:
        return "an unknown share"
    percent = 100 * sum(finding.volume_ml for finding in group) / brain_ml
    return "under 0.01 %" if percent < 0.01 else f"{percent:.2f} %" if percent < 0.995 else f"{percent:.1f} %"
