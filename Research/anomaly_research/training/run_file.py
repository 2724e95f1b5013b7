"""Networks and optimisers of a training on disk, from which it goes on exactly: tensors and JSON, no pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.tensor_file import write_tensors
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Parts:
    """What changes in a training, by its name in the file: networks, and Adams each with what it trains."""

    networks: Mapping[str, nn.Module]
    optimisers: Mapping[str, tuple[torch.optim.Optimizer, nn.Module]]

    def write(
        self, path: Path, file_format: str, about: Mapping[str, Any], more: Mapping[str, Tensor]
    ) -> None:
        """Write the run in place of its last checkpoint, in one move, with what there is to say and more tensors."""
        tensors = dict(more)
        for prefix, network in self.networks.items():
            tensors |= {f"{prefix}.{name}": tensor for name, tensor in network.state_dict().items()}
        for prefix, (optimiser, _) in self.optimisers.items():
            for number, state in optimiser.state_dict()["state"].items():
                tensors |= {f"{prefix}.{number}.{name}": tensor for name, tensor in state.items()}
        header = {name: json.dumps(value) for name, value in about.items()}
        write_tensors(tensors, {"format": file_format, **header}, path)

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put networks and optimisers back as they were."""
        for prefix, network in self.networks.items():
            network.load_state_dict({name: tensors[f"{prefix}.{name}"] for name in network.state_dict()})
        for prefix, (optimiser, network) in self.optimisers.items():
            state = {}
            for number, weight in enumerate(network.parameters()):
                key = f"{prefix}.{number}"
                if f"{key}.step" in tensors:
                    # The moments need their weight's memory layout: fused Adam walks through both alike.
                    moments = {n: torch.empty_like(weight).copy_(tensors[f"{key}.{n}"]) for n in _MOMENTS}
                    state[number] = {"step": tensors[f"{key}.step"], **moments}
            optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


@contextmanager
def read_run(path: Path, file_format: str) -> Iterator[tuple[dict[str, Any], dict[str, Tensor]]]:
    """What was said about a run, and all tensors.

    A file that is damaged or of another version is an InputError, and so is what its use finds missing.
    """
    try:
        with safe_open(path, framework="pt") as content:
            header = content.metadata() or {}
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        if header.pop("format", None) != file_format:
            raise InputError(
                f"{path} is not a checkpoint of this version; start a new run in another folder."
            )
        yield {name: json.loads(value) for name, value in header.items()}, tensors
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"The checkpoint {path} is damaged ({error}); start a new run in another folder."
        ) from error
