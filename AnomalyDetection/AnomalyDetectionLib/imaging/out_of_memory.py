"""Fallbacks when a device runs out of memory: smaller batches, then the CPU, with a message.

Messages go to the handlers of `on_fallback`, because the code that runs out of memory is far from the code that reports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

SMALLEST_SHARE = 16  # The smallest batch is this fraction of the usual one; then the next device is tried

# Messages of torch's allocators, CUDA's libraries, Metal, ITK and C++.
_SAYS = re.compile(
    r"out of memory|can't allocate memory|not enough memory|ALLOC_FAILED|bad_alloc|Failed to allocate memory",
    re.IGNORECASE,
)

Result = TypeVar("Result")

_listeners: ContextVar[tuple[Callable[[str], None], ...]] = ContextVar("listeners", default=())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that the computer's or the device's memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and _SAYS.search(str(error)) is not None


@contextmanager
def on_fallback(listener: Callable[[str], None]) -> Iterator[None]:
    """Call a handler for each fallback while the block runs, with a sentence without a full stop."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


def with_cpu_fallback(work: Callable[[str], Result], device: str, what: str) -> Result:
    """Run work on a device, or on the CPU if the device runs out of memory.

    `work`: called with the device. `what`: the name of the work, as the subject of a sentence: "The brain
    extraction". Raises what `work` raises for another reason, or on the CPU."""
    try:
        return work(device)
    except Exception as error:
        if device == "cpu" or not is_out_of_memory(error):
            raise
    _release(device)
    _say(f"The memory of the GPU was not enough. {what} went to the CPU")
    return work("cpu")


def in_batches(
    made: Callable[[str], Callable[[slice], Result]],
    count: int,
    size: int,
    device: str,
    what: str,
    progress: Callable[[float], None] | None = None,
) -> list[Result]:
    """Run work in batches; if a batch does not fit into memory, in smaller batches and finally on the CPU.

    Returns the results in order. Raises what `made` or its function raises for another reason, or on the CPU.

    Args:
        made: called with a device; returns the function that is called with the indices of a batch. Its
            results must not be on the device, which they would fill.
        count: number of indices.
        size: of the first batch.
        what: the name of the work, as the subject of a sentence: "The scoring".
        progress: called with the fraction done (0 to 1).
    """
    results: list[Result] = []
    first, smallest = 0, max(1, size // SMALLEST_SHARE)
    part = size
    while True:
        try:
            work = made(device)
            while first < count:
                results.append(work(slice(first, min(first + part, count))))
                first += part
                if progress is not None:
                    progress(min(1.0, first / count))
            return results
        except Exception as error:
            if not is_out_of_memory(error) or (device == "cpu" and part <= smallest):
                raise
        work = None  # type: ignore[assignment]  # release what it holds on the device
        _release(device)
        if part > smallest:
            part = max(smallest, part // 2)
            _say(
                f"The memory of the {'computer' if device == 'cpu' else 'GPU'} was short. {what} went on in smaller batches"
            )
        else:
            _say(f"The memory of the GPU was not enough. {what} went on on the CPU")
            device, part = "cpu", size


def _say(sentence: str) -> None:
    for listener in _listeners.get():
        listener(sentence)


def _release(device: str) -> None:
    import torch

    if device == "cuda" and torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif device == "mps" and torch.backends.mps.is_available():
        torch.mps.empty_cache()
