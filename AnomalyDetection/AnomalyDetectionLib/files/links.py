"""Links whose content lies elsewhere, as git-annex and DataLad make them."""

from __future__ import annotations

from pathlib import Path

#: What to do about one.
FETCH = "fetch it first (such as with git annex get or datalad get)"


def leads_nowhere(path: Path) -> bool:
    """Whether a path is a link whose content is not here."""
    try:
        if path.is_symlink():
            path.stat()
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # links in a circle, and what is no name of a file
        return False
    return False
