"""A good scan whose images can be spoilt without preparing it again."""

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.detection.quality.acquired import Acquired, brain_on
from AnomalyDetectionLib.detection.score_map import ScoreMap
from AnomalyDetectionLib.imaging.volume import Study


@dataclass(frozen=True)
class GoodScan:
    """As it was read, and its scores with all that was prepared."""

    study: Study
    scores: ScoreMap

    @property
    def prepared(self):
        return self.scores.study

    def image(self, role: str) -> sitk.Image:
        return (self.study.t1 if role == "T1" else self.study.flair).image

    def brain(self, role: str) -> np.ndarray:
        return brain_on(self.study, self.prepared, role)

    def acquired(self, role: str, image: sitk.Image | None = None) -> Acquired:
        """The image, or another one of the same geometry in its place."""
        if image is None:
            return Acquired.of(self.study, self.prepared, role)
        name = role.lower()
        changed = replace(self.study, **{name: replace(getattr(self.study, name), image=image)})
        return Acquired.of(changed, self.prepared, role)

    def flair_of(self, image: sitk.Image, brain: np.ndarray) -> Acquired:
        """A FLAIR of any geometry with its brain (slices, rows, columns)."""
        good = self.acquired("FLAIR")
        prepared = replace(self.prepared, flair_brain=brain)
        study = replace(self.study, flair=replace(good.volume, image=image))
        return Acquired.of(study, prepared, "FLAIR")
