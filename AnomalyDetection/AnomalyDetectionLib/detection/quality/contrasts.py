"""Whether T1 and FLAIR look like a T1 and a FLAIR: dark fluid on both, and the opposite order of grey and white matter.

Twice the same image is refused before (`imaging.contrast`). It is judged by the images and by where in the brain a voxel lies. The anatomy network is of no use for it: it finds
its labels with the very contrasts that are in doubt. With a T2 in the place of the FLAIR, its ventricles agreed with the true
ones by a Dice coefficient of 0.2 to 0.3; with the two exchanged, its white matter by 0.3 to 0.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...imaging.contrast import ContrastOrder
from ...imaging.prepared import PreparedStudy
from .warning import QualityWarning

BRIGHT_RIM = 0.0
"""On 19 good pairs the rim was darker than the depth by 0.43 and more (T1) and 0.34 and more (FLAIR). As a T2 shows it,
it is brighter by 0.5 and more."""

GREY_FLUID = 0.68
"""The fluid (5th percentile) in terms of the white or grey matter (95th). Of 84 people's, T1 had at most 0.65
(spin echo of little contrast), FLAIR 0.56; proton density about 0.75."""

SWAPPED_BELOW = -0.05
"""`ContrastOrder.score`. On all 109 pairs of the shared data it was above 0; see docs/quality.md."""

MOST_ALIKE = 0.85  # Correlation of T1 and FLAIR within the brain. On 74 right pairs it was 0.75 at most.
LEAST_DIFFERENCE = 0.05  # `ContrastOrder.score`, either way: below, they cannot be told from each other
_RIM_MM, _DEEP_MM = 2.0, 6.0


@dataclass(frozen=True)
class Contrasts:
    """What the contrasts are judged by; scaled units of the prepared study."""

    # t1_rim, flair_rim: brightness of the brain's outermost 2 mm, where the sulci open, minus that of what lies
    # deeper than 6 mm: negative where fluid is dark
    t1_rim: float
    flair_rim: float
    order: ContrastOrder  # which of the two is the T1
    alike: float  # correlation of the two within the brain
    # t1_grey_fluid, flair_grey_fluid: the 5th percentile of the brain in terms of the 95th, in the scanner's
    # units
    t1_grey_fluid: float
    flair_grey_fluid: float

    @classmethod
    def of(cls, study: PreparedStudy) -> Contrasts:
        """Of a prepared study."""
        t1, flair, brain = study.t1, study.flair, study.brain
        spacing = study.grid.spacing[1::-1]
        depth = np.stack([ndimage.distance_transform_edt(plane, sampling=spacing) for plane in brain])
        rim, deep = brain & (depth < _RIM_MM), brain & (depth > _DEEP_MM)

        def rim_of(image: np.ndarray) -> float:
            return float(np.median(image[rim]) - np.median(image[deep])) if rim.any() and deep.any() else 0.0

        return cls(
            rim_of(t1),
            rim_of(flair),
            ContrastOrder.of(t1, flair, brain, spacing),
            float(np.nan_to_num(np.corrcoef(t1[brain], flair[brain])[0, 1])) if brain.any() else 0.0,
            *(s.low / s.high if s.high > 0 else 0.0 for s in (study.t1_scale, study.flair_scale)),
        )

    @property
    def swapped(self) -> tuple[QualityWarning, ...]:
        """A warning if each looks like the other: then nothing else is worth saying of them."""
        score = self.order.score
        if score >= SWAPPED_BELOW:
            return ()
        sentence = (
            f"T1 and FLAIR seem to be swapped ({score:.2f}, in right pairs above 0): the image given as T1 looks like a"
            " FLAIR and the other like a T1; look at both, and if it is so, exchange them and run again, for this result"
            " is worth nothing then"
        )
        values = {"score": score, "depth": self.order.depth, "tails": self.order.tails}
        return (
            QualityWarning("swapped", sentence, {name: round(value, 3) for name, value in values.items()}),
        )

    @property
    def of_each(self) -> tuple[QualityWarning, ...]:
        """Warnings of an image that does not look like what it is to be."""
        said = []
        for role, rim, grey in (
            ("T1", self.t1_rim, self.t1_grey_fluid),
            ("FLAIR", self.flair_rim, self.flair_grey_fluid),
        ):
            if rim > BRIGHT_RIM:
                sentence = (
                    f"Fluid is bright on the {role} (the brain's rim is {rim:.2f} brighter than its depth, in a {role} it is"
                    " darker): check that it is no T2"
                )
            elif grey > GREY_FLUID:
                sentence = (
                    f"Fluid is hardly darker than tissue on the {role} ({100 * grey:.0f} % of it, in a {role} less than"
                    f" {100 * GREY_FLUID:.0f} %): check that it is no proton density image"
                )
            else:
                continue
            measured = {"image": role, "rim": round(rim, 3), "fluid_to_tissue": round(grey, 3)}
            said.append(QualityWarning("contrast", sentence, measured))
        return tuple(said)

    @property
    def of_both(self) -> tuple[QualityWarning, ...]:
        """A warning if the two differ too little. Noise takes away from the difference, too."""
        difference = abs(self.order.score)
        if difference >= LEAST_DIFFERENCE and self.alike <= MOST_ALIKE:
            return ()
        sentence = (
            f"T1 and FLAIR hardly differ (correlation {self.alike:.2f}, usually less than {MOST_ALIKE}; contrast of grey and"
            f" white matter {difference:.2f}, usually more than {LEAST_DIFFERENCE}): check that both are what they are called"
        )
        measured = {"alike": round(self.alike, 3), "difference": round(difference, 3)}
        return (QualityWarning("contrast", sentence, measured),)
