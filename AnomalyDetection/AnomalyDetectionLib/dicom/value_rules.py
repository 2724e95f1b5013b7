"""Rules for the values of DICOM attributes, which may violate the standard (PS3.5, 6.2).

Each rule returns a value as it may be written, or None if it cannot be written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from pydicom.uid import UID
from pydicom.valuerep import DA, TM, format_number_as_ds

SHORT, LONG = 16, 64
"""Maximum length of a short and of a long string (VR SH, LO), and of a person's name."""


def uid(value: Any) -> str | None:
    """A unique identifier (VR UI)."""
    return str(value) if isinstance(value, str) and UID(value).is_valid else None


def count(value: Any) -> int | None:
    """A whole number above 0."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    return number if number > 0 else None


def decimals(value: Any, count: int, rule: Callable[[list[float]], bool] | None = None) -> list[str] | None:
    """Decimal strings (VR DS) of at most 16 characters; unchanged if they are valid already.

    Args:
        value: one number or several, as text or as numbers.
        count: required number of values.
        rule: whether finite numbers are valid for the attribute.
    """
    try:
        values = [value] if isinstance(value, (str, int, float)) else list(value)
        numbers = [float(number) for number in values]
    except (TypeError, ValueError):
        return None
    if len(numbers) != count or not all(map(math.isfinite, numbers)) or (rule and not rule(numbers)):
        return None
    texts = [(getattr(own, "original_string", None) or str(own)).strip() for own in values]
    return [
        text if len(text) <= 16 else format_number_as_ds(number)
        for text, number in zip(texts, numbers, strict=True)
    ]


def decimal(value: str) -> str | None:
    """One decimal string."""
    numbers = decimals(value, 1)
    return None if numbers is None else numbers[0]


def at_right_angles(cosines: list[float]) -> bool:
    """Whether six direction cosines are those of a row and a column at right angles."""
    row, column = np.array(cosines).reshape(2, 3)
    return bool(abs(row @ row - 1) < 0.01 and abs(column @ column - 1) < 0.01 and abs(row @ column) < 0.01)


def positive(lengths: list[float]) -> bool:
    """Whether all numbers are above 0."""
    return all(length > 0 for length in lengths)


def identifier(most: int) -> Callable[[Any], str | None]:
    """Text that must not be truncated, since that could give another identifier."""

    def use(value: Any) -> str | None:
        own = str(value)
        return own if isinstance(value, str) and len(own) <= most and _printable(own) == own else None

    return use


def text(most: int) -> Callable[[str], str | None]:
    """Text, truncated to a maximum length."""
    return lambda value: _printable(value)[:most].strip() or None


def person_name(value: str) -> str | None:
    """A person's name (VR PN): at most three representations, each of at most 64 characters and five parts."""
    groups = value.split("=")[:3]
    return "=".join("^".join(_printable(group)[:LONG].split("^")[:5]) for group in groups).strip("= ") or None


def matching(pattern: str) -> Callable[[str], str | None]:
    """Text that matches a regular expression as a whole."""
    return lambda value: value if re.fullmatch(pattern, value) else None


def date(value: str) -> str | None:
    """A date (VR DA), YYYYMMDD."""
    try:
        return value if re.fullmatch(r"\d{8}", value) and DA(value) else None
    except ValueError:
        return None


def time(value: str) -> str | None:
    """A time of day (VR TM), HHMMSS.ffffff or the beginning of it."""
    try:
        return value if re.fullmatch(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?", value) and TM(value) else None
    except ValueError:
        return None


def _printable(value: str) -> str:
    """Text without control characters, and without the backslash, which separates values."""
    return re.sub(r"[\x00-\x1f\x7f\\]", " ", value).strip()
