"""Statistics of z - z_hat for normal tissue in each part of the brain: optional tensors of a model file.

They serve other readings of the same network than the paper's (`ScoringSettings.statistics` and `.distance`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .model_settings import ScoringSettings

CLASSES = 8  # All tissue, at 0, and the anatomy labels 1 to 7 (`detection.anatomy.AnatomyLabel`)
_PREFIX = "readings."
_NAMES = ("median", "deviation", "whitening")


@dataclass(frozen=True, eq=False)
class TissueStatistics:
    """Statistics of the latent differences over normal training patches, by the tissue at the patch's centre.

    Row 0 is all tissue together, rows 1 to 7 the anatomy labels. A class with too few patches has row 0 again."""

    # median, deviation: float32 (8, latent_size), as `Model.median` and `.deviation`, which row 0 repeats
    median: Tensor
    deviation: Tensor
    # float16 (8, latent_size, latent_size). With a patch's deviations v = (d - median) / deviation, the length of
    # v @ whitening is its Mahalanobis distance, scaled so that normal tissue of the class has the same median as
    # its percentile 50 of |v|.
    whitening: Tensor

    def __post_init__(self) -> None:
        """Raise ValueError for invalid values: statistics may come from untrusted model files."""
        size = self.median.shape[-1]
        shapes = [(CLASSES, size), (CLASSES, size), (CLASSES, size, size)]
        if [tuple(tensor.shape) for tensor in self.tensors().values()] != shapes:
            raise ValueError("the statistics by tissue are not of eight classes and one latent size")
        kinds = {self.median.dtype, self.deviation.dtype}
        if kinds != {torch.float32} or self.whitening.dtype != torch.float16:
            raise ValueError("the statistics by tissue are not of the precision that they should have")

    def tensors(self) -> dict[str, Tensor]:
        """As they are called in a model file."""
        return {f"{_PREFIX}{name}": getattr(self, name) for name in _NAMES}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], latent_size: int) -> TissueStatistics | None:
        """Those of a model file; None where it has none. Raises KeyError, ValueError where they are damaged."""
        if not any(name.startswith(_PREFIX) for name in tensors):
            return None
        statistics = cls(*(tensors[f"{_PREFIX}{name}"] for name in _NAMES))
        if statistics.median.shape[1] != latent_size:
            raise ValueError("the statistics by tissue do not fit the latent size")
        return statistics


def needs_tissue_statistics(settings: ScoringSettings) -> bool:
    """Whether scores are read with more than the model's median and deviation."""
    return settings.statistics == "tissue" or settings.distance == "mahalanobis"
