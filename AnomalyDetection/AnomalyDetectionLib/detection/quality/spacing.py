"""Whether the voxels are coarser than those of the scans that the models were trained on."""

from __future__ import annotations

from .acquired import Acquired
from .warning import QualityWarning

COARSEST_IN_PLANE_MM, THICKEST_MM = 2.0, 6.0
"""Of the real scans that both bundled models learnt from: 0.7 to 2.0 mm in the slice, slices 3 to 6 mm apart (the FLAIR of
nichart are stored at 2 mm, but each of their slices is there two or three times). Finer ones are averaged to the model's grid
and are no problem. Model files do not say what they were trained on."""

TOLERANCE = 1.15


def check(image: Acquired) -> tuple[QualityWarning, ...]:
    """A warning if an image is coarser, in the slice or across the slices."""
    seen = image.distinct
    across, in_plane = seen.spacing[seen.across], max(seen.in_plane)
    said = []
    if in_plane > TOLERANCE * COARSEST_IN_PLANE_MM:
        said.append(
            f"its voxels are {in_plane:.1f} mm wide, the model learnt from up to {COARSEST_IN_PLANE_MM:g} mm"
        )
    if across > TOLERANCE * THICKEST_MM:
        said.append(f"its slices are {across:.1f} mm apart, the model learnt from up to {THICKEST_MM:g} mm")
    if not said:
        return ()
    return (
        QualityWarning(
            "spacing",
            f"The {image.role} is coarser than what the model knows: {', and '.join(said)}; small lesions are lost",
            {"image": image.role, "in_plane_mm": round(in_plane, 3), "across_mm": round(across, 3)},
        ),
    )
