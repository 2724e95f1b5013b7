"""The models as text for people: a list, and the card of one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..errors import InputError
from ..model.model_file import Model, bundled_models, load_model


def model_list() -> str:
    """A line for each model that ships with the program; one that does not load says why."""
    lines = []
    for path in bundled_models():
        try:
            model = load_model(str(path))
        except InputError as error:
            lines.append(f"{path.name}: does not load: {error}")
            continue
        lines.append(f"{model.name}  sha256 {model.sha256[:16]}  {model.card.get('summary', '')}".rstrip())
    return "\n".join(lines) or "No model ships with this installation; give a model file with --model."


def model_card(path_or_name: str) -> str:
    """Name, hash, settings and card of a model.

    Args:
        path_or_name: a bundled model's name, or a model file.

    Raises:
        InputError: if there is no such model or it cannot be read.
    """
    model: Model = load_model(path_or_name)
    content = {
        "model": model.name,
        "sha256": model.sha256,
        "card": model.card,
        "preparation": asdict(model.preparation),
        "network": asdict(model.network),
        "scoring": asdict(model.scoring),
    }
    return "\n".join(_lines(content))


def _lines(content: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in content.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        elif isinstance(value, (list, tuple)) and any(isinstance(item, (dict, str)) for item in value):
            lines.append(f"{indent}{key}:")
            for item in value:
                inner = _lines(item, indent + "    ") if isinstance(item, dict) else [f"{indent}    {item}"]
                lines += [f"{indent}  - {inner[0].strip()}", *inner[1:]]
        elif isinstance(value, (list, tuple)):
            lines.append(f"{indent}{key}: {', '.join(str(item) for item in value)}")
        else:
            lines.append(f"{indent}{key}: {value}")
    return lines
