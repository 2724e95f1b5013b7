"""Locate models and sample data, and describe models by their header; without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..files.text import escape_controls

DEFAULT_MODEL = "context"
"""The model that is used where none is named: by every command, the panel and the tests. The others follow it."""

SUFFIX = ".safetensors"
PAPER_KIND = "paper"
"""The kind of model whose scores are percentiles over a patch's latent elements (see `model_file`)."""

MOST_BYTES = 256 << 20
"""Larger files are no models; a file may also say that it is larger than what it takes on the disk."""

_LONGEST_HEADER = 10_000_000
_LONGEST_LINE = 1000


@dataclass(frozen=True)
class ModelInfo:
    """A short description of a model, for a list."""

    name: str  # as `--model` takes it
    title: str  # some words for a list
    summary: str  # a sentence or two; may be empty
    kind: str  # "paper" or "context"


def resources() -> Path:
    """Where models and sample lie: beside the library in the extension, inside it in a wheel."""
    library = Path(__file__).resolve().parents[1]
    inside = library / "resources"
    return inside if inside.is_dir() else library.parent / "Resources"


def bundled_models() -> list[Path]:
    """The model files that ship with the extension, the default first."""
    paths = sorted((resources() / "Models").glob(f"*{SUFFIX}"))
    return sorted(paths, key=lambda path: path.stem != DEFAULT_MODEL)


def find_model(name_or_path: str) -> Path:
    """The file of a bundled model, or the file itself. Raises InputError where there is none."""
    for path in bundled_models():
        if path.stem == name_or_path:
            return path
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    names = ", ".join(path.stem for path in bundled_models()) or "none"
    raise InputError(
        f"There is no model '{name_or_path}': give the path of a model file, or one of the bundled models ({names})."
    )


def model_info(path: Path) -> ModelInfo:
    """What the header of a model file says, without its tensors; of a file that cannot be read, its name."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, _LONGEST_HEADER)))["__metadata__"]
        card = json.loads(header["card"])
        name, kind = str(header["name"]), str(header.get("kind", PAPER_KIND))
        title, summary = str(card.get("title") or name), str(card.get("summary", ""))
        return ModelInfo(_short(name), _short(title), _short(summary), kind)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ModelInfo(path.stem, path.stem, "", PAPER_KIND)


def _short(text: str) -> str:
    """Untrusted text for a list: shortened, without control characters and without markup, which tooltips render."""
    return escape_controls(text[:_LONGEST_LINE].replace("<", "‹"))
