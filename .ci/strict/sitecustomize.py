"""Imported by a Python that finds this folder on its path: what our own files use that is deprecated is an error.

It is written down as well (DEPRECATIONS names the file), since the program goes on after some errors.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TextIO

_LIBRARY = "AnomalyDetectionLib"
_show = warnings.showwarning


def _refuse(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if _LIBRARY not in Path(filename).parts or not issubclass(category, _KINDS):
        _show(message, category, filename, lineno, file, line)
        return
    with Path(os.environ["DEPRECATIONS"]).open("a", encoding="utf-8") as log:
        log.write(f"{filename}:{lineno}: {category.__name__}: {message}\n")
    raise category(message)


_KINDS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)

if "DEPRECATIONS" in os.environ:
    for kind in _KINDS:
        warnings.filterwarnings("always", category=kind, module=rf"{_LIBRARY}\b")
    warnings.showwarning = _refuse
