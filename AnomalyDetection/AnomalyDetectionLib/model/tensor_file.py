"""Tensors and a header into one .safetensors file, completely or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


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
