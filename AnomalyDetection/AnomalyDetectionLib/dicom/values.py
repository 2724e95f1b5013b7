"""Read DICOM values tolerantly: they may violate the standard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

#: Value representations of binary numbers (PS3.5, 6.2), and those that are in the data set's own character set (PS3.5, 6.1.2.2).
_BINARY = {"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"}
_WORDS = {"LO", "LT", "PN", "SH", "ST", "UC", "UT"}


def value_of(header: Any, keyword: str) -> Any:
    """The value of an attribute; None if it is missing, empty or unreadable."""
    try:
        value = header.get(keyword)
        if isinstance(value, str):
            value = value.strip("\0 ")
        elif value is not None and not isinstance(value, (int, float)) and len(value) == 0:
            value = None
    except Exception:  # pydicom raises whatever its parts raise for a broken value
        return None
    return None if value is None or value == "" else value


def lack_of(header: Any, keyword: str) -> str:
    """Why an attribute has no value (see `value_of`)."""
    if keyword not in header:
        return "is missing"
    try:
        empty = header[keyword].is_empty or not str(header[keyword].value).strip("\0 ")
    except Exception:  # pydicom raises whatever its parts raise for a broken value
        empty = False
    return "is empty" if empty else "is broken"


def text_of(header: Any, keyword: str) -> str:
    """A text attribute, decoded tolerantly; "" if missing. Multiple values are separated by a backslash."""
    from pydicom.datadict import dictionary_VR

    element = header.get_item(keyword)
    raw = getattr(element, "value", None)
    plain = isinstance(raw, bytes) and not raw.isascii() and b"\x1b" not in raw
    if isinstance(raw, bytes) and plain and dictionary_VR(keyword) in _WORDS:
        named = _codecs(header)
        # No character set is named: bytes are hardly ever valid UTF-8 by chance, and always valid Latin 1. With code
        # extensions some writers leave out the escape sequence of the only set that is not ASCII.
        for codec in named[1:] or ([] if named else ["utf-8", "latin_1"]):
            with suppress(UnicodeDecodeError, LookupError):
                return _one_line(raw.decode(codec))
    try:
        value = header.get(keyword)
        several = isinstance(value, Sequence) and not isinstance(value, (str, bytes))  # not a person's name
        values = [] if value is None else list(value) if several else [value]
        return "\\".join(_one_line(str(each)) for each in values)
    except Exception:  # a value that is invalid for its attribute
        return ""


def numbers_of(header: Any, keyword: str, count: int) -> tuple[float, ...] | None:
    """An attribute with exactly `count` finite numbers; None if missing or different.

    Decimal commas, and text in place of binary numbers or vice versa, are accepted.
    """
    values = _numbers(header, keyword)
    return values if len(values) == count and all(map(math.isfinite, values)) else None


def first_number_of(header: Any, keyword: str) -> float | None:
    """The first number of an attribute; None if there is none."""
    values = _numbers(header, keyword)
    return values[0] if values and math.isfinite(values[0]) else None


def written(header: Any, keyword: str) -> str:
    """The raw value of an attribute, for messages; "" if missing."""
    element = header.get_item(keyword)
    value = getattr(element, "value", None)
    if isinstance(value, bytes):
        return _one_line(value.decode("latin_1"))
    if value is None or (isinstance(value, Sequence) and not value):
        return ""
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return _one_line("\\".join(map(str, value)) if several else str(value))


def private_of(header: Any, group: int, creator: str, element: int) -> Any:
    """The value of a vendor's private attribute, in whichever block; None if missing."""
    tags = header.keys()
    if all(tag >> 16 != group for tag in tags):  # most have none, and looking for a block is slow
        return None
    try:
        return header.private_block(group, creator)[element].value
    except Exception:  # no such block or attribute, or one that is malformed
        return None


def private_words(header: Any, group: int, creator: str, element: int) -> tuple[str, ...]:
    """The words of a private attribute, in capitals."""
    value = private_of(header, group, creator, element)
    if value is None:
        return ()
    if isinstance(value, bytes):
        value = value.decode("latin_1")
    values = [value] if isinstance(value, (str, int, float)) else list(value)
    return tuple(word for each in values for word in _one_line(str(each)).upper().split("\\") if word)


def private_items(header: Any, group: int, creator: str, element: int) -> list[Any]:
    """The data sets of a private sequence; empty if it is missing."""
    from pydicom.values import convert_SQ

    value = private_of(header, group, creator, element)
    try:
        if isinstance(value, bytes):  # without its value representation: implicit, then, like the whole file
            value = convert_SQ(value, is_implicit_VR=True, is_little_endian=True)
        return [item for item in value or () if hasattr(item, "private_block")]
    except Exception:  # something else
        return []


def item_of(header: Any, keyword: str) -> Any:
    """The first item of a sequence; an empty data set if it is missing, empty or broken."""
    from pydicom.dataset import Dataset

    items = value_of(header, keyword)
    return items[0] if items else Dataset()


def _numbers(header: Any, keyword: str) -> tuple[float, ...]:
    """All numbers of an attribute; empty if one of them is not a number."""
    from pydicom.datadict import dictionary_VR

    try:
        element = header.get_item(keyword)
        value, kind = getattr(element, "value", None), str(getattr(element, "VR", None) or "UN")
        if isinstance(value, bytes):
            if (dictionary_VR(keyword) if kind == "UN" else kind) in _BINARY:
                value = header.get(keyword)
            else:
                value = value.decode("ascii").strip("\0 ")
        if isinstance(value, str):
            return _numbers_in(value)
        if value is None:
            return ()
        return tuple(float(v) for v in (value if hasattr(value, "__iter__") else [value]))
    except Exception:  # for a malformed value pydicom raises whatever its parts raise
        return ()


def _numbers_in(text: str) -> tuple[float, ...]:
    """The numbers in a text, separated by backslashes; a comma is a decimal comma unless there are points, too."""
    mark = "." if "." not in text else "\\"
    pieces = text.replace(",", mark).split("\\")
    return tuple(float(piece) for piece in pieces) if text.strip() else ()


def _codecs(header: Any) -> list[str]:
    """Python's names of the character sets of a data set (PS3.3, C.12.1.1.2), in order."""
    from pydicom.charset import python_encoding

    value = value_of(header, "SpecificCharacterSet")
    names = [] if value is None else [value] if isinstance(value, str) else list(value)
    codecs = {"ISO 2022 IR 58": "gb2312", "ISO 2022 IR 149": "euc_kr"}
    return [codecs.get(name, python_encoding.get(name, "latin_1")) for name in names]


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", " ").split()).strip()
