"""The settings that make a model: all that the paper fixes, and all that it leaves open, by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkSettings:
    """The architecture (METHOD.md, "Shapes" and "Left open").

    Attributes:
        patch_size: voxels along the side of a transversal patch (paper: 15).
        latent_size: elements of z and z_hat (paper: 100).
        widths: feature maps after the first and second convolution (drawn in the paper's figure 3).
        output_activation: "tanh" or "none", after the decoder's last layer.
        features: "penultimate" or "all": the discriminator layers whose features make L_adv.
    """

    patch_size: int = 15
    latent_size: int = 100
    widths: tuple[int, int] = (64, 128)
    output_activation: str = "tanh"
    features: str = "penultimate"


@dataclass(frozen=True)
class ScoringSettings:
    """From latent differences to suspected anomalies (paper, "Anomaly scoring").

    Attributes:
        stride: voxels between patch centres on the model's grid.
        percentile: N, over the modified Z-scores of the latent elements.
        z_factor: 0.6745 (Iglewicz and Hoaglin), or 1.
        threshold: scores above it are suspected anomalies.
        back_projection: "cell", the stride x stride cell round the patch centre, or "mean", the mean of
            the overlapping patches.
        neighbourhood: "26" of the (slice, row, column) lattice, or "8" within the slice: what makes two
            patches one finding.
        min_patches: findings of fewer patches are dropped (paper: a single isolated patch, so 2).
    """

    stride: int = 4
    percentile: float = 50.0
    z_factor: float = 0.6745
    threshold: float = 3.0
    back_projection: str = "cell"
    neighbourhood: str = "26"
    min_patches: int = 2
