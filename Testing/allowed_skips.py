"""For which reasons a test may be skipped where CI runs; any other skip is a failure there."""

from __future__ import annotations

import re

REASONS = (
    # not part of the repository
    r"real scans are not here: .+",
    # programs that .ci/run installs where it can
    r"chromium or its driver is not installed",
    r"\w+ \(poppler-utils\) is not installed",
    r"dciodvfy \(dicom3tools\) is not installed",
    r"(dsrdump|dcmcjpeg) \(dcmtk\) is not installed",
    r"(cmake|ctest) is not here",
    r"what cmake builds with \(make, cc\) is not here",
    # the machine, its disk, or who the user is
    r"nothing is unwritable to root",
    r"this machine has CUDA",
    r"the disk has no files with holes",
    r"this disk has no such names",
    r"no such names on this system",
    r"nothing here can compress: .+",
    r"CI does not run on Windows",
    r"tomllib comes with Python 3\.11",
)


def allowed(reason: str) -> bool:
    """Whether the whole of a reason, as pytest gives it, is on the list."""
    plain = reason.removeprefix("Skipped: ")
    return any(re.fullmatch(pattern, plain) for pattern in REASONS)
