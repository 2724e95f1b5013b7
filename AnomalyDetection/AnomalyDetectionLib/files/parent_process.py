"""Notice when the parent process has ended, even if it was killed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

EVERY_S = 0.5


def call_when_process_ends(process: int, callback: Callable[[], None]) -> None:
    """Call a function once in a background thread when another process ends; at once if there is no such process.

    The process need not be the direct parent: launchers may stand between.
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
    """Whether a process with this id is running."""
    if sys.platform == "win32":
        return _wait_on_windows(process, 0)
    try:
        os.kill(process, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)  # it exists and belongs to another user
    return True


def _wait_on_windows(process: int, milliseconds: int = 0xFFFFFFFF) -> bool:
    """Wait for a process to end, with a timeout; return whether it still runs. (On Windows, signal 0 would end it.)"""
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
