"""Processes that prepare items while others are used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

Item = TypeVar("Item")


def in_order(items: Dataset[Item], workers: int, device: str) -> Iterable[Item]:
    """Each item, in order.

    Args:
        workers: processes that make them on the CPU, a thread each; 0 for this one. A GPU has this one alone.
    """
    return DataLoader(
        items, batch_size=None, num_workers=workers if device == "cpu" else 0, worker_init_fn=one_thread
    )


def one_thread(_: int) -> None:
    """One thread a worker: together they have as many as there are processors."""
    torch.set_num_threads(1)
