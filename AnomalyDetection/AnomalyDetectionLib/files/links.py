"""Symbolic links to folders; content that is not here: not fetched (git-annex, DataLad, Git LFS), or still packed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

#: The remedy, for messages.
FETCH = "fetch it first (such as with git annex get or datalad get)"

#: What a file begins with that stands for content that was not fetched.
POINTERS = (b"version https://git-lfs.github.com/", b"/annex/objects/")


#: The end of the name of an archive.
ARCHIVE = re.compile(r"\.(zip|7z|rar|tar|tgz|tar\.\w+)\Z", re.IGNORECASE)


def leads_nowhere(path: Path) -> bool:
    """Whether a path is a link whose content is not here."""
    try:
        if path.is_symlink():
            path.stat()
    except (OSError, ValueError) as error:  # others are circular links and invalid file names
        return isinstance(error, FileNotFoundError)
    return False


def kind_of(path: Path) -> Literal["folder", "file", ""]:
    """What a path or the link at it leads to; "" for anything else, and for what may not be looked at."""
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else ""
    except OSError:
        return ""


def files_below(folder: Path, closed: list[Path]) -> Iterator[Path]:
    """What is no folder in a folder and its sub-folders, by name, also in folders that are linked: each once, and none
    that holds `folder`. Folders that cannot be read are added to `closed`."""
    known = {str(place) for place in Path(os.path.realpath(folder)).parents}
    walk = os.walk(folder, onerror=lambda error: closed.append(Path(error.filename)), followlinks=True)
    for top, folders, names in walk:
        place, folders[:] = os.path.realpath(top), sorted(folders)
        if place in known:
            folders.clear()
        elif not os.access(top, os.X_OK):  # it can be listed, but nothing in it can be opened
            folders.clear()
            closed.append(Path(top))
        else:
            yield from (Path(top, name) for name in sorted(names))
        known.add(place)
