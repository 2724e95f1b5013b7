"""The context detector's network: what a slice of T1 and FLAIR should look like here, and what does not belong.

One small 2.5D U-Net with two heads. The anomaly head says of every cell of 2 x 2 voxels whether it is normal,
hyperintense like a white matter lesion, or anomalous. The normative head says what the one image should look like
where only the other is seen, with how much spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .slice_unet import SliceUNet

CLASSES = ("normal", "hyperintense", "anomalous")
STRIDE = 2
"""Voxels of the model's grid along the side of a cell: the network answers at half the resolution."""

_IMAGES, _OTHER = 2, 8
"""T1 and FLAIR of every slice; brain mask, three coordinates, two flags: T1 seen, FLAIR seen; and T1 and FLAIR of the
other side of the brain."""


@dataclass(frozen=True)
class ContextSettings:
    """The architecture, and how its answers become one score.

    Attributes:
        neighbours: slices seen to either side.
        widths: feature maps at half, a quarter, ... of the resolution.
        mirrored: average over the image and its mirror image.
        hyperintense: how much of the probability of the class "hyperintense" counts as anomalous.
        fusion: bias, weight of the anomaly head's log-odds, and weight of the normative head's log(1 + d squared),
            d being the Mahalanobis distance of T1 and FLAIR from what they should be.
        covariance: of the normative head's standardised T1 and FLAIR residuals in normal tissue: variance of T1,
            covariance, variance of FLAIR.
    """

    neighbours: int = 1
    widths: tuple[int, ...] = (24, 48, 64, 96)
    mirrored: bool = True
    hyperintense: float = 1.0
    fusion: tuple[float, float, float] = (0.0, 1.0, 0.0)
    covariance: tuple[float, float, float] = (1.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        """Refuse what makes no sense, with ValueError: settings also come from strangers' model files."""
        if not 0 <= self.neighbours <= 4:
            raise ValueError(f"a slice sees 0 to 4 neighbours, not {self.neighbours}")
        if not 2 <= len(self.widths) <= 6 or not all(1 <= width <= 1024 for width in self.widths):
            raise ValueError("the network has 2 to 6 widths of 1 to 1024 feature maps")
        if not 0 <= self.hyperintense <= 1:
            raise ValueError("the share of the hyperintense lies between 0 and 1")
        if len(self.fusion) != 3 or len(self.covariance) != 3:
            raise ValueError("fusion and covariance have three numbers each")
        if not all(math.isfinite(number) for number in (*self.fusion, *self.covariance)):
            raise ValueError("fusion and covariance are finite numbers")
        first, both, second = self.covariance
        if not (first > 0 and first * second > both * both):
            raise ValueError("the covariance is not positive definite")

    @property
    def inputs(self) -> int:
        """Channels that the network sees."""
        return _IMAGES * (2 * self.neighbours + 1) + _OTHER


@dataclass(frozen=True)
class Answer:
    """What the network says of every cell.

    Attributes:
        logits: (n, 3, rows, columns), of `CLASSES`.
        mean: (n, 2, rows, columns): T1 and FLAIR as they should be, on the scaled intensities.
        log_variance: likewise, of their spread.
    """

    logits: Tensor
    mean: Tensor
    log_variance: Tensor


class ContextNetwork(nn.Module):
    """The U-Net and its two heads.

    Args:
        settings: the architecture.
    """

    def __init__(self, settings: ContextSettings) -> None:
        """Weights are drawn at random."""
        super().__init__()
        self.settings = settings
        self.unet = SliceUNet(settings.inputs, len(CLASSES) + 4, settings.widths)

    def forward(self, inputs: Tensor) -> Answer:
        """Answers to inputs as `context_inputs` makes them, sides divisible by `multiple`."""
        answer = self.unet(inputs).float()
        logits, mean, log_variance = answer.split((len(CLASSES), 2, 2), dim=1)
        return Answer(logits, mean, log_variance.clamp(-8.0, 3.0))

    @property
    def multiple(self) -> int:
        """What the sides of an image are divisible by."""
        return self.unet.multiple


def context_inputs(
    images: Tensor, brain: Tensor, place: Tensor, other_side: Tensor, seen: tuple[bool, bool] | Tensor
) -> Tensor:
    """What the network sees of slices.

    Args:
        images: (n, slices, 2, rows, columns): the slices from the lowest neighbour to the highest, T1 and FLAIR
            scaled, 0 outside the brain.
        brain: (n, rows, columns), of the slice in the middle.
        place: (n, 3, rows, columns): where in the brain a voxel lies (see `BrainPlace.at`).
        other_side: (n, 2, rows, columns): T1 and FLAIR of the slice in the middle, mirrored at the brain's midline, so that
            what lies at the same place in the other half lies here.
        seen: whether T1 and FLAIR are shown; one that is not becomes 0. Bool (n, 2), or the same for all.

    Returns:
        (n, `ContextSettings.inputs`, rows, columns).
    """
    n, slices, _, rows, columns = images.shape
    flags = torch.as_tensor(seen, dtype=images.dtype, device=images.device).expand(n, 2)
    shown = images * flags[:, None, :, None, None]
    return torch.cat(
        [
            shown.reshape(n, 2 * slices, rows, columns),
            brain[:, None].to(images.dtype),
            place,
            flags[:, :, None, None].expand(n, 2, rows, columns),
            other_side * flags[:, :, None, None],
        ],
        dim=1,
    )


def look(
    network: ContextNetwork,
    images: Tensor,
    brain: Tensor,
    place: Tensor,
    other_side: Tensor,
    seen: tuple[bool, bool] | Tensor,
) -> Answer:
    """The network's answer to slices: arguments as of `context_inputs`."""
    inputs = context_inputs(images, brain, place, other_side, seen)
    answer: Answer = network(inputs.contiguous(memory_format=torch.channels_last))
    return answer


def expected(
    network: ContextNetwork, images: Tensor, brain: Tensor, place: Tensor, other_side: Tensor
) -> Answer:
    """What T1 should be where only FLAIR is seen, and FLAIR where only T1 is: mean and spread."""
    t1_alone, flair_alone = (
        look(network, images, brain, place, other_side, seen) for seen in ((True, False), (False, True))
    )
    return Answer(
        t1_alone.logits,
        torch.stack([flair_alone.mean[:, 0], t1_alone.mean[:, 1]], dim=1),
        torch.stack([flair_alone.log_variance[:, 0], t1_alone.log_variance[:, 1]], dim=1),
    )


def mahalanobis_squared(observed: Tensor, answer: Answer, covariance: tuple[float, float, float]) -> Tensor:
    """Squared Mahalanobis distance of T1 and FLAIR from what they should be.

    Args:
        observed: (n, 2, rows, columns), cell means of T1 and FLAIR.
        answer: its mean and spread count (see `expected`).
        covariance: of the standardised residuals in normal tissue (see `ContextSettings`).

    Returns:
        (n, rows, columns).
    """
    z = (observed - answer.mean) * torch.exp(-0.5 * answer.log_variance)
    a, b, c = covariance
    first, second = z[:, 0], z[:, 1]
    return (c * first**2 - 2 * b * first * second + a * second**2) / (a * c - b * b)
