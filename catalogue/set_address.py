"""Put the repository's public address wherever the catalogue looks for it, once it has one.

    python catalogue/set_address.py https://github.com/OWNER/SlicerAnomalyDetection

Changes catalogue/AnomalyDetection.json and the top CMakeLists.txt (homepage, icon, screenshots), and says what is left to do.
Until then both hold an address that no computer resolves (RFC 2606), so that nobody else can ever own it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
ENTRY = REPOSITORY / "catalogue" / "AnomalyDetection.json"
CMAKE = REPOSITORY / "CMakeLists.txt"
ADDRESS = re.compile(r"https://github\.com/[\w.-]+/(?P<name>[\w.-]*Slicer[\w.-]*?)(\.git)?/?", re.IGNORECASE)


def set_address(address: str, entry: Path = ENTRY, cmake: Path = CMAKE) -> None:
    """Rewrite the two files.

    Raises:
        SystemExit: with a sentence, if the address is none that the catalogue takes.
    """
    if not ADDRESS.fullmatch(address):
        sys.exit(
            f"{address} is no address for the catalogue: https://github.com/OWNER/NAME, with 'Slicer' in its name."
        )
    address = address.removesuffix("/").removesuffix(".git")
    content = json.loads(entry.read_text("utf-8"))
    before = content["scm_url"]
    raw = address.replace("https://github.com/", "https://raw.githubusercontent.com/")
    text = cmake.read_text("utf-8")
    for old in (f"{before}/raw", before.replace("https://github.com/", "https://raw.githubusercontent.com/")):
        text = text.replace(f"{old}/{content['scm_revision']}/", f"{raw}/{content['scm_revision']}/")
    text = text.replace(f'"{before}"', f'"{address}"')
    content["scm_url"] = address
    entry.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    cmake.write_text(text, "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    set_address(sys.argv[1])
    branch = subprocess.run(
        ["git", "branch", "--show-current"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout.strip()
    print(f"{ENTRY.name} and {CMAKE.name} name {sys.argv[1]} (branch main; this is {branch or 'no branch'}).")
    print("Commit, push, give the repository the topic 3d-slicer-extension, and send the entry to")
    print("https://github.com/Slicer/ExtensionsIndex as a pull request.")
