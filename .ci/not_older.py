"""Fail if packages of this environment are older than those of another, whose `pip freeze` is given.

Usage: python .ci/not_older.py FREEZE PACKAGE...
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.version import Version


def older(freeze: str, packages: list[str]) -> list[str]:
    """A sentence for each package that is older here, or is missing in one of the two."""
    there = {
        _plain(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", freeze, re.MULTILINE)
    }
    wrong = []
    for package in packages:
        wanted = there.get(_plain(package))
        try:
            here = metadata.version(package)
        except metadata.PackageNotFoundError:
            wrong.append(f"{package} is not installed here.")
            continue
        if wanted is None:
            wrong.append(f"{package} is not among the packages to compare with.")
        elif Version(here) < Version(wanted):
            wrong.append(f"{package} is {here} here, and {wanted} there.")
    return wrong


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    found = older(Path(sys.argv[1]).read_text("utf-8"), sys.argv[2:])
    sys.exit("\n".join(["The tests ran on older packages than a newcomer gets:", *found]) if found else 0)
