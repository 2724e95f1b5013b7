"""Attributes of the headers of DICOM images, which may be missing, empty or broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from ..errors import InputError
from .values import text_of


def header_of(file: Path) -> Dataset:
    """All of a DICOM image but its pixels.

    Raises:
        InputError: if there is no such file, or it cannot be read.
    """
    try:
        return pydicom.dcmread(file, stop_before_pixels=True)
    except FileNotFoundError as error:
        raise InputError(f"The DICOM image {file} is not there any more: load the series again.") from error
    except Exception as error:  # pydicom raises what the broken content makes its parts raise
        raise InputError(f"The DICOM image {file} cannot be read: export it again.") from error


def value_in(header: Dataset, keyword: str) -> Any:
    """The value of an attribute; None where it is missing or empty, or so broken that it is no value."""
    try:
        value = header.get(keyword)
        if isinstance(value, str):
            value = value.strip("\0 ")
        elif value is not None and not isinstance(value, (int, float)) and len(value) == 0:
            value = None
    except Exception:  # pydicom raises what the broken value makes its parts raise
        return None
    return None if value is None or value == "" else value


def lack_of(header: Dataset, keyword: str) -> str:
    """In what way an attribute has no value (see `value_in`)."""
    if keyword not in header:
        return "is missing"
    try:
        return (
            "is empty"
            if header[keyword].is_empty or not str(header[keyword].value).strip("\0 ")
            else "is broken"
        )
    except Exception:  # pydicom raises what the broken value makes its parts raise
        return "is broken"


def text_in(header: Dataset, keyword: str) -> str | None:
    """A text, decoded as it was meant; None where it is missing, empty or broken."""
    try:
        name = value_in(header, keyword)
        return str(name) if isinstance(name, PersonName) else text_of(header, keyword) or None
    except Exception:  # of a value that is so broken that pydicom does not even know its kind
        return None


def item_in(header: Dataset, keyword: str) -> Dataset:
    """The first item of a sequence; an empty one where it is missing, empty or broken."""
    items = value_in(header, keyword)
    return items[0] if items else Dataset()
