"""The paper's model: a GANomaly network, the statistics of its latent differences, and its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..imaging.preparation_settings import PreparationSettings
from . import library as normal_library
from .bundled import PAPER_KIND
from .false_positive_curve import FalsePositiveCurve
from .library import NormalLibrary
from .model_settings import NetworkSettings, ScoringSettings
from .networks import Generator
from .stored_settings import fingerprint, from_json, needed_version, plain
from .tensor_file import check_weights, with_prefix
from .tissue_statistics import TissueStatistics, needs_tissue_statistics

_WEIGHTS = "generator."


@dataclass(frozen=True)
class Model:
    """A trained model of the paper's kind and all that belongs to it."""

    kind: ClassVar[str] = PAPER_KIND

    name: str  # short, as `--model` takes it
    weights: dict[str, Tensor]  # the generator's state
    # median, deviation: float32 (latent_size,), of z - z_hat over the training patches
    median: Tensor
    deviation: Tensor
    # network, preparation, scoring: the settings that made it and that its use needs
    network: NetworkSettings
    preparation: PreparationSettings
    scoring: ScoringSettings
    # For people: what it was trained on, licences, command, seed, duration, curves, results
    card: dict[str, Any]
    sha256: str = ""  # of the file; empty for a model that has not been written yet
    # normal patches it was trained on, for comparison; None in files of earlier versions. Programs of those
    # versions read files that have it, and do not see it.
    library: NormalLibrary | None = None
    # for other readings of the scores than the paper's; None where nobody added them, and likewise
    tissue_statistics: TissueStatistics | None = None
    # findings per normal scan by threshold; None where none were counted, and likewise
    false_positive_curve: FalsePositiveCurve | None = None

    @property
    def fingerprint(self) -> str:
        """A hash of all that scores depend on: weights, statistics and settings, but not the card or the library."""
        tensors = {**self.weights, "median": self.median, "deviation": self.deviation}
        if needs_tissue_statistics(self.scoring) and self.tissue_statistics is not None:
            tensors |= self.tissue_statistics.tensors()
        return fingerprint(tensors, self.network, self.preparation, self.scoring)

    def generator(self) -> Generator:
        """The network with its weights, in evaluation mode."""
        generator = Generator(self.network)
        generator.load_state_dict(self.weights)
        return generator.eval()

    def own_parts(self) -> tuple[dict[str, Tensor], dict[str, str], int]:
        """The parts of the file that only this kind has: tensors, header, and the lowest file version that supports them."""
        tensors = {f"{_WEIGHTS}{name}": tensor for name, tensor in self.weights.items()}
        tensors |= {"median": self.median, "deviation": self.deviation}
        header = {"network": json.dumps(plain(self.network))}
        if self.library is not None:
            arrays, entry = normal_library.to_file(self.library)
            tensors |= {name: torch.from_numpy(array) for name, array in arrays.items()}
            header |= entry
        if self.tissue_statistics is not None:
            tensors |= self.tissue_statistics.tensors()
        return tensors, header, needed_version(self.network, self.preparation, self.scoring)

    @classmethod
    def of_parts(cls, header: Mapping[str, str], tensors: Mapping[str, Tensor], **common: Any) -> Model:
        """The model of a file. `common`: what every kind has. Raises KeyError, RuntimeError, TypeError,
        ValueError where it is damaged."""
        network = from_json(NetworkSettings, header["network"])
        library = normal_library.from_file(lambda name: tensors[name].numpy(), header, network.latent_size)
        model = cls(
            weights=with_prefix(tensors, _WEIGHTS),
            median=tensors["median"],
            deviation=tensors["deviation"],
            network=network,
            library=library,
            tissue_statistics=TissueStatistics.of_tensors(tensors, network.latent_size),
            **common,
        )
        if model.median.shape != (network.latent_size,) or model.deviation.shape != model.median.shape:
            raise ValueError("statistics do not fit the latent size")
        check_weights(model.weights, lambda: Generator(network))
        return model
