"""Remarks for the reader about how a result was made."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..reporting.extras import MissingExtra
from ..scene.result import Result, provenance_of
from ..scene.result_nodes import t1_moved_mm

WORTH_SAYING = 0.005  # least share of the brain without T1 that is mentioned
MOVED_MM = 1.0  # least distance of a T1 from where it was analysed that is mentioned, mm
MOVED = (
    "T1 and FLAIR were moved apart since they were analysed, so what lies under the outlines in the T1 is other tissue: "
    "put it back, or detect anomalies again."
)


def remarks(result: Result) -> list[str]:
    """Sentences about registration, missing outputs, image quality and lack of memory; empty for most scans."""
    provenance, sentences = provenance_of(result), []
    alignment = provenance.get("alignment", {})
    if alignment.get("registered"):
        moved = _(
            "T1 and FLAIR did not line up: for the detection the T1 was moved by {shift:.1f} mm and turned by "
            "{turn:.1f} degrees."
        ).format(shift=alignment["shift_mm"], turn=alignment["rotation_deg"])
        # Scenes of earlier versions have no copy of the T1 where it was moved to.
        shown = (
            _("It is shown at the new position.")
            if result.aligned_t1 is not None
            else _("The T1 is shown at its original position.")
        )
        sentences.append(f"{moved} {shown}")
    if t1_moved_mm(result) > MOVED_MM:
        sentences.append(_(MOVED))
    missing = provenance.get("brain_without_t1", 0.0)
    if missing >= WORTH_SAYING:
        sentences.append(
            _("The T1 does not reach {share:.0f} % of the brain, and that part was not searched.").format(
                share=100 * missing
            )
        )
    doubts = [warning["sentence"] for warning in provenance.get("quality", [])]
    # Scenes of earlier versions.
    doubts += provenance.get("brain_mask_doubts", [])
    others = provenance.get("device_fallbacks", [])
    others += [MissingExtra.of(one).sentence for one in provenance.get("missing", [])]
    # Doubts about the whole result come first.
    return [f"{doubt}." for doubt in doubts] + sentences + [f"{sentence}." for sentence in others]
