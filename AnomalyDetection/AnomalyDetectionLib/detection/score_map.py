"""The third of the four values: the anomaly score of every patch of a brain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from ..imaging.prepared import PreparedStudy
from ..model.false_positive_curve import FalsePositiveCurve
from ..model.model_settings import ScoringSettings
from .brain_parts import BrainParts
from .candidate_probabilities import CandidateProbabilities
from .midline import Midline
from .quality.warning import QualityWarning
from .region import BrainRegions


@dataclass(frozen=True)
class ScoreMap:
    """Anomaly scores on the patch lattice and on the FLAIR grid."""

    # float32 (slices, lattice rows, lattice columns); NaN where no patch was scored. Element (s, i, j) is the
    # patch centred on voxel (s, first[0] + i * stride, first[1] + j * stride) of the prepared study's grid.
    lattice: np.ndarray
    first: tuple[int, int]  # row and column of the first patch centre
    image: sitk.Image  # float32 on the FLAIR's own grid, 0 outside the brain
    study: PreparedStudy  # the prepared study that was scored
    settings: ScoringSettings  # the scoring settings, stride and percentile among them
    # time by stage; of one that ran beside another, what was still waited for
    seconds: dict[str, float] = field(default_factory=dict)
    # uint8 (slices, rows, columns) on the prepared study's grid, values of `AnatomyLabel`; None in score maps
    # that earlier versions stored
    anatomy: np.ndarray | None = None
    # findings per normal scan by threshold, of the model at these settings; None where they are not known
    false_positive_curve: FalsePositiveCurve | None = None
    # class probabilities of each candidate; None: this kind of model has none
    candidates: CandidateProbabilities | None = None
    # warnings about the images; none in score maps that earlier versions stored, and where the images as they
    # were read are not at hand
    quality: tuple[QualityWarning, ...] = ()
    # the brain's midsagittal plane, if it was found before; None: it is found when it is needed
    known_midline: Midline | None = None

    @property
    def probabilities(self) -> bool:
        """Whether scores are probabilities, none above 1."""
        return self.candidates is not None

    def voxel_of(self, patch: Sequence[int]) -> tuple[int, int, int]:
        """(slice, row, column) on the model's grid of a patch's centre, from its lattice index."""
        stride = self.settings.stride
        return patch[0], self.first[0] + stride * patch[1], self.first[1] + stride * patch[2]

    @cached_property
    def midline(self) -> Midline:
        """The brain's midsagittal plane; it does not depend on the threshold."""
        return self.known_midline or Midline.of(self.study)

    @cached_property
    def regions(self) -> BrainRegions:
        """Where in the brain a point lies; nor does this."""
        return BrainRegions.of(self.study, self.midline)

    @cached_property
    def parts(self) -> BrainParts | None:
        """In which part of the brain a finding lies; nor does this. None where the anatomy is not known."""
        return None if self.anatomy is None else BrainParts(self.anatomy, self.study.grid)
