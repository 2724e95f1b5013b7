"""Read and atomically write one .safetensors file of tensors and a header."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from ..errors import InputError
from ..files.atomic_file import atomic_file
from .bundled import MOST_BYTES


def write_tensors(tensors: dict[str, Tensor], header: dict[str, str], path: Path) -> None:
    """Write beside the place, then move there. Raises OSError where it cannot be written, such as for want of space."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        with atomic_file(path) as partial:
            save_file(plain, partial, header)
            partial.chmod(0o644)  # the library leaves it to its owner alone, but models are passed on
    except SafetensorError as error:  # the library's wrapping of what the system said
        number = errno.ENOSPC if "no space" in str(error).lower() else errno.EIO
        raise OSError(number, str(error), str(path)) from error


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor], str]:
    """Header and tensors of a file, and its SHA256: all of the same bytes, which are read once.

    Nothing in it is executed, nothing is read that it names, and no more memory is taken than for the file's
    bytes and the tensors in them: the library compares what the header says with the file's length. Raises
    InputError where it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)  # it may have grown
        if len(content) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes")
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
        return header, tensors, hashlib.sha256(content).hexdigest()
    except (SafetensorError, OSError, ValueError, KeyError, AssertionError, RecursionError) as error:
        raise InputError(
            f"The model file {path} cannot be read: it is truncated, damaged, or not a .safetensors file; get it anew."
        ) from error


def check_weights(weights: Mapping[str, Tensor], network: Callable[[], nn.Module]) -> None:
    """Make sure that weights are those of a network, before it takes any memory. `weights`: by name. `network`:
    makes it. Raises ValueError where names, shapes or the kind of numbers differ."""
    with torch.device("meta"):
        wanted = network().state_dict()
    if {*wanted} != {*weights}:
        raise ValueError("weights are missing, or there are others than the network has")
    for name, tensor in wanted.items():
        if weights[name].shape != tensor.shape or weights[name].dtype != tensor.dtype:
            raise ValueError("the weights do not fit the network's settings")


def with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose name begins so, by what follows it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
