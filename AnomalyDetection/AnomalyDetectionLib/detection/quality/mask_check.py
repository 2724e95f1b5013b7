"""Whether the brain mask holds the brain and nothing else: two shares that are small where it does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...imaging.prepared import PreparedStudy
from ..anatomy import AnatomyLabel
from .warning import QualityWarning

MOST_NOT_BRAIN, MOST_BEYOND = 0.09, 0.26
"""What is doubted. Right masks of some 47 real scans had at most 0.084 and 0.24; one that took scalp for brain at the top, 0.116.
Of five right masks moved by 20 mm, grown by 6 mm or eroded by 6 mm, each exceeded 0.066 or 0.27."""

_RING_MM = (1.5, 4.5)
_DEEP_MM = 8.0
# Of the slices: below, muscles lie next to the brain and look like it; above, its surface runs along the slice.
_FROM, _TO = 0.3, 0.85


@dataclass(frozen=True)
class MaskCheck:
    """What speaks against a brain mask."""

    not_brain: float  # share of the mask that the anatomy network takes for skull, scalp or air
    # share of the ring 1.5 to 4.5 mm round the mask, in the upper middle of the brain, as bright as brain tissue
    # on both images; round a brain there is fluid and bone
    beyond: float

    @classmethod
    def of(cls, study: PreparedStudy, anatomy: np.ndarray) -> MaskCheck:
        """The check of a prepared study's mask, with the anatomy seen in it (see `segment_anatomy`)."""
        brain = study.brain
        not_brain = float((anatomy[brain] == AnatomyLabel.OUTSIDE).mean()) if brain.any() else 0.0
        slices = np.flatnonzero(brain.any(axis=(1, 2)))
        slices = slices[int(_FROM * len(slices)) : int(_TO * len(slices))]
        spacing = study.grid.spacing[1::-1]
        ring, deep = np.zeros(brain.shape, bool), np.zeros(brain.shape, bool)
        for s in slices:
            beyond_mm = ndimage.distance_transform_edt(~brain[s], sampling=spacing)
            ring[s] = (beyond_mm > _RING_MM[0]) & (beyond_mm < _RING_MM[1])
            deep[s] = ndimage.distance_transform_edt(brain[s], sampling=spacing) > _DEEP_MM
        if not (ring.any() and deep.any()):
            return cls(not_brain, 0.0)
        alike = np.ones(int(ring.sum()), bool)
        for image, low, high in ((study.t1, 0.6, 1.5), (study.flair, 0.65, 1.6)):
            usual = float(np.median(image[deep]))
            alike &= (image[ring] > low * usual) & (image[ring] < high * usual)
        return cls(not_brain, float(alike.mean()))

    @property
    def warnings(self) -> tuple[QualityWarning, ...]:
        """What to tell the reader, if anything."""
        said = []
        if self.not_brain > MOST_NOT_BRAIN:
            share = f"{100 * self.not_brain:.0f} %"
            said.append(f"{share} of the brain mask looks like skull or scalp: check the mask")
        if self.beyond > MOST_BEYOND:
            share = f"{100 * self.beyond:.0f} %"
            said.append(
                f"Beyond {share} of the brain mask's edge there seems to be more brain: check the mask"
            )
        measured = {"not_brain": round(self.not_brain, 4), "beyond": round(self.beyond, 4)}
        return tuple(QualityWarning("brain mask", sentence, measured) for sentence in said)
