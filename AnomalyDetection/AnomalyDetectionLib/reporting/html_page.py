"""HTML pages from the templates: single files with style and pictures embedded, without scripts or external resources.

jinja2, which torch depends on, is imported when a page is made, so that the panel opens without it.
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
    """An HTML page. All text is escaped, and a Content Security Policy forbids scripts and external resources.

    Args:
        template: the file; it may extend those in `TEMPLATES`.
        rules: CSS added after style.css.
        values: the variables of the template; a missing one is an error (jinja2.UndefinedError).

    Raises:
        OSError: if a picture cannot be read.
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
    """The text with non-breaking spaces between numbers and their units: "1.5 %", "23.8 ml", "L 25"."""
    return _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", text)


def _prose(text: str) -> Markup:
    """A sentence as HTML: **words** become strong, and numbers stay with their units."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(with_units(text)))))


def _data_uri(picture: Path | bytes) -> Markup:
    """A PNG or JPEG (its content or its path) as a data URI."""
    from markupsafe import Markup

    content = picture if isinstance(picture, bytes) else picture.read_bytes()
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return Markup(f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}")


def _classes(rows: Collection[Sequence[str]], count: int, theirs: Collection[int] = ()) -> list[str]:
    """The CSS class of each column: numbers are right-aligned, and the paper's own values are set off."""
    classes = []
    for k in range(count):
        numeric = bool(rows) and all(not row[k] or _NUMBER.fullmatch(row[k]) for row in rows)
        classes.append(" ".join([*["number"] * numeric, *["theirs"] * (k in theirs)]))
    return classes
