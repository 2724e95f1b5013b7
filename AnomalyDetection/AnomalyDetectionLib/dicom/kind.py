"""Classify the contrast of an MR series by its acquisition parameters; its name is secondary evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .sequence import MrSequence, part_of
from .series_names import is_enhanced, is_localiser, is_no_scan, is_reformatted, kind_of_name, words_of

Kind = Literal["T1", "FLAIR", "T2", "PD", "DWI/ADC", "SWI", "localiser", "derived", "other"]
"""SWI stands for all T2*-weighted gradient echoes; derived for what is computed from images (projections, maps)."""

# Times in ms. At 1.5 and 3 T the inversion pulse of an MPRAGE or a T1 FLAIR comes about 400 to 1,300 ms before the
# excitation, that of a FLAIR about 1,600 to 2,900 ms, that of a STIR 100 to 250 ms; the echo time separates the first two.
_FLAIR_TI, _T1_TI, _STIR_TI = (1200.0, 3500.0), (300.0, 1500.0), 300.0
_LONG_TE, _SHORT_TE, _SHORTEST_TE = 60.0, 30.0, 12.0
_LONG_TR, _LONGER_TR, _SHORT_TR = 1500.0, 4000.0, 1200.0

#: Words in a name that mean another contrast.
_NAMED: dict[Kind, set[str]] = {
    "DWI/ADC": {"dwi", "dti", "adc", "trace", "tracew", "diff", "diffusion", "b1000", "b0", "fa", "ep2d"},
    "SWI": {"swi", "swan", "venobold", "swip", "hemo", "qsm", "t2star", "ffe2d", "susceptibility"},
    "T2": {"t2", "t2w", "t2wi", "ciss", "fiesta", "drive"},
    "PD": {"pd", "pdw", "dp"},
}
#: Words that exclude all of these, whatever the echo and repetition times.
_SOMETHING_ELSE = {
    *("tof", "mra", "mrv", "angio", "asl", "pcasl", "cbf", "cbv", "mtt", "ttp", "perf"),
    *("perfusion", "dsc", "dce", "bold", "fmri", "stir", "dir", "psir", "b1map", "fieldmap", "mt"),
    *("spectro", "svs", "csi", "phase", "pha", "pca", "elasto"),
}
_DIFFUSION_TYPES = {"ADC", "TRACEW", "TRACE", "FA", "DIFFUSION", "DIFFUSION_MAP", "EADC", "TENSOR"}
_COMPUTED_TYPES = {
    *("PROJECTION IMAGE", "MIP", "MNIP", "MIN IP", "MAX_IP", "MIN_IP", "SUBTRACTION", "SUB"),
    *("T1 MAP", "T2 MAP", "T2_STAR MAP", "PERFUSION", "TTP", "RELCBF", "RELCBV", "RELMTT", "MOCO"),
    *("STDDEV", "SCREEN SAVE", "CSA REPORT"),
}
#: Meaning of AcquisitionContrast (PS3.3, C.8.13.3).
_ACQUISITION_CONTRAST: dict[str, Kind] = {
    **{"FLUID_ATTENUATED": "FLAIR", "T1": "T1", "T2": "T2", "PROTON_DENSITY": "PD", "T2_STAR": "SWI"}
}

#: Parts of a Dixon acquisition that do not look like an ordinary image of its contrast, in ImageType and in names.
_DIXON_TYPES = {
    **{"FAT": "fat", "F": "fat", "FF": "fat fraction", "FAT_FRACTION": "fat fraction", "B0": "field"},
    **dict.fromkeys(("OP", "OPP", "OPP_PHASE", "OUT_PHASE"), "opposed phase"),
}
_DIXON_NAMES = {"dixon", "mdixon", "ideal", "flex", "lava", "vibe"}
_OPPOSED = {"opp", "op", "oop", "outphase", "out", "opposed"}


@dataclass(frozen=True)
class SeriesClassification:
    """The contrast of a series, and why.

    Attributes:
        kind: the contrast; "other" also if the evidence contradicts itself.
        after_contrast: whether it was acquired after contrast medium.
        derived: whether it was computed from other images, such as a reformat, which still shows that contrast.
        by_name: whether only the name indicates the contrast.
        reasons: in words, at least one.
        times: echo, repetition and inversion time in words; "" if none is in the header.
        undetermined: whether neither attributes nor name indicate the contrast.
    """

    kind: Kind
    after_contrast: bool
    derived: bool
    by_name: bool
    reasons: tuple[str, ...]
    times: str = ""
    undetermined: bool = False

    @property
    def label(self) -> str:
        """The kind for a table."""
        contrast = "post-contrast " if self.after_contrast and self.kind in ("T1", "FLAIR") else ""
        return f"{contrast}{self.kind}{', derived' if self.derived and self.kind != 'derived' else ''}"

    @property
    def why(self) -> str:
        """The reasons as one line."""
        return "; ".join(self.reasons)


def kind_of_sequence(sequence: MrSequence, *, earlier: str = "") -> SeriesClassification:
    """The kind of an MR series.

    The attributes decide. If they say nothing, the name does; if the two contradict each other, the kind is "other".
    `earlier`: the sentence of `earlier_contrast_medium`; "" if no contrast medium was given before.
    """
    kind, by_name, reason = _contrast(sequence)
    if sequence.contrast_agent:
        after = f"contrast medium: {sequence.contrast_agent}"
    else:
        after = "contrast medium by its name" if is_enhanced(sequence.description) else earlier
    reasons = [reason, after] if after else [reason]
    if sequence.image_type:
        # MEAN: of several echoes or repetitions, as of a multi-echo MPRAGE; it shows their contrast.
        derived = bool(set(sequence.image_type) & {"DERIVED", "MPR", "REFORMATTED", "RESAMPLED", "MEAN"})
    else:
        derived = is_reformatted(sequence.description)
    if derived:
        mean = "mean of several images" if "MEAN" in sequence.image_type else ""
        reasons.append("derived: " + (mean or "\\".join(sequence.image_type[:3]) or "by its name"))
    says_nothing = _excluded(sequence) is None and _measured(sequence)[0] is None
    undetermined = kind == "other" and (says_nothing or reason.endswith(_TOO_LITTLE))
    times = _times(sequence)
    return SeriesClassification(kind, bool(after), derived, by_name, tuple(reasons), times, undetermined)


def kind_of_images(sequences: Sequence[MrSequence], *, earlier: str = "") -> SeriesClassification:
    """The kind of a series by all its images (at least one), as `kind_of_sequence`; "other" if they are of several kinds."""
    different = dict.fromkeys(replace(sequence, acquired_at=None) for sequence in sequences)
    classifications = [kind_of_sequence(sequence, earlier=earlier) for sequence in different]
    kinds = list(dict.fromkeys(each.kind for each in classifications))
    if len(kinds) > 1:
        reason = f"holds images of different kinds: {', '.join(kinds)}"
        return replace(classifications[0], kind="other", reasons=(reason,), times="", undetermined=False)
    return next((each for each in classifications if each.after_contrast), classifications[0])


def earlier_contrast_medium(sequences: Sequence[tuple[str, MrSequence]]) -> tuple[str, ...]:
    """For each series of a study, a sentence if it followed a contrast-enhanced series; else "".

    This applies from the first series on that names a contrast agent, or is a contrast-enhanced T1 or FLAIR by its name:
    many scanners write the agent only into the series that was planned with it. `sequences` are of one study: the name
    of each series ("series 4"), and the sequence of its first image.
    """
    enhanced = [
        (sequence.acquired_at, name, sequence.contrast_agent or "contrast medium by its name")
        for name, sequence in sequences
        if sequence.acquired_at is not None
        and (
            sequence.contrast_agent
            or (is_enhanced(sequence.description) and kind_of_sequence(sequence).kind in ("T1", "FLAIR"))
        )
    ]

    def before(sequence: MrSequence) -> str:
        taken = sequence.acquired_at
        # A time without a date cannot be compared with one that has it.
        known = [each for each in enhanced if taken and (each[0].year == 1) == (taken.year == 1)]
        if not known or taken is None:
            return ""
        since, name, agent = min(known)
        return f"taken after {name}, which had {agent}" if taken > since else ""

    return tuple("" if sequence.contrast_agent else before(sequence) for _, sequence in sequences)


_SILENT = "neither its attributes nor its name tell the contrast"
_TOO_LITTLE = ", which alone does not tell the contrast"


def _contrast(sequence: MrSequence) -> tuple[Kind, bool, str]:
    """The kind, whether only the name says so, and why."""
    if (excluded := _excluded(sequence)) is not None:
        return excluded[0], False, excluded[1]
    measured, reason, weak = _measured(sequence)
    named, words = _named(sequence)
    if measured is None:
        if named is None:
            return "other", False, reason or _SILENT
        return named, True, f"named {words!r}; its attributes do not tell the contrast"
    if weak:
        if named is None:
            return "other", False, reason + _TOO_LITTLE
        return named, named != measured, f"{reason}; named {words!r}"
    if named in (None, measured) or (measured == "FLAIR" and named == "T2"):
        return measured, False, reason
    if measured == "T2" and named == "FLAIR" and (sequence.repetition_time or 0) >= _LONGER_TR:
        return "FLAIR", True, f"named {words!r} ({reason}; no inversion time is told)"
    if {measured, named} & {"T1", "FLAIR"}:
        which = "" if measured == "other" else f", which is {measured}"
        return "other", False, f"contradicts itself: {reason}{which}, but is named {words!r}"
    return measured, False, reason


def _excluded(sequence: MrSequence) -> tuple[Kind, str] | None:
    """The kind of series that can be excluded without echo, repetition and inversion time."""
    types, words = set(sequence.image_type), words_of(sequence.description)
    if "LOCALIZER" in types or is_localiser(sequence.description):
        return "localiser", "localiser by its " + ("image type" if "LOCALIZER" in types else "name")
    if "SPINE" in sequence.body_part:
        return "other", f"body part: {sequence.body_part.lower()}"
    if found := sorted(types & _DIFFUSION_TYPES):
        return "DWI/ADC", f"image type {found[0]}"
    if found := sorted(types & _COMPUTED_TYPES):
        return "derived", f"image type {found[0]}"
    if part := part_of(sequence.image_type, sequence.component):
        return "other", f"shows the {part}, not the magnitude"
    if dixon := _dixon_part(sequence, words):
        return "other", f"shows the {dixon} (Dixon)"
    if sequence.b_value is not None and (sequence.b_value > 0 or sequence.contrast == "DIFFUSION"):
        return "DWI/ADC", f"b = {sequence.b_value:.0f} s/mm²"
    if sequence.time_of_flight:
        return "other", "shows flowing blood (time of flight)"
    if found := sorted(words & _SOMETHING_ELSE):
        return "other", f"named {found[0]!r}"
    if not words & _NAMED["DWI/ADC"] and is_no_scan(sequence.description):
        return "derived", f"named {sequence.description!r}"
    return None


def _dixon_part(sequence: MrSequence, words: set[str]) -> str:
    """The part of a Dixon acquisition that it shows, other than water and in phase; "" otherwise."""
    if found := [_DIXON_TYPES[each] for each in sequence.image_type[2:] if each in _DIXON_TYPES]:
        return found[0]
    if sequence.description.upper().startswith("FAT:"):
        return "fat"
    if not words & _DIXON_NAMES:
        return "opposed phase" if "outphase" in words else ""
    if words & _OPPOSED:
        return "opposed phase"
    suppressed = {"sat", "sup", "supp", "suppressed", "suppression", "water", "w", "wat"}
    return "fat" if "f" in words or ("fat" in words and not words & suppressed) else ""


def _times(sequence: MrSequence) -> str:
    """Echo, repetition and inversion time in words."""
    named = (("TE", sequence.echo_time), ("TR", sequence.repetition_time), ("TI", sequence.inversion_time))
    return ", ".join(f"{name} {value:g} ms" for name, value in named if value is not None)


def _measured(sequence: MrSequence) -> tuple[Kind | None, str, bool]:
    """The kind by times and pulse sequence, the reason, and whether that evidence is weak."""
    times = _times(sequence)
    gradient = "GR" in sequence.scanning and "SE" not in sequence.scanning
    pulses = "gradient echo" if gradient else "spin echo" if "SE" in sequence.scanning else "pulses not told"
    if "EP" in sequence.scanning and sequence.contrast != "FLUID_ATTENUATED":
        diffusion = sequence.contrast == "DIFFUSION"
        return ("DWI/ADC" if diffusion else "other"), f"echo-planar: {times}", not diffusion
    if sequence.contrast in ("DIFFUSION", "PERFUSION", "STIR", "TAGGING", "FLOW_ENCODED", "TOF"):
        kind: Kind = "DWI/ADC" if sequence.contrast == "DIFFUSION" else "other"
        return kind, f"acquisition contrast {sequence.contrast}", False
    timed, weak = _timed(sequence, gradient)
    named = _ACQUISITION_CONTRAST.get(sequence.contrast)
    if named is None:
        inverted = "inversion recovery, " if timed in ("FLAIR", "T1") and sequence.inverted else ""
        return timed, f"{inverted}{pulses}: {times}" if times else "", weak
    # Some scanners call every image with a long echo T2, even a FLAIR; the inversion time is more reliable.
    if timed == "FLAIR" and named in ("T2", "FLAIR"):
        return "FLAIR", f"inversion recovery, {pulses}: {times}", False
    reason = f"acquisition contrast {sequence.contrast}"
    if timed in (None, named) or weak or {named, timed} == {"T2", "FLAIR"}:
        return named, reason + (f" ({times})" if times else ""), False
    return "other", f"contradicts itself: {reason}, but {pulses}: {times}", False


def _timed(sequence: MrSequence, gradient: bool) -> tuple[Kind | None, bool]:
    """The kind by the times alone, and whether it is doubtful."""
    echo, repetition, inversion = sequence.echo_time, sequence.repetition_time, sequence.inversion_time
    if echo is None:
        return None, False
    if inversion:
        if _FLAIR_TI[0] <= inversion <= _FLAIR_TI[1] and echo >= _LONG_TE and not gradient:
            return "FLAIR", False
        if _T1_TI[0] <= inversion <= _T1_TI[1] and echo <= _SHORT_TE:
            return "T1", False
        return ("other" if inversion < _STIR_TI else None), False
    if gradient:
        if echo <= _SHORTEST_TE and (sequence.inverted or "MP" in sequence.variant):
            return "T1", False
        if echo > _SHORTEST_TE:
            return "SWI", False
        return ("T1", True) if repetition is not None and repetition <= _SHORT_TR else (None, False)
    if repetition is None or "SE" not in sequence.scanning:
        return None, False
    if sequence.inverted:
        return ("FLAIR", False) if echo >= _LONG_TE and repetition >= _LONGER_TR else (None, False)
    if echo <= _SHORT_TE and repetition <= _SHORT_TR:
        return "T1", False
    if repetition >= _LONG_TR:
        return ("T2" if echo >= _LONG_TE else "PD" if echo <= 50.0 else None), False
    return None, False


def _named(sequence: MrSequence) -> tuple[Kind | None, str]:
    """The kind by the description or, if that says nothing, by the protocol; and the name used."""
    for name in (sequence.description, sequence.protocol):
        kind = kind_of_name(name)
        if kind is not None:
            return ("T1" if kind == "t1" else "FLAIR"), name
        words = words_of(name)
        for other, marks in _NAMED.items():
            if words & marks:
                return other, name
    return None, ""
