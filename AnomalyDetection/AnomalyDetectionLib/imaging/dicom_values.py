"""Values of DICOM data sets that need not be what the standard says they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

#: Value representations that are in the data set's own character set (PS3.5, 6.1.2.2).
_WORDS = {"LO", "LT", "PN", "SH", "ST", "UC", "UT"}


def text_of(header: Any, keyword: str) -> str:
    """A text of a data set, as it was meant; "" where it is not there. Several values are parted by a backslash."""
    from pydicom.datadict import dictionary_VR

    element = header.get_item(keyword)
    raw = getattr(element, "value", None)
    plain = isinstance(raw, bytes) and not raw.isascii() and b"\x1b" not in raw
    if isinstance(raw, bytes) and plain and dictionary_VR(keyword) in _WORDS:
        named = _codecs(header)
        # No character set is named: UTF-8 hardly ever comes about by chance, and any bytes are Latin 1. With code
        # extensions some writers leave out the escape sequence of the only set that is not ASCII.
        for codec in named[1:] or ([] if named else ["utf-8", "latin_1"]):
            with suppress(UnicodeDecodeError, LookupError):
                return _one_line(raw.decode(codec))
    try:
        value = header.get(keyword)
    except Exception:  # a value that is not what its attribute has to be
        return ""
    if value is None:
        return ""
    several = isinstance(value, Sequence) and not isinstance(value, (str, bytes))  # a person's name is none
    values = list(value) if several else [value]
    return "\\".join(_one_line(str(each)) for each in values)


def numbers_of(header: Any, keyword: str, count: int) -> tuple[float, ...] | None:
    """So many finite numbers of a data set; None where they are not there, or are something else."""
    try:
        value = header.get(keyword)
        values = tuple(float(v) for v in (value if hasattr(value, "__iter__") else [value]))
    except Exception:
        return None
    return values if len(values) == count and all(map(math.isfinite, values)) else None


def item_of(groups: Any, name: str) -> Any:
    """The one item of a functional group; an empty data set where the group is not there."""
    from pydicom.dataset import Dataset

    items = groups.get(name)
    return items[0] if items else Dataset()


def _codecs(header: Any) -> list[str]:
    """Python's names of the character sets of a data set (PS3.3, C.12.1.1.2), the first one first."""
    from pydicom.charset import python_encoding

    value = header.get("SpecificCharacterSet")
    names = [] if value is None else [value] if isinstance(value, str) else list(value)
    codecs = {"ISO 2022 IR 58": "gb2312", "ISO 2022 IR 149": "euc_kr"}
    return [codecs.get(name, python_encoding.get(name, "latin_1")) for name in names]


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", " ").split()).strip()
