"""anomalib's GANomaly, as it scores patches, to measure ours beside.

Importing anomalib the usual way imports all its models and data sets, and with them some fifty packages,
torchvision among them, of which there is none for every build of torch. The network itself needs torch
alone, so its one file is loaded, and two names that it takes from the rest are given to it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor

SIDE = 32
"""The smallest input that it takes: at 8 and 16 its two encoders come to latents of different shapes."""


class _InferenceBatch(NamedTuple):
    """In place of `anomalib.data.InferenceBatch`, of which the network fills only this field."""

    pred_score: Tensor


def _padded_already(batch: Tensor) -> Tensor:
    """In place of `pad_nextpow2`, for batches that are SIDE x SIDE."""
    assert batch.shape[-2:] == (SIDE, SIDE)
    return batch


def installed_version() -> str | None:
    """anomalib's version, None where it is not installed."""
    return version("anomalib") if importlib.util.find_spec("anomalib") else None


def scorer() -> Callable[[Tensor], Tensor]:
    """Patches (n, 2, SIDE, SIDE) to anomalib's own scores (n,); 64 features and 100 latents, as ours."""
    torch.manual_seed(0)
    network = _torch_model().GanomalyModel(
        (SIDE, SIDE), num_input_channels=2, n_features=64, latent_vec_size=100
    )
    network.eval()
    return lambda patches: network(patches).pred_score


def _torch_model() -> ModuleType:
    package = importlib.util.find_spec("anomalib")
    assert package is not None
    assert package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0], "models", "image", "ganomaly", "torch_model.py")
    data, image = ModuleType("anomalib.data"), ModuleType("anomalib.data.utils.image")
    data.InferenceBatch = _InferenceBatch  # type: ignore[attr-defined]
    image.pad_nextpow2 = _padded_already  # type: ignore[attr-defined]
    spec = importlib.util.spec_from_file_location("anomalib_ganomaly_torch_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with patch.dict(sys.modules, {data.__name__: data, image.__name__: image}):
        spec.loader.exec_module(module)
    return module
