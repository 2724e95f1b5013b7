"""How an MR image was taken, as classic and enhanced objects say it (PS3.3, C.8.3 and C.8.13)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from .dicom_values import item_of, numbers_of, text_of

#: What stands in ContrastBolusAgent where none was given.
_NO_AGENT = {
    "",
    "NO",
    "NONE",
    "N",
    "0",
    "NA",
    "N/A",
    "NIL",
    "KEINE",
    "KEIN",
    "AUCUN",
    "NESSUNO",
    "NINGUNO",
    "FALSE",
    *("-", "--", "NOT GIVEN", "NOT APPLICABLE"),
}
#: And how such words begin: "NO CONTRAST", "none given", "without", "w/o KM".
_NOTHING_GIVEN = re.compile(
    r"^(?:no|none|nil|without|w/?o|ohne|sans|sin|senza|keine?[nrs]?|nativ|native|pre|unenhanced"
    r"|(?:non|pre|un)[\W_]*(?:contrast|enhanced|ce|gd|km))(?=$|[\W_])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class MrSequence:
    """The attributes that tell one contrast from another; empty or None where the header does not say it.

    Attributes:
        description, protocol, name: SeriesDescription, ProtocolName, SequenceName or PulseSequenceName.
        image_type: ImageType, in capitals.
        scanning: ScanningSequence: "SE", "GR", "IR", "EP", "RM".
        variant: SequenceVariant, such as "MP" (magnetisation prepared).
        echo_time, repetition_time, inversion_time: ms; the first where there are several.
        contrast: AcquisitionContrast of an enhanced object, such as "FLUID_ATTENUATED".
        component: ComplexImageComponent of an enhanced object.
        agent: the contrast medium that was given; "" for none.
        b_value: s/mm^2.
        time_of_flight: whether it says that it shows flowing blood.
        body_part: BodyPartExamined.
        begun: when it was taken, as the scanner's clock said; the date is 1 January of year 1 where none is told.
    """

    description: str = ""
    protocol: str = ""
    name: str = ""
    image_type: tuple[str, ...] = ()
    scanning: tuple[str, ...] = ()
    variant: tuple[str, ...] = ()
    echo_time: float | None = None
    repetition_time: float | None = None
    inversion_time: float | None = None
    contrast: str = ""
    component: str = ""
    agent: str = ""
    b_value: float | None = None
    time_of_flight: bool = False
    body_part: str = ""
    begun: datetime | None = None

    #: The attributes that `of` looks at, by keyword.
    TAGS: ClassVar[tuple[str, ...]] = (
        *("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName", "ImageType"),
        *("ScanningSequence", "SequenceVariant", "EchoPulseSequence", "EchoPlanarPulseSequence"),
        *("EchoTime", "RepetitionTime", "InversionTime", "AcquisitionContrast", "ComplexImageComponent"),
        *("ContrastBolusAgent", "ContrastBolusAgentSequence", "DiffusionBValue", "AngioFlag"),
        *(
            "TimeOfFlightContrast",
            "BodyPartExamined",
            "SharedFunctionalGroupsSequence",
            "AcquisitionDateTime",
        ),
        *(
            "AcquisitionDate",
            "AcquisitionTime",
            "ContentDate",
            "ContentTime",
            "SeriesDate",
            "SeriesTime",
            "StudyDate",
        ),
    )

    @classmethod
    def of(cls, header: Any, groups: Sequence[Any]) -> MrSequence:
        """The sequence of a data set.

        Args:
            groups: functional groups of an enhanced object: those of a frame, then the shared ones.
        """

        def number(keyword: str, group: str, inside: str) -> float | None:
            found = numbers_of(header, keyword, 1)
            for each in groups:
                value = text_of(item_of(each, group), inside).split("\\")[0]
                found = found or _number(value)
            return found[0] if found else None

        modifiers = [item_of(each, "MRModifierSequence") for each in groups]
        inverted = any(text_of(each, "InversionRecovery") == "YES" for each in modifiers)
        return cls(
            description=text_of(header, "SeriesDescription"),
            protocol=text_of(header, "ProtocolName"),
            name=text_of(header, "SequenceName") or text_of(header, "PulseSequenceName"),
            image_type=_words(header, "ImageType"),
            scanning=_words(header, "ScanningSequence") or _scanning(header, inverted),
            variant=_words(header, "SequenceVariant"),
            echo_time=number("EchoTime", "MREchoSequence", "EffectiveEchoTime"),
            repetition_time=number(
                "RepetitionTime", "MRTimingAndRelatedParametersSequence", "RepetitionTime"
            ),
            inversion_time=number("InversionTime", "MRModifierSequence", "InversionTimes") or None,
            contrast=text_of(header, "AcquisitionContrast").upper(),
            component=text_of(header, "ComplexImageComponent").upper(),
            agent=_agent(header, groups),
            b_value=number("DiffusionBValue", "MRDiffusionSequence", "DiffusionBValue"),
            time_of_flight=text_of(header, "TimeOfFlightContrast") == "YES"
            or text_of(header, "AngioFlag") == "Y",
            body_part=text_of(header, "BodyPartExamined").upper(),
            begun=_begun(header, groups),
        )

    @property
    def inverted(self) -> bool:
        """Whether the magnetisation was inverted first."""
        return bool(self.inversion_time) or "IR" in self.scanning


def _words(header: Any, keyword: str) -> tuple[str, ...]:
    return tuple(word.strip().upper() for word in text_of(header, keyword).split("\\") if word.strip())


def _number(text: str) -> tuple[float, ...] | None:
    try:
        return (float(text),)
    except ValueError:
        return None


def _scanning(header: Any, inverted: bool) -> tuple[str, ...]:
    """The scanning sequence of an enhanced object, in the terms of a classic one."""
    pulses = text_of(header, "EchoPulseSequence").upper()
    names = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}.get(pulses, ())
    planar = ("EP",) if text_of(header, "EchoPlanarPulseSequence").upper() == "YES" else ()
    return (*names, *planar, *(("IR",) if inverted else ()))


def _agent(header: Any, groups: Sequence[Any]) -> str:
    agent = text_of(header, "ContrastBolusAgent")
    if agent.strip().upper() not in _NO_AGENT and not _NOTHING_GIVEN.match(agent.strip()):
        return agent
    given = [
        text_of(item_of(g, "ContrastBolusUsageSequence"), "ContrastBolusAgentAdministered") for g in groups
    ]
    listed = header.get("ContrastBolusAgentSequence")
    if not listed or "NO" in given:  # the object lists it, but this volume was taken before it was given
        return ""
    return text_of(listed[0], "CodeMeaning") or "contrast medium"


def _begun(header: Any, groups: Sequence[Any]) -> datetime | None:
    moments = [text_of(header, "AcquisitionDateTime")]
    moments += [text_of(item_of(each, "FrameContentSequence"), "FrameAcquisitionDateTime") for each in groups]
    for moment in moments:
        digits = re.split(r"[+-]", moment, maxsplit=1)[0]  # without the time zone
        if (found := _moment(digits[:8], digits[8:])) is not None:
            return found
    # Of a computed image the other times tell when it was computed.
    computed = "DERIVED" in _words(header, "ImageType")
    for what in ("Acquisition",) if computed else ("Acquisition", "Content", "Series"):
        day = text_of(header, f"{what}Date") or text_of(header, "StudyDate")
        if (found := _moment(day, text_of(header, f"{what}Time"))) is not None:
            return found
    return None


def _moment(day: str, time: str) -> datetime | None:
    """A date and a time of DICOM (YYYYMMDD and HHMMSS.FFFFFF, formerly with dots and colons)."""
    day, time = re.sub(r"\D", "", day), time.replace(":", "").strip()
    clock = re.fullmatch(r"(\d\d)(\d\d)(\d\d)?(\.\d+)?", time)
    if clock is None:
        return None
    hour, minute, second = (int(each or 0) for each in clock.groups()[:3])
    if hour > 23:
        return None
    try:
        start = datetime(int(day[:4]), int(day[4:6]), int(day[6:])) if len(day) == 8 else datetime(1, 1, 1)
        return start + timedelta(hours=hour, minutes=minute, seconds=second + float(clock[4] or 0))
    except (ValueError, OverflowError):
        return None
