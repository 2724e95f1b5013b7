"""Where models and sample lie, and which file a model's name stands for; without torch."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError

DEFAULT_MODEL = "paper"
SUFFIX = ".safetensors"


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
    """The file of a bundled model, or the file itself.

    Raises:
        InputError: there is none.
    """
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
