"""Broken symbolic links and pointers to content that was not fetched, as git-annex, DataLad and Git LFS leave them."""

from __future__ import annotations

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
