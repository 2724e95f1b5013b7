"""The second kind of model: the context detector, which sees whole slices with their neighbours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from ..imaging.settings import PreparationSettings
from .context_network import STRIDE, ContextNetwork, ContextSettings
from .rates import RateCurve
from .settings import ScoringSettings
from .stored_settings import fingerprint, from_json, needed_version, plain
from .tensor_file import check_weights

_WEIGHTS = "network."
_VERSION = 3
"""Of the file, since which there is this kind; earlier programs say that it is too new for them."""


@dataclass(frozen=True)
class ContextModel:
    """A trained context detector and all that belongs to it.

    Its patches are cells of 2 x 2 voxels, each with a score of its own, so that percentile, statistics and z_factor of
    the scoring settings mean nothing to it, and there is nothing to average between cells. It has no latent vectors,
    and so no library of normal tissue.

    Attributes:
        name: short, as `--model` takes it.
        sha256: of the file; empty for a model that has not been written yet.
        weights: the network's state.
        settings: of the network, and of how its answers become a score.
        preparation, scoring: the settings that made it and that its use needs.
        card: for people: title, summary, what it was trained on, licences, command, seed, duration, results.
        rates: findings a normal scan by threshold; None where nobody counted them.
    """

    kind: ClassVar[str] = "context"
    library: ClassVar[None] = None

    name: str
    weights: dict[str, Tensor]
    settings: ContextSettings
    preparation: PreparationSettings
    scoring: ScoringSettings
    card: dict[str, Any]
    sha256: str = ""
    rates: RateCurve | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense, with ValueError: models also come from strangers' files."""
        if self.scoring.stride != STRIDE or self.scoring.back_projection != "cell":
            raise ValueError(f"a context model scores cells of {STRIDE} x {STRIDE} voxels, each by itself")

    @property
    def network(self) -> ContextSettings:
        """The network's settings, by the name that they have in every kind of model."""
        return self.settings

    @property
    def fingerprint(self) -> str:
        """A hash of all that scores depend on: weights and settings, but not the card."""
        return fingerprint(self.weights, self.settings, self.preparation, self.scoring)

    def context_network(self) -> ContextNetwork:
        """The network with its weights, in evaluation mode."""
        network = ContextNetwork(self.settings)
        network.load_state_dict(self.weights)
        return network.eval()

    def own_parts(self) -> tuple[dict[str, Tensor], dict[str, str], int]:
        """What only this kind has in a file: tensors, header, and the earliest version that can say it."""
        tensors = {f"{_WEIGHTS}{name}": tensor for name, tensor in self.weights.items()}
        header = {"kind": self.kind, "network": json.dumps(plain(self.settings))}
        return tensors, header, max(_VERSION, needed_version(self.preparation, self.scoring))

    @classmethod
    def of_parts(
        cls, header: Mapping[str, str], tensors: Mapping[str, Tensor], **common: Any
    ) -> ContextModel:
        """The model of a file.

        Args:
            common: what every kind has.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: it is damaged.
        """
        weights = {
            name.removeprefix(_WEIGHTS): tensor
            for name, tensor in tensors.items()
            if name.startswith(_WEIGHTS)
        }
        model = cls(weights=weights, settings=from_json(ContextSettings, header["network"]), **common)
        check_weights(model.weights, lambda: ContextNetwork(model.settings))
        return model
