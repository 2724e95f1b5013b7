"""Collect all faults in the headers of a DICOM series and report them together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from ..errors import InputError
from .values import lack_of, value_of


@dataclass
class HeaderChecks:
    """Faults in the headers of a series, collected before they are reported.

    Attributes:
        files, headers: of the series, in the same order; `place` is an index into them.
        faults: indices of files that lack a required attribute, by keyword and fault.
        cleaned: keywords of optional attributes that were changed, by what was done.
        notes: further remarks, each a sentence without a full stop. The keys of these two are in order, without repeats.
    """

    files: list[Path]
    headers: list[Dataset]
    faults: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    cleaned: dict[str, dict[str, None]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def wrong(self, keyword: str, what: str, place: int) -> None:
        """Record a faulty required attribute of a file."""
        self.faults.setdefault((keyword, what), []).append(place)

    def clean(self, what: str, keyword: str) -> None:
        """Record a changed optional attribute."""
        self.cleaned.setdefault(what, {})[keyword] = None

    def say(self, sentence: str) -> None:
        """Record a remark, only once for all files."""
        self.notes[sentence] = None

    def need(self, keyword: str, place: int, use: Callable[[Any], Any], header: Dataset | None = None) -> Any:
        """A required attribute as `use` writes it; None, recorded as a fault, if there is none or `use` returns None.

        `header`: the part of the file's header where the attribute is; all of it by default.
        """
        header = self.headers[place] if header is None else header
        value = value_of(header, keyword)
        if value is None:
            self.wrong(keyword, lack_of(header, keyword), place)
            return None
        used = use(value)
        if used is None:
            self.wrong(keyword, f"cannot be used ({_short(value)})", place)
        return used

    def same(self, *keywords: str) -> None:
        """Record attributes that differ between files although a volume must share them."""
        for keyword in keywords:
            first = value_of(self.headers[0], keyword)
            for place, header in enumerate(self.headers[1:], start=1):
                value = value_of(header, keyword)
                if first is not None and value is not None and value != first:
                    self.wrong(keyword, f"is not that of {self.files[0].name}", place)

    def different(self, keyword: str) -> None:
        """Record an attribute that several files share although it must be unique."""
        first_place: dict[str, int] = {}
        for place, header in enumerate(self.headers):
            value = value_of(header, keyword)
            if value is not None and first_place.setdefault(str(value), place) != place:
                self.wrong(keyword, f"is that of {self.files[first_place[str(value)]].name} as well", place)

    def raise_if_any(self) -> None:
        """InputError, with all faults in one sentence, if there is one."""
        if not self.faults:
            return
        parts = []
        for (keyword, what), places in self.faults.items():
            more = f" and {len(places) - 1} more" if len(places) > 1 else ""
            parts.append(f"{keyword} {what} in {self.files[places[0]]}{more}")
        raise InputError(
            f"The DICOM images of the FLAIR cannot be referred to: {'; '.join(parts)}; export the series again "
            "with these attributes, or leave DICOM out."
        )

    def remarks(self) -> list[str]:
        """What was cleaned, each a sentence without a full stop."""
        cleaned = (f"In the FLAIR's DICOM images {what}: {', '.join(k)}" for what, k in self.cleaned.items())
        return [*cleaned, *self.notes]


def _short(value: Any) -> str:
    try:
        text = repr(str(value))
    except Exception:  # of a value that is not text
        return "no value"
    return text if len(text) < 60 else f"{text[:56]}...'"
