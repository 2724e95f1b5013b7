"""Pieces of a page in Markdown: tables, shares and figures with their intervals."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..evaluation.csv_rows import Row


def markdown_page(template: str, **values: object) -> str:
    """A page from a file in templates/; a list of lines is written with the filter `lines`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters["lines"] = "\n".join
    return environment.get_template(template).render(**values)


def share(row: Row, name: str) -> str:
    """A share with its interval, in per cent."""
    return _with_interval(row, name, ".0f", 100, " %")


def figure(row: Row, name: str) -> str:
    """A figure with its interval, to one decimal."""
    return _with_interval(row, name, ".1f")


def dice(row: Row) -> str:
    """The Dice coefficient with its interval, to two decimals."""
    return _with_interval(row, "dice", ".2f")


def points(row: Row) -> str:
    """A difference with its interval, in percentage points."""
    return _with_interval(row, "difference", "+.0f", 100, to=" to ")


def _with_interval(row: Row, name: str, form: str, scale: float = 1, unit: str = "", to: str = "-") -> str:
    value, low, high = (row.get(column) for column in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return "-"
    ends = "" if low is None or high is None else f" [{scale * low:{form}}{to}{scale * high:{form}}]"
    return f"{scale * value:{form}}{unit}{ends}"


def grouped(rows: Iterable[Row], *columns: str) -> dict[tuple[Any, ...], list[Row]]:
    """The rows by the values of some columns, in the order in which these first come."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[column] for column in columns), []).append(row)
    return groups


def table(heads: Iterable[str], body: Iterable[Iterable[object]]) -> list[str]:
    """A table in Markdown, line by line."""
    heads = list(heads)
    rows = [heads, ["---"] * len(heads), *body]
    return ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in rows]
