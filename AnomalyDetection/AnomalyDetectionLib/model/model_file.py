"""A model is one .safetensors file: weights, statistics, every setting, and its card.

Nothing in it is executed when it is opened: the tensors are plain numbers, the header is JSON. There are two kinds of
model, and what they share is written and read here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeAlias

import torch

from ..errors import InputError
from ..files.text import escape_controls
from ..imaging.preparation_settings import PreparationSettings
from . import false_positive_curve
from .bundled import DEFAULT_MODEL, SUFFIX, bundled_models, find_model, resources
from .context_model import ContextModel
from .model_settings import ScoringSettings
from .paper_model import Model
from .stored_settings import from_json, plain
from .tensor_file import read_tensors, write_tensors

FORMAT = "anomaly-detection model"
VERSION = 3
"""The newest that is read. What needs no later setting is written as version 1, for programs of that time."""

_LONGEST_NAME, _LONGEST_CARD, _DEEPEST_CARD = 100, 1_000_000, 20
__all__ = ["SUFFIX", "bundled_models", "resources"]  # re-exports; all else is defined or used here
AnyModel: TypeAlias = Model | ContextModel

_KINDS: dict[str, type[Model] | type[ContextModel]] = {kind.kind: kind for kind in (Model, ContextModel)}


def save_model(model: AnyModel, path: Path) -> None:
    """Write a model, completely or not at all. Raises OSError where it cannot be written."""
    tensors, header, version = model.own_parts()
    arrays, entry = false_positive_curve.to_file(model.false_positive_curve)
    tensors |= {name: torch.from_numpy(array) for name, array in arrays.items()}
    header |= entry
    header |= {
        "format": FORMAT,
        "version": str(version),
        "name": model.name,
        "preparation": json.dumps(plain(model.preparation)),
        "scoring": json.dumps(plain(model.scoring)),
        "card": json.dumps(model.card, ensure_ascii=False),
    }
    write_tensors(tensors, header, path)


def load_model(name_or_path: str = DEFAULT_MODEL) -> AnyModel:
    """Load a bundled model by its name, or any model file by its path. Raises InputError where there is no such
    model, or the file is truncated, foreign, damaged, or of a newer version."""
    path = find_model(name_or_path)
    header, tensors, digest = read_tensors(path)
    if header.get("format") != FORMAT:
        raise InputError(
            f"{path} is not a model of AnomalyDetection: choose another file, or one of the bundled models.",
            see=("models",),
        )
    try:
        version = int(header["version"])
        if version < 1:
            raise ValueError("the version makes no sense")
        if version > VERSION:
            raise InputError(
                f"The model {path} is of a newer format ({version}) than this AnomalyDetection can read ({VERSION}); "
                "update AnomalyDetection, or use another model."
            )
        kind = _KINDS.get(header.get("kind", Model.kind))
        if kind is None:
            raise ValueError(f"the kind of model '{escape_controls(header['kind'][:50])}' is not known")
        if not _is_name(header["name"]):
            raise ValueError("its name is no name")
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
            raise ValueError("weights that are not finite")
        if len(header["card"]) > _LONGEST_CARD:
            raise ValueError("the card is too long")
        card = json.loads(header["card"])
        if not isinstance(card, dict) or not _is_shallow(card):
            raise ValueError("the card has no entries, or they hold too many others")
        return kind.of_parts(
            header,
            tensors,
            name=header["name"],
            preparation=from_json(PreparationSettings, header["preparation"]),
            scoring=from_json(ScoringSettings, header["scoring"]),
            card=card,
            sha256=digest,
            false_positive_curve=false_positive_curve.from_file(lambda name: tensors[name].numpy(), header),
        )
    except InputError:
        raise
    except (KeyError, ValueError, TypeError, RuntimeError, OverflowError, AttributeError) as error:
        first = str(error).strip().partition("\n")[0]
        reason = escape_controls(first[:200]) or type(error).__name__
        raise InputError(f"The model {path} is damaged or incomplete ({reason}); get it anew.") from error


def _is_shallow(value: object, depth: int = 0) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth <= _DEEPEST_CARD and all(_is_shallow(entry, depth + 1) for entry in inner)


def _is_name(name: str) -> bool:
    """Whether an untrusted name is safe to show and to use in file names."""
    return (
        0 < len(name) <= _LONGEST_NAME
        and name.isprintable()
        and not set(name) & set("/\\:")
        and name.strip(". ") != ""
    )


def load_paper_model(name_or_path: str, purpose: str) -> Model:
    """Load a model for what only the paper's kind can do. `purpose`: what that is, as the subject of a
    sentence: "The library of normal patches". Raises InputError as for `load_model`, or the model is of another
    kind."""
    model = load_model(name_or_path)
    if not isinstance(model, Model):
        raise InputError(
            f"{purpose} belongs to the paper's kind of model, and the model {model.name} is of the kind "
            f"'{model.kind}': give another one."
        )
    return model
