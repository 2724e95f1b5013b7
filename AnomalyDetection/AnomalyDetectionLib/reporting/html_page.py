"""Pages from the templates: one HTML file each, with style and pictures inside it, that runs and fetches nothing.

jinja2, which comes with torch, is imported when a page is made: the panel opens without it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
_NUMBER = re.compile(r"[-+−–±]?[\d.,]*([–-][\d.,]+)?(\s?%)?(\s.*)?")
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=%|(?:ml|mm|s|degrees|points)\b)|(?<=\b[RLAPSI]) (?=\d)")


def page(template: Path, *, rules: str = "", **values: object) -> str:
    """A page, in which every text is escaped. A browser lets it run no script and load nothing (Content Security Policy).

    Args:
        template: the file; it may build on those in `TEMPLATES`.
        rules: CSS after style.css.
        values: what the template asks for; one that it asks for and does not get is an error.

    Raises:
        OSError: if a picture cannot be read.
        jinja2.UndefinedError: a value is missing.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader([template.parent, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(prose=_prose, units=with_units, data_uri=_data_uri, classes=_classes)
    style = (TEMPLATES / "style.css").read_text("utf-8") + rules
    digest = base64.b64encode(sha256(style.encode("utf-8")).digest()).decode("ascii")
    return environment.get_template(template.name).render(**values, style=Markup(style), digest=digest)


def with_units(text: str) -> str:
    """The text with spaces at which no line is broken between a number and its unit: "1.5 %", "23.8 ml", "L 25"."""
    return _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", text)


def _prose(text: str) -> Markup:
    """A sentence of ours: **words** are strong, and numbers stay with their units."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(with_units(text)))))


def _data_uri(picture: Path | bytes) -> Markup:
    """A PNG or JPEG, or the file of one, as an address that holds it."""
    from markupsafe import Markup

    content = picture if isinstance(picture, bytes) else picture.read_bytes()
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return Markup(f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}")


def _classes(rows: Collection[Sequence[str]], count: int, theirs: Collection[int] = ()) -> list[str]:
    """The CSS classes of so many columns: those of numbers stand to the right, the paper's own look different."""
    classes = []
    for k in range(count):
        numeric = bool(rows) and all(not row[k] or _NUMBER.fullmatch(row[k]) for row in rows)
        classes.append(" ".join([*["number"] * numeric, *["theirs"] * (k in theirs)]))
    return classes
