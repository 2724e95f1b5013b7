"""The models as plain text: a list, and the card of one model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..errors import InputError
from ..files.text import counted, escape_controls
from ..model.false_positive_curve import in_words
from ..model.model_file import DEFAULT_MODEL, AnyModel, ContextModel, bundled_models, load_model


def model_list() -> str:
    """A line for each model that ships with the program; one that does not load says why."""
    lines = []
    for path in bundled_models():
        try:
            model = load_model(str(path))
        except InputError as error:
            lines.append(f"{path.name}: does not load: {error}")
            continue
        default = ", the default" if path.stem == DEFAULT_MODEL else ""
        title, summary = (model.card.get(entry, "") for entry in ("title", "summary"))
        parts = (f"{model.name}  kind {model.kind}{default}", title, f"sha256 {model.sha256[:16]}", summary)
        lines.append("  ".join(part for part in parts if part))
    none = "No model ships with this installation; give a model file with --model."
    return escape_controls("\n".join(lines)) or none


def model_card(path_or_name: str) -> str:
    """Name, hash, settings and card of a bundled model (by its name) or of a model file.

    InputError: if there is no such model or it cannot be read.
    """
    model = load_model(path_or_name)
    content = {
        "model": model.name,
        "kind": model.kind,
        "sha256": model.sha256,
        "findings a normal scan": _rates(model),
        "card": model.card,
        "preparation": asdict(model.preparation),
        "network": asdict(model.network),
        **({"second look": asdict(model.candidate)} if isinstance(model, ContextModel) else {}),
        "scoring": asdict(model.scoring),
    }
    return escape_controls("\n".join(_lines(content)))


def _rates(model: AnyModel) -> str:
    """Findings per normal scan at the model's threshold, and the thresholds for other numbers of findings."""
    curve, own = model.false_positive_curve, model.scoring.threshold
    if curve is None:
        return "not known; 'anomaly-detection calibrate' counts them on normal scans"
    low, high = map(in_words, curve.interval(own))
    others = ", ".join(
        f"{false_positives:g} at {curve.threshold_for(false_positives):.2f}"
        for false_positives in (0.5, 1, 2, 4, 8)
        if curve.least <= false_positives <= curve.most
    )
    return (
        f"{in_words(curve.rate(own))} ({low} to {high}) at its threshold of {own:g}; {others}; counted on "
        f"{counted(curve.scans, 'normal scan')}"
    )


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
            # so that no line of a card is taken for one of another level
            text = str(value).replace("\n", f"\n{indent}  ")
            lines.append(f"{indent}{key}: {text}")
    return lines
