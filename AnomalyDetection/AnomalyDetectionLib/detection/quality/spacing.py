"""Whether the voxels are coarser than usual, or the slices not transversal, as those that the models look at."""

from __future__ import annotations

from .acquired import Acquired
from .warning import QualityWarning

COARSEST_IN_PLANE_MM, THICKEST_MM = 2.3, 7.8
"""The models learnt from real scans of 0.7 to 2.0 mm in the slice, with slices 3 to 6 mm apart (the FLAIR of nichart are
stored at 2 mm, but each of their slices is there two or three times). Clinical scans of five hospitals had slices up to
7.7 mm apart. Finer ones are averaged to the model's grid and are no problem."""

# From this, and from so many times the spacing within the slice, slices count as thick
THICK_MM, THICKER = (2.5, 1.5)
_DIRECTIONS = ("transversal", "coronal", "sagittal")


def check(image: Acquired) -> tuple[QualityWarning, ...]:
    """Warnings of an image that is coarser, and of a FLAIR in thick slices of another direction."""
    seen = image.distinct
    across, in_plane = seen.spacing[seen.across], max(seen.in_plane)
    said, coarse = [], []
    if in_plane > COARSEST_IN_PLANE_MM:
        coarse.append(f"its voxels are {in_plane:.1f} mm wide, usually at most {COARSEST_IN_PLANE_MM:g} mm")
    if across > THICKEST_MM:
        coarse.append(f"its slices are {across:.1f} mm apart, usually at most {THICKEST_MM:g} mm")
    if coarse:
        sentence = f"The {image.role} is coarser than what the model knows: {', and '.join(coarse)}; small lesions are lost"
        measured = {"image": image.role, "in_plane_mm": round(in_plane, 3), "across_mm": round(across, 3)}
        said.append(QualityWarning("spacing", sentence, measured))
    # The T1 is brought to the FLAIR's slices; what counts are these.
    if image.role == "FLAIR" and image.across != 0 and across >= max(THICK_MM, THICKER * in_plane):
        name = _DIRECTIONS[image.across]
        sentence = (
            f"The FLAIR was taken in {name} slices {across:.1f} mm apart, and is looked at in transversal ones, which are blurred"
            " along them: lesions of a slice or two look stretched or are lost, give a transversal or a 3D FLAIR if there is one"
        )
        taken = {"image": image.role, "direction": name, "across_mm": round(across, 3)}
        said.append(QualityWarning("slice direction", sentence, taken))
    return tuple(said)
