"""Imported by a Python that finds this folder on its path: no way leads out of it, and who tries one is written down."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

_WAYS = {
    "socket.connect",
    "socket.sendto",
    "socket.sendmsg",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "urllib.Request",
}


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if event not in _WAYS:
        return
    address = args[1] if event in ("socket.connect", "socket.sendto", "socket.sendmsg") else args[0]
    if event.startswith("socket.") and isinstance(address, (str, bytes)) and event == "socket.connect":
        return  # a socket of this computer, by its path
    with Path(os.environ["OFFLINE_LOG"]).open("a", encoding="utf-8") as log:
        log.write(f"{event} {address!r}\n{''.join(traceback.format_stack(limit=12))}\n")
    raise OSError(f"there is no network here: {event}")


if "OFFLINE_LOG" in os.environ:
    sys.addaudithook(_refuse)
