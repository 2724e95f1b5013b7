"""Pieces of a page in Markdown: tables, shares and figures with their intervals."""

from __future__ import annotations

from collections.abc import Iterable

from ..evaluation.bootstrap import Row


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun, such as "1 scan" or "6 people"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def share(row: Row, name: str) -> str:
    """A share with its interval, in per cent."""
    value, low, high = (row.get(column) for column in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return "-"
    return f"{100 * value:.0f} %" + (
        "" if low is None or high is None else f" [{100 * low:.0f}-{100 * high:.0f}]"
    )


def figure(row: Row, name: str) -> str:
    """A figure with its interval, to one decimal."""
    value, low, high = (row.get(column) for column in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return "-"
    return f"{value:.1f}" + ("" if low is None or high is None else f" [{low:.1f}-{high:.1f}]")


def dice(row: Row) -> str:
    """The Dice coefficient with its interval, to two decimals."""
    value, low, high = (row.get(column) for column in ("dice", "dice_low", "dice_high"))
    if value is None:
        return "-"
    return f"{value:.2f}" + ("" if low is None or high is None else f" [{low:.2f}-{high:.2f}]")


def table(heads: Iterable[str], body: Iterable[Iterable[object]]) -> list[str]:
    """A table in Markdown, line by line."""
    heads = list(heads)
    rows = [heads, ["---"] * len(heads), *body]
    return ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in rows]
