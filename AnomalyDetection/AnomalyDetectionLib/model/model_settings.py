"""The settings that make a model: all that the paper fixes, and all that it leaves open, by name."""

from __future__ import annotations

from dataclasses import dataclass

from ..imaging.preparation_settings import check_word

MOST_MAPS = 4096
"""Of a layer of a network, as of latent elements: more would be no model of this kind, but fill the memory."""

STRIDES = (1, 15)
PERCENTILES = (0.0, 100.0)
STATISTICS, DISTANCES = ("training", "scan", "tissue"), ("percentile", "mahalanobis")
"""What the settings of the scoring may be."""

_MOST = 1e6  # No score, factor or count of a setting is larger


@dataclass(frozen=True)
class NetworkSettings:
    """The architecture (docs/method.md, "Shapes" and "Left open")."""

    patch_size: int = 15  # voxels along the side of a transversal patch (paper: 15)
    latent_size: int = 100  # elements of z and z_hat (paper: 100)
    # feature maps after the first and second convolution (drawn in the paper's figure 3)
    widths: tuple[int, int] = (64, 128)
    output_activation: str = "tanh"  # "tanh" or "none", after the decoder's last layer
    features: str = (
        "penultimate"  # "penultimate" or "all": the discriminator layers whose features make L_adv
    )

    def __post_init__(self) -> None:
        """Raise ValueError for invalid values: settings may come from untrusted model files."""
        if self.patch_size != 15:
            raise ValueError(f"the networks take patches of 15 x 15 voxels, not {self.patch_size}")
        if len(self.widths) != 2 or not all(
            1 <= size <= MOST_MAPS for size in (self.latent_size, *self.widths)
        ):
            raise ValueError(f"latent size and widths lie between 1 and {MOST_MAPS}")
        check_word("output_activation", self.output_activation, ("tanh", "none"))
        check_word("features", self.features, ("penultimate", "all"))


@dataclass(frozen=True)
class ScoringSettings:
    """From latent differences to suspected anomalies (paper, "Anomaly scoring")."""

    stride: int = 4  # voxels between patch centres on the model's grid
    percentile: float = 50.0  # N, over the modified Z-scores of the latent elements
    # median and median absolute deviation of the latent elements over the "training" patches (as in the paper),
    # over the patches of the "scan" itself, or over the training patches of the same "tissue" (see
    # `TissueStatistics`)
    statistics: str = "training"
    z_factor: float = 0.6745  # 0.6745 (Iglewicz and Hoaglin), or 1
    threshold: float = 3.0  # scores above it are suspected anomalies
    # "cell", the stride x stride cell round the patch centre, or "mean", the mean of the overlapping patches;
    # findings then follow from the means at the patch centres
    back_projection: str = "cell"
    # "26" of the (slice, row, column) lattice, or "8" within the slice: what makes two patches one finding
    neighbourhood: str = "26"
    min_patches: int = 2  # findings of fewer patches are dropped (paper: a single isolated patch, so 2)
    # "percentile" of the latent elements' modified Z-scores (paper), or "mahalanobis", which knows how the
    # elements vary together; then the percentile does not count
    distance: str = "percentile"

    def __post_init__(self) -> None:
        """Raise ValueError for invalid values: settings may come from untrusted model files."""
        if not STRIDES[0] <= self.stride <= STRIDES[1]:
            raise ValueError(f"the stride must lie between 1 and 15 voxels, not at {self.stride}")
        if not PERCENTILES[0] <= self.percentile <= PERCENTILES[1]:
            raise ValueError(f"the percentile must lie between 0 and 100, not at {self.percentile:g}")
        positive = 0 < self.z_factor <= _MOST and 0 < self.threshold <= _MOST
        if not (positive and 1 <= self.min_patches <= _MOST):
            raise ValueError(
                "z_factor and threshold must be positive, and a finding has at least one patch; no more than 1e6"
            )
        check_word("statistics", self.statistics, STATISTICS)
        check_word("distance", self.distance, DISTANCES)
        check_word("back_projection", self.back_projection, ("cell", "mean"))
        check_word("neighbourhood", self.neighbourhood, ("26", "8"))
