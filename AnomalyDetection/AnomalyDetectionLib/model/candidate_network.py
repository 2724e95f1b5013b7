"""The second look: a small network that judges one candidate in its surroundings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .classes import CLASSES

SLICES = 5  # Of a crop: the candidate's, two below and two above
SIZE = 40  # Voxels along the side of a crop, at the model's 0.9 mm and, for the wide crop, at 2.7 mm
WIDER = 3
CHANNELS = 4 * SLICES + 11
"""T1, FLAIR, probability of an anomaly and the candidate in every slice; in the middle one T1 and FLAIR of the other
side, the probabilities of the four classes that are not normal, three coordinates in the brain, and the distances
to the surface and to deep fluid."""

FEATURES = 14
SCORED_BY = ("second look", "peak", "mean", "T1 contrast", "no hyperintensity")
"""What a candidate's score is made of: the logits of its probability of being an anomaly by this network, of its highest
and its mean probability by the first one, how far its T1 is from that of the tissue round it, and the logarithm of how
much sooner this network calls it an infarct or another anomaly than a white matter hyperintensity."""


@dataclass(frozen=True)
class CandidateSettings:
    """The architecture, and the calibration of its output."""

    width: int = 32  # feature maps of the first layers
    temperature: float = 1.0  # that logits are divided by before they become probabilities
    bias: tuple[float, ...] = (0.0,) * len(CLASSES)  # added to the logit of each class before that
    # of the logistic regression that makes a candidate's score: its constant and its weights of `SCORED_BY`. The
    # default is the probability of this network alone.
    score: tuple[float, ...] = (0.0, 1.0, 0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Raise ValueError for invalid values: settings may come from untrusted model files."""
        if not 4 <= self.width <= 256:
            raise ValueError("the second look has 4 to 256 feature maps")
        if not 0.05 <= self.temperature <= 20 or len(self.bias) != len(CLASSES):
            raise ValueError("the temperature lies between 0.05 and 20, and each class has a bias")
        if not all(-50 <= value <= 50 for value in (*self.bias, *self.score)):
            raise ValueError("the biases and weights of the second look lie between -50 and 50")
        if len(self.score) != 1 + len(SCORED_BY):
            raise ValueError(f"the score has a constant and {len(SCORED_BY)} weights")


class CandidateNetwork(nn.Module):
    """Two crops and some numbers of a candidate become the probabilities of `CLASSES`. `settings`: the architecture."""

    def __init__(self, settings: CandidateSettings) -> None:
        super().__init__()
        self.settings = settings
        self.near, self.wide = _Trunk(settings.width), _Trunk(settings.width)
        self.last = nn.Sequential(
            nn.Linear(12 * settings.width + FEATURES, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.3),
            nn.Linear(128, len(CLASSES)),
        )

    def forward(self, near: Tensor, wide: Tensor, features: Tensor) -> Tensor:
        """Logits (n, classes) of crops (n, CHANNELS, SIZE, SIZE) and features (n, FEATURES); not calibrated."""
        logits: Tensor = self.last(torch.cat([self.near(near), self.wide(wide), features], dim=1))
        return logits

    def probabilities(self, near: Tensor, wide: Tensor, features: Tensor) -> Tensor:
        """Calibrated probabilities (n, classes)."""
        bias = torch.tensor(self.settings.bias, device=near.device)
        return ((self(near, wide, features) + bias) / self.settings.temperature).softmax(dim=1)


class _Trunk(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(CHANNELS, width), *_convolution(width, width), nn.MaxPool2d(2),
            *_convolution(width, 2 * width), *_convolution(2 * width, 2 * width), nn.MaxPool2d(2),
            *_convolution(2 * width, 3 * width),
        )  # fmt: skip

    def forward(self, crops: Tensor) -> Tensor:
        features = self.layers(crops)
        return torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
