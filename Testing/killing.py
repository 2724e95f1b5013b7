"""A piece of work in a process of its own, which ends or fails at a chosen step of what it does to files."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

import pytest

#: What Python says before it does something to files (PEP 578), by whichever of its functions.
STEPS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "open", "os.link", "os.truncate"}

KILLED, DONE, REFUSED, BROKEN = 9, 0, 2, 1


def _writes(event: str, args: tuple) -> bool:
    if event != "open":
        return event in ("os.rename", "os.mkdir")
    mode, flags = args[1], args[2]
    return bool(set(mode or "") & set("wax+")) or bool((flags or 0) & (os.O_WRONLY | os.O_RDWR))


def at_step(
    number: int, work: Callable[[], object], *, full_disk: bool = False, lasting: bool = False
) -> int:
    """Do the work in a fork of this process, and be killed before its step of this number (from 1 on).

    Args:
        full_disk: the step fails for want of space instead, if it is one that needs some; others do not count.
        lasting: and so do all later ones.

    Returns:
        KILLED, DONE if there are fewer steps, REFUSED for an InputError, BROKEN for any other.
    """
    from AnomalyDetectionLib.errors import InputError

    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    count = 0

    def watch(event: str, args: tuple) -> None:
        nonlocal count
        if event not in STEPS or (full_disk and not _writes(event, args)):
            return
        count += 1
        if full_disk and (count == number or (lasting and count > number)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if count == number:
            os._exit(KILLED)

    code = BROKEN
    try:
        sys.addaudithook(watch)
        work()
        code = DONE
    except InputError:
        code = REFUSED
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)
