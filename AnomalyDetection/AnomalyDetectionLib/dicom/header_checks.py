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
        notes: further remarks, each a sentence without a full stop.
    """

    files: list[Path]
    headers: list[Dataset]
    faults: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    cleaned: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def wrong(self, keyword: str, what: str, place: int) -> None:
        """Record a faulty required attribute of a file."""
        self.faults.setdefault((keyword, what), []).append(place)

    def clean(self, what: str, keyword: str) -> None:
        """Record a changed optional attribute."""
        names = self.cleaned.setdefault(what, [])
        if keyword not in names:
            names.append(keyword)

    def say(self, sentence: str) -> None:
        """Record a remark, only once for all files."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def need(self, keyword: str, place: int, use: Callable[[Any], Any], header: Dataset | None = None) -> Any:
        """A required attribute, converted by `use`; None, recorded as a fault, if that fails.

        Args:
            keyword: of the attribute.
            place: index of the file.
            use: returns the value as it may be written, or None.
            header: the part of the file's header where the attribute is; all of it by default.
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
        """Report all faults in one sentence.

        Raises:
            InputError: there is a fault.
        """
        if not self.faults:
            return
        parts = []
        for (keyword, what), places in self.faults.items():
            where = str(self.files[places[0]])
            if len(places) > 1:
                where += f" and {len(places) - 1} more"
            parts.append(f"{keyword} {what} in {where}")
        raise InputError(
            f"The DICOM images of the FLAIR cannot be referred to: {'; '.join(parts)}; export the series again "
            "with these attributes, or leave DICOM out."
        )

    def remarks(self) -> list[str]:
        """What was cleaned, each a sentence without a full stop."""
        return [
            *(
                f"In the FLAIR's DICOM images {what}: {', '.join(names)}"
                for what, names in self.cleaned.items()
            ),
            *self.notes,
        ]


def _short(value: Any) -> str:
    try:
        text = repr(str(value))
    except Exception:  # of a value that is not text
        return "no value"
    return text if len(text) < 60 else f"{text[:56]}...'"
