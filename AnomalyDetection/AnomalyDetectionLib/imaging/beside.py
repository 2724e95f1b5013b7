"""Run work in a background thread; image filters and networks release the GIL while they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

Result = TypeVar("Result")


@contextmanager
def beside(work: Callable[[], Result]) -> Iterator[Future[Result]]:
    """Run `work` in parallel with the block; the block ends when both are done.

    `work`: called in another thread. Handlers of `out_of_memory.on_fallback` apply to it too. Yields a future
    whose `result()` returns or raises what `work` does."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(copy_context().run, work)
