"""A process that ends when the one it works for is gone, even if that one had no time to say so."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

EVERY_S = 0.5


def call_when_process_ends(process: int, callback: Callable[[], None]) -> None:
    """Call a function, in a thread of its own, as soon as another process has ended.

    Args:
        process: the other's id. It need not be the parent in the system's sense: launchers may stand between.
        callback: called once, at once if there is no such process.
    """

    def watch() -> None:
        if sys.platform == "win32":
            _wait_on_windows(process)
        else:
            while is_running(process):
                time.sleep(EVERY_S)
        callback()

    threading.Thread(target=watch, name="parent", daemon=True).start()


def is_running(process: int) -> bool:
    """Whether a process of this number is running."""
    if sys.platform == "win32":
        return _wait_on_windows(process, 0)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there, and somebody else's
        return True
    return True


def _wait_on_windows(process: int, milliseconds: int = 0xFFFFFFFF) -> bool:
    """Wait till a process has ended, but no longer than this; whether it is running still. Signal 0 would end it."""
    import ctypes

    synchronise, still_running = 0x00100000, 0x102
    kernel: Any = getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009  typed on Windows only
    kernel.OpenProcess.restype = ctypes.c_void_p
    kernel.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    kernel.CloseHandle.argtypes = [ctypes.c_void_p]
    handle = kernel.OpenProcess(synchronise, False, process)
    if not handle:
        return False
    running: bool = kernel.WaitForSingleObject(handle, milliseconds) == still_running
    kernel.CloseHandle(handle)
    return running
