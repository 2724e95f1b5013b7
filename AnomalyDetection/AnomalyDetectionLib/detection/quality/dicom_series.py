"""What the DICOM headers of T1 and FLAIR say against them: other studies, contrast medium, reformats, other sequences."""

from __future__ import annotations

from collections.abc import Iterator

from ...dicom.series import Series, in_time
from ...imaging.volume import Study
from .warning import QualityWarning


def check(study: Study) -> tuple[QualityWarning, ...]:
    """All warnings by header; none for images that are not from DICOM. They name no person and no date."""
    given = [
        (role, volume.series) for role, volume in (("T1", study.t1), ("FLAIR", study.flair)) if volume.series
    ]
    # Of two folders each knows its own series alone; which came first shows beside the other.
    placed = in_time([series for _, series in given])
    said = [*_studies(study)]
    for (role, series), beside in zip(given, placed, strict=True):
        said += [*_kind(role, series), *_medium(role, beside), *_as_found(role, series)]
    return tuple(said)


def _studies(study: Study) -> Iterator[QualityWarning]:
    if study.t1.series is None or study.flair.series is None:
        return
    one, other = study.t1.series.identity, study.flair.series.identity
    if not one.other_study(other):
        return
    days = one.days_from(other)
    apart = (
        "" if days is None else " of the same day" if days == 0 else f", {days} day{'s' * (days > 1)} apart"
    )
    sentence = (
        f"T1 and FLAIR are of different studies{apart}: what changed in between looks like an anomaly, give a pair of "
        "one study if there is one"
    )
    yield QualityWarning("different studies", sentence, {} if days is None else {"days": days})


def _kind(role: str, series: Series) -> Iterator[QualityWarning]:
    classification = series.classification
    if not series.is_mr:
        looks = "is no MR series by its header"
    elif classification.kind == role or classification.undetermined or _may_be_flair(role, series):
        return
    else:
        how = "its name alone" if classification.by_name else "its header"
        times = f" ({classification.times})" if classification.times and not classification.by_name else ""
        what = {"derived": "a map or a projection", "localiser": "a localiser"}.get(
            classification.kind, classification.kind
        )
        if what != "other":
            looks = f"looks like {what} by {how}{times}"
        elif classification.reasons[0].startswith("contradicts itself"):
            looks = f"contradicts itself: its times tell another contrast than its name or type{times}"
        else:
            looks = f"is no {role} by its header{times}"
    sentence = f"The series given as {role} {looks}: check that it is the right one"
    yield QualityWarning("contrast", sentence, {"image": role, "kind": classification.kind})


def _may_be_flair(role: str, series: Series) -> bool:
    """Whether it has the times of a T2 but need not be one: some headers tell no inversion. The pixels know better."""
    sequence = series.instances[0].sequence
    return (
        role == "FLAIR"
        and series.classification.kind == "T2"
        and not sequence.inverted
        and not series.classification.by_name
    )


def _medium(role: str, series: Series) -> Iterator[QualityWarning]:
    if series.classification.after_contrast:
        agent = next((i.sequence.contrast_agent for i in series.instances if i.sequence.contrast_agent), "")
        how = f"contrast medium: {agent}" if agent else series.earlier or "contrast medium by its name"
        sentence = (
            f"The {role} was taken after contrast medium by its header ({how}): the model learnt mostly from {role} without "
            "it, give that one if there is one"
        )
        yield QualityWarning("contrast medium", sentence, {"image": role, "by": how})


def _as_found(role: str, series: Series) -> Iterator[QualityWarning]:
    """Of a series that was computed, is incomplete or was tidied up."""
    if series.classification.derived:
        types = "\\".join(series.instances[0].sequence.image_type[:4]) or "by its name"
        sentence = f"The {role} was computed from other images ({types}), as a reformat is: give the original series if there is one"
        yield QualityWarning("derived series", sentence, {"image": role, "image_type": types})
    if series.missing is not None:
        have, expected = series.missing
        sentence = f"The {role} series may be incomplete: {have} of {expected} images by its headers, check that none was lost"
        yield QualityWarning(
            "incomplete series", sentence, {"image": role, "images": have, "expected": expected}
        )
    if series.notes:
        sentence = (
            f"The {role} series was not a plain volume and was tidied up ({'; '.join(series.notes)}): look whether the "
            "right images were taken"
        )
        yield QualityWarning("tidied series", sentence, {"image": role, "notes": list(series.notes)})
