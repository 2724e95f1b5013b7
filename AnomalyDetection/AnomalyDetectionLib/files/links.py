"""Broken symbolic links to content that was not fetched, as git-annex and DataLad leave them."""

from __future__ import annotations

from pathlib import Path

#: The remedy, for messages.
FETCH = "fetch it first (such as with git annex get or datalad get)"


def leads_nowhere(path: Path) -> bool:
    """Whether a path is a link whose content is not here."""
    try:
        if path.is_symlink():
            path.stat()
    except (OSError, ValueError) as error:  # others are circular links and invalid file names
        return isinstance(error, FileNotFoundError)
    return False
