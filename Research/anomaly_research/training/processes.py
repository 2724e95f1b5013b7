"""Several processes that train as one, and the single process that is the ordinary case.

Fabric starts the processes and carries the sums between them; every process draws the same random numbers,
takes its share of each batch, and batch normalisation uses the statistics of the whole batch, so that the
result does not depend on how many processes there were.
"""

from __future__ import annotations

from typing import Any

import torch
from AnomalyDetectionLib.errors import InputError
from torch import Tensor, nn


class Processes:
    """The processes of a run. With `fabric` None there is one, and nothing is exchanged."""

    def __init__(self, fabric: Any = None) -> None:
        self._fabric = fabric
        self.count: int = fabric.world_size if fabric else 1
        self.rank: int = fabric.global_rank if fabric else 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def device(self, kind: str) -> str:
        """The device of this process: of several GPUs, its own."""
        return str(self._fabric.device) if self._fabric and kind == "cuda" else kind

    def share(self, batch: Tensor) -> Tensor:
        """This process's part of a batch that all processes drew alike (first dimension).

        Every process needs the same number of patches, or a mean over processes is not the batch's mean.
        """
        return batch if self.count == 1 else batch[self.rank :: self.count]

    def average_(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its mean over the processes, in one exchange."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        flat = self._fabric.all_reduce(flat, reduce_op="mean")
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def synchronise(self, network: nn.Module) -> nn.Module:
        """Make batch normalisation use the whole batch; without effect on a single process."""
        if self.count > 1:
            for name, layer in list(network.named_modules()):
                if isinstance(layer, nn.BatchNorm2d):
                    parent = network.get_submodule(name.rpartition(".")[0])
                    setattr(parent, name.rpartition(".")[2], _WholeBatchNorm.like(layer))
        return network


def launch(devices: int, accelerator: str) -> Processes:
    """Start `devices` processes by Lightning Fabric, or none but this one when `devices` is 1."""
    if devices == 1:
        return Processes()
    try:
        from lightning_fabric import Fabric
    except ImportError:
        raise InputError(
            "Training with several processes needs Lightning Fabric; install it with: pip install lightning-fabric"
        ) from None
    fabric = Fabric(accelerator=accelerator, devices=devices, strategy="ddp")
    fabric.launch()
    return Processes(fabric)


class _WholeBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the shares of all processes, on any device (torch's own needs CUDA)."""

    @classmethod
    def like(cls, layer: nn.BatchNorm2d) -> _WholeBatchNorm:
        twin = cls(layer.num_features, layer.eps, layer.momentum)
        twin.load_state_dict(layer.state_dict())
        return twin.to(layer.weight.device)

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        from torch.distributed import get_world_size
        from torch.distributed.nn.functional import all_reduce

        moments = torch.stack([input.mean((0, 2, 3)), input.square().mean((0, 2, 3))])
        mean, square = all_reduce(moments) / get_world_size()
        variance = (square - mean.square()).clamp_min(0)
        count = input.numel() / input.shape[1] * get_world_size()
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        return input * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]
