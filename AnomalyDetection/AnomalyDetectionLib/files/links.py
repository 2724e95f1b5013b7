"""Symbolic links to folders; broken links and pointers to content that was not fetched (git-annex, DataLad, Git LFS)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

#: The remedy, for messages.
FETCH = "fetch it first (such as with git annex get or datalad get)"

#: What a file begins with that stands for content that was not fetched.
POINTERS = (b"version https://git-lfs.github.com/", b"/annex/objects/")


def leads_nowhere(path: Path) -> bool:
    """Whether a path is a link whose content is not here."""
    try:
        if path.is_symlink():
            path.stat()
    except (OSError, ValueError) as error:  # others are circular links and invalid file names
        return isinstance(error, FileNotFoundError)
    return False


def walk(
    folder: Path, onerror: Callable[[OSError], object] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """`os.walk` in the order of names that also enters folders by their links, each once."""
    known: set[str] = set()
    for top, folders, names in os.walk(folder, onerror=onerror, followlinks=True):
        place = os.path.realpath(top)
        if place in known:
            folders.clear()
            continue
        known.add(place)
        folders.sort()
        yield top, folders, sorted(names)
