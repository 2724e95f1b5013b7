"""All checks of a scan, in the order in which they are told."""

from __future__ import annotations

import numpy as np

from ...imaging.intensity import percentile_scaled
from ...imaging.prepared import PreparedStudy
from ...imaging.volume import Study
from . import (
    brain_volume,
    contrast_medium,
    contrasts,
    dicom_series,
    field_of_view,
    files,
    intensities,
    large_fluid,
    mask_check,
    mirrored,
    motion,
    noise,
    orientation,
    slice_gaps,
    slice_shifts,
    spacing,
)
from .acquired import Acquired
from .warning import QualityWarning

LEAST_ML = 50.0  # With less of a brain an image cannot be judged. `prepare` refuses such scans.


def check_images(study: Study, prepared: PreparedStudy) -> tuple[QualityWarning, ...]:
    """What can be said before the network runs. `study`: as it was read. `prepared`: the same, prepared."""
    prepared = percentile_scaled(prepared)
    t1, flair = (Acquired.of(study, prepared, role) for role in ("T1", "FLAIR"))
    told = (*files.check(study), *dicom_series.check(study))
    contrast = contrasts.Contrasts.of(prepared)
    other = [warning.measured["image"] for warning in contrast.of_each]
    # What the header says of an image need not be said a second time by its pixels.
    medium = not any(w.name == "contrast medium" and w.measured["image"] == "T1" for w in told)
    swapped = contrast.swapped
    images = [*check_image(t1, medium=medium and "T1" not in other and not swapped), *check_image(flair)]
    noisy = any(warning.name == "noise" for warning in images)
    kinds = [warning.measured["image"] for warning in told if warning.name == "contrast"]
    seen = contrast.of_each or (() if noisy or kinds else contrast.of_both)
    said = [warning for warning in seen if warning.measured.get("image") not in kinds]
    # What may make the whole result worthless comes first.
    return (
        *orientation.check(prepared),
        *mirrored.check(study, prepared),
        *swapped,
        *told,
        *(() if swapped else said),
        *field_of_view.check(flair),
        *brain_volume.check(prepared),
        *large_fluid.check(prepared),
        *images,
    )


def check_image(image: Acquired, *, medium: bool = True) -> tuple[QualityWarning, ...]:
    """What can be said of one image by itself. `medium`: whether a T1 is looked at for contrast medium; other
    sequences have other bright structures."""
    brain_ml = float(image.distinct.brain.sum()) * float(np.prod(image.distinct.spacing)) / 1000
    if brain_ml < LEAST_ML:
        return ()
    noisy, ghosts = noise.check(image), motion.check(image)
    shifts = slice_shifts.SliceShifts(image.role) if noisy else slice_shifts.SliceShifts.of(image)
    gaps = slice_gaps.check(image)
    if shifts.unsteady or shifts.warnings:  # then slices jump without any missing
        gaps = tuple(warning for warning in gaps if warning.name != "missing slice")
    said = [*spacing.check(image), *gaps, *noisy, *ghosts, *intensities.check(image), *shifts.warnings]
    # Noise and ghosts look like thin bright structures, too.
    if image.role == "T1" and medium and not noisy and not ghosts:
        said += contrast_medium.check(image)
    return tuple(said)


def check_mask(prepared: PreparedStudy, anatomy: np.ndarray | None) -> tuple[QualityWarning, ...]:
    """What the anatomy network says of the brain mask; nothing where it did not run (see `ScoreMap.anatomy`)."""
    return () if anatomy is None else mask_check.MaskCheck.of(percentile_scaled(prepared), anatomy).warnings
