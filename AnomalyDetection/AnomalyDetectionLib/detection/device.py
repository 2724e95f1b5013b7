"""Which device the network runs on."""

from __future__ import annotations

import torch

from ..errors import InputError


def available_devices() -> tuple[str, ...]:
    """The devices of this machine, the fastest first; "cpu" is always among them."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def device_name(device: str) -> str:
    """One of `available_devices` in words for people."""
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        return f"{properties.name} ({properties.total_memory / 2**30:.0f} GiB)"
    if device == "mps":
        return "Apple GPU"
    return f"CPU with {torch.get_num_threads()} threads"


def resolve_device(name: str) -> str:
    """The device that `name` stands for: "auto" is the fastest there is. Raises InputError where the device is
    not there."""
    devices = available_devices()
    if name == "auto":
        return devices[0]
    if name not in devices:
        raise InputError(
            f"This machine has no device '{name}' that torch can use; it has {', '.join(devices)}, so leave the device at auto.",
            see=("device",),
        )
    return name
