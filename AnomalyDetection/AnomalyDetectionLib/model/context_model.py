"""The second kind of model: the context detector, which sees whole slices and looks at each candidate a second time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from ..imaging.preparation_settings import PreparationSettings
from .candidate_network import CandidateNetwork, CandidateSettings
from .context_network import ContextNetwork, ContextSettings
from .false_positive_curve import FalsePositiveCurve
from .model_settings import ScoringSettings
from .stored_settings import fingerprint, from_json, plain
from .tensor_file import check_weights, with_prefix

_WEIGHTS, _SECOND_LOOK = "network.", "second_look."
_VERSION = 3  # Of the file, since which there is this kind


@dataclass(frozen=True)
class ContextModel:
    """A trained context detector and all that belongs to it.

    Its scores are probabilities, one for each candidate, on every voxel of it: stride 1, one patch is a
    finding, and percentile, statistics and z_factor of the scoring settings do not apply. It has no latent
    vectors, and so no library of normal tissue."""

    kind: ClassVar[str] = "context"
    library: ClassVar[None] = None

    name: str  # short, as `--model` takes it
    weights: dict[str, Tensor]  # of the network that finds candidates
    settings: ContextSettings  # of that network
    second_look: dict[str, Tensor]  # weights of the network that judges them
    candidate: CandidateSettings  # settings of that network, its calibration among them
    # preparation, scoring: the settings that made it and that its use needs
    preparation: PreparationSettings
    scoring: ScoringSettings
    # for people: title, summary, what it was trained on, licences, command, seed, duration, results
    card: dict[str, Any]
    sha256: str = ""  # of the file; empty for a model that has not been written yet
    # findings per normal scan by threshold; None where none were counted
    false_positive_curve: FalsePositiveCurve | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for settings that do not fit this kind: model files are untrusted."""
        scoring = self.scoring
        if (scoring.stride, scoring.min_patches, scoring.back_projection) != (1, 1, "cell"):
            raise ValueError("a context model scores single voxels, and one is enough for a finding")

    @property
    def network(self) -> ContextSettings:
        """The network's settings, by the name that they have in every kind of model."""
        return self.settings

    @property
    def fingerprint(self) -> str:
        """A hash of all that scores depend on: weights and settings, but not the card."""
        return fingerprint(
            {**self.weights, **{_SECOND_LOOK + name: tensor for name, tensor in self.second_look.items()}},
            self.settings, self.candidate, self.preparation, self.scoring,
        )  # fmt: skip

    def context_network(self) -> ContextNetwork:
        """The network that finds candidates with its weights, in evaluation mode."""
        network = ContextNetwork(self.settings)
        network.load_state_dict(self.weights)
        return network.eval()

    def candidate_network(self) -> CandidateNetwork:
        """The network that judges candidates with its weights, in evaluation mode."""
        network = CandidateNetwork(self.candidate)
        network.load_state_dict(self.second_look)
        return network.eval()

    def own_parts(self) -> tuple[dict[str, Tensor], dict[str, str], int]:
        """The parts of the file that only this kind has: tensors, header, and the lowest file version that supports them."""
        tensors = {_WEIGHTS + name: tensor for name, tensor in self.weights.items()}
        tensors |= {_SECOND_LOOK + name: tensor for name, tensor in self.second_look.items()}
        header = {
            "kind": self.kind,
            "network": json.dumps(plain(self.settings)),
            "second_look": json.dumps(plain(self.candidate)),
        }
        return tensors, header, _VERSION

    @classmethod
    def of_parts(
        cls, header: Mapping[str, str], tensors: Mapping[str, Tensor], **common: Any
    ) -> ContextModel:
        """The model of a file. `common`: what every kind has. Raises KeyError, RuntimeError, TypeError,
        ValueError where it is damaged."""
        model = cls(
            weights=with_prefix(tensors, _WEIGHTS),
            settings=from_json(ContextSettings, header["network"]),
            second_look=with_prefix(tensors, _SECOND_LOOK),
            candidate=from_json(CandidateSettings, header["second_look"]),
            **common,
        )
        check_weights(model.weights, lambda: ContextNetwork(model.settings))
        check_weights(model.second_look, lambda: CandidateNetwork(model.candidate))
        return model
