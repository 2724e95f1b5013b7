"""Tensors and a header in one .safetensors file, which is written completely or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import InputError


def write_tensors(tensors: dict[str, Tensor], header: dict[str, str], path: Path) -> None:
    """Write beside the place, then move there.

    Raises:
        OSError: it cannot be written, such as for want of space.
    """
    partial = path.with_name(path.name + ".partial")
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(plain, partial, header)
        partial.chmod(0o644)  # the library leaves it to its owner alone, but models are passed on
        partial.replace(path)
    except SafetensorError as error:  # the library's wrapping of what the system said
        number = errno.ENOSPC if "no space" in str(error).lower() else errno.EIO
        raise OSError(number, str(error), str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as content:
            return content.metadata() or {}, {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"The model file {path} cannot be read: it is truncated, damaged, or not a .safetensors file; get it anew."
        ) from error
