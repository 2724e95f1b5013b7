"""Processes that prepare items while others are used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader

Item = TypeVar("Item")


def in_order(make: Callable[[Any], Item], count: int, workers: int, device: str) -> Iterable[Item]:
    """What a function makes of the numbers from 0 to `count`, in order.

    Args:
        make: can be pickled, for the other processes.
        workers: processes that share the work on the CPU, a thread each; 0, and on a GPU: this one alone.
    """
    numbers: Any = range(count)  # each is a batch of its own
    workers = workers if device == "cpu" else 0
    return DataLoader(numbers, None, collate_fn=make, num_workers=workers, worker_init_fn=one_thread)


def one_thread(_: int) -> None:
    """One thread a worker: together they have as many as there are processors."""
    torch.set_num_threads(1)
