"""The most similar normal tissue to a finding of a result, looked up in the model that made it.

The prepared images come from the scene and the normal patches from the model's file, so it works at any threshold and in
a saved scene, as long as the model is available.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ..detection.nearest_normal import NearestNormals, NormalTissue
from ..errors import InputError
from ..files.file_hash import sha256_of
from ..model.bundled import MOST_BYTES, find_model
from .result import Result, findings_of, provenance_of, score_map_of, why_fixed


def comparison_of(result: Result, number: int) -> NearestNormals:
    """The highest patch of a finding with the normal patches nearest to it.

    Raises an InputError if the model is missing or has no library of normal patches, a volume of the result
    has no voxels, its patches were not kept, or a Python package for reading the model is missing. Raises a
    KeyError if there is no such finding.
    """
    if why_fixed(result):
        raise InputError("the score map was not kept with this result.")
    tissue = tissue_of(result)
    finding = {item.number: item for item in findings_of(result).items}[number]
    return tissue.of_patch(score_map_of(result), finding.peak_patch)


def tissue_of(result: Result) -> NormalTissue:
    """The library of normal tissue in the model of a result. Raises an InputError as for `comparison_of`."""
    model = provenance_of(result).get("model")
    if not isinstance(model, dict) or "sha256" not in model:
        raise InputError("This result does not say which model made it.")
    name = str(model.get("name", ""))
    try:
        path = find_model(str(model.get("file", name)))
    except InputError:
        raise InputError(
            f'The file of the model "{name}", which made this result, no longer exists.'
        ) from None
    sha256, tissue = _tissue(path, path.stat().st_mtime_ns, path.stat().st_size)
    if sha256 != model["sha256"]:
        raise InputError(f'The model "{name}" has been replaced since it made this result.')
    if tissue is None:
        raise InputError(f'The model "{name}", which made this result, contains no normal tissue.')
    return tissue


@lru_cache(maxsize=2)
def _tissue(path: Path, _modified: int, size: int) -> tuple[str, NormalTissue | None]:
    """The hash of a model file and the normal tissue in it; cached until the file changes."""
    if size > MOST_BYTES:
        raise InputError(f"The model file {path} is larger than any model.")
    try:
        return sha256_of(path), NormalTissue.read(path)
    except ImportError as error:
        raise InputError(
            f"The Python package {error.name} is not installed: the next detection offers to install it."
        ) from error
    except OSError as error:
        raise InputError(f"The model file {path} cannot be read ({error.strerror}).") from error
