"""A model is one .safetensors file: weights, latent statistics, every setting, and its card.

Nothing in it is executed when it is opened: the tensors are plain numbers, the header is JSON.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import InputError
from ..imaging.settings import PreparationSettings
from . import library as normal_library
from .bundled import DEFAULT_MODEL, SUFFIX, bundled_models, find_model, resources
from .library import NormalLibrary
from .networks import Generator
from .settings import NetworkSettings, ScoringSettings
from .tensor_file import write_tensors

FORMAT = "anomaly-detection model"
VERSION = 2
"""The newest that is read. What needs no later setting is written as version 1, for programs of that time."""

_SINCE = {"statistics": 2}
"""Settings that came after version 1: left out of a file where they have their default."""

__all__ = [
    "DEFAULT_MODEL",
    "FORMAT",
    "SUFFIX",
    "VERSION",
    "Model",
    "bundled_models",
    "find_model",
    "load_model",
    "resources",
    "save_model",
]

Settings = TypeVar("Settings", NetworkSettings, PreparationSettings, ScoringSettings)


@dataclass(frozen=True)
class Model:
    """A trained model and all that belongs to it.

    Attributes:
        name: short, as `--model` takes it.
        sha256: of the file; empty for a model that has not been written yet.
        weights: the generator's state.
        median, deviation: float32 (latent_size,), of z - z_hat over the training patches.
        network, preparation, scoring: the settings that made it and that its use needs.
        card: for people: what it was trained on, licences, command, seed, duration, curves, results.
        library: normal patches it was trained on, for comparison; None in files of earlier versions. Programs
            of those versions read files that have it, and do not see it.
    """

    name: str
    weights: dict[str, Tensor]
    median: Tensor
    deviation: Tensor
    network: NetworkSettings
    preparation: PreparationSettings
    scoring: ScoringSettings
    card: dict[str, Any]
    sha256: str = ""
    library: NormalLibrary | None = None

    @property
    def fingerprint(self) -> str:
        """A hash of all that scores depend on: weights, statistics and settings, but not the card or the library."""
        digest = hashlib.sha256()
        tensors = {**self.weights, "median": self.median, "deviation": self.deviation}
        for name in sorted(tensors):
            digest.update(name.encode())
            digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
        settings = [dataclasses.asdict(s) for s in (self.network, self.preparation, self.scoring)]
        digest.update(json.dumps(settings, sort_keys=True).encode())
        return digest.hexdigest()

    def generator(self) -> Generator:
        """The network with its weights, in evaluation mode."""
        generator = Generator(self.network)
        generator.load_state_dict(self.weights)
        return generator.eval()


def save_model(model: Model, path: Path) -> None:
    """Write a model, completely or not at all.

    Raises:
        OSError: it cannot be written.
    """
    header = {
        "format": FORMAT,
        "version": str(_version_of(model)),
        "name": model.name,
        "network": json.dumps(_plain(model.network)),
        "preparation": json.dumps(_plain(model.preparation)),
        "scoring": json.dumps(_plain(model.scoring)),
        "card": json.dumps(model.card, ensure_ascii=False),
    }
    tensors = {f"generator.{name}": tensor for name, tensor in model.weights.items()}
    tensors |= {"median": model.median, "deviation": model.deviation}
    if model.library is not None:
        arrays, entry = normal_library.to_file(model.library)
        tensors |= {name: torch.from_numpy(array) for name, array in arrays.items()}
        header |= entry
    write_tensors(tensors, header, path)


def load_model(name_or_path: str = DEFAULT_MODEL) -> Model:
    """Load a bundled model by its name, or any model file by its path.

    Raises:
        InputError: there is no such model, or the file is truncated, foreign, damaged, or of a newer version.
    """
    path = find_model(name_or_path)
    header, tensors = _header_and_tensors(path)
    if header.get("format") != FORMAT:
        raise InputError(
            f"{path} is not a model of AnomalyDetection; 'anomaly-detection models' lists those there are."
        )
    try:
        version = int(header["version"])
        if version > VERSION:
            raise InputError(
                f"The model {path} is of a newer format ({version}) than this AnomalyDetection can read ({VERSION}); "
                "update AnomalyDetection, or use another model."
            )
        network = _settings(NetworkSettings, header["network"])
        arrays = {name: tensors[name].numpy() for name in normal_library.array_names(header)}
        model = Model(
            name=header["name"],
            weights={
                k.removeprefix("generator."): v for k, v in tensors.items() if k.startswith("generator.")
            },
            median=tensors["median"],
            deviation=tensors["deviation"],
            network=network,
            preparation=_settings(PreparationSettings, header["preparation"]),
            scoring=_settings(ScoringSettings, header["scoring"]),
            card=json.loads(header["card"]),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            library=normal_library.from_file(arrays, header, network.latent_size),
        )
        if model.median.shape != (model.network.latent_size,) or model.deviation.shape != model.median.shape:
            raise ValueError("statistics do not fit the latent size")
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
            raise ValueError("weights that are not finite")
        model.generator()
    except InputError:
        raise
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"The model {path} is damaged or incomplete ({reason}); get it anew.") from error
    return model


def _header_and_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as content:
            return content.metadata() or {}, {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"The model file {path} cannot be read: it is truncated, damaged, or not a .safetensors file; get it anew."
        ) from error


def _version_of(model: Model) -> int:
    """The earliest version that can say what this model needs."""
    blocks = (model.network, model.preparation, model.scoring)
    return max((_SINCE.get(name, 1) for block in blocks for name in _plain(block)), default=1)


def _plain(settings: NetworkSettings | PreparationSettings | ScoringSettings) -> dict[str, Any]:
    """Settings for JSON, without those that earlier programs do not know and that have their default."""
    values = dataclasses.asdict(settings)
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    return {name: v for name, v in values.items() if name not in _SINCE or v != defaults[name]}


def _settings(kind: type[Settings], text: str) -> Settings:
    """Settings from JSON; lists become the tuples that the dataclasses hold, unknown names are an error."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()
    }
    return kind(**values)
