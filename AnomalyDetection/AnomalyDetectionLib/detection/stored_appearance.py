"""How the tissue of a scan looks, put away beside its scores: it takes longer to find than all that follows from it.

Values outside the brain are left out; nothing asks for them. What is missing or damaged is found anew.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from .appearance import Appearance
from .midline import Midline
from .score_map import ScoreMap

NAME = "appearance.npz"

_MIDLINE = "midline"


def write_appearance(scores: ScoreMap, folder: Path) -> None:
    """Write `NAME` into the folder of a stored score map.

    Raises:
        OSError: if it cannot be written.
    """
    brain, values = scores.study.brain, {}
    for field in fields(Appearance):
        value = getattr(scores.appearance, field.name)
        if isinstance(value, np.ndarray):
            inside = value[brain]
            values[field.name] = np.packbits(inside) if inside.dtype == bool else inside
        elif value is not None:
            values[field.name] = np.array(value)
    values[_MIDLINE] = np.array([*scores.midline.normal, scores.midline.offset])
    np.savez(folder / NAME, allow_pickle=False, **values)


def take_appearance(scores: ScoreMap, folder: Path) -> bool:
    """Let a restored score map know what `write_appearance` wrote of it.

    Returns:
        False where nothing that fits was there; the score map then finds it when it is asked.
    """
    brain = scores.study.brain
    inside = int(brain.sum())
    try:
        with np.load(folder / NAME, allow_pickle=False) as stored:
            known = {name: stored[name] for name in stored.files}
        a, b, c, offset = known.pop(_MIDLINE).tolist()
        values = {field.name: _value(known.get(field.name), brain, inside) for field in fields(Appearance)}
    except (OSError, ValueError, KeyError, BadZipFile, EOFError):
        return False
    if set(known) - set(values):
        return False
    # Where the cached properties would have put them.
    vars(scores)["midline"] = Midline((a, b, c), offset)
    vars(scores)["appearance"] = Appearance(**values)
    return True


def _value(stored: np.ndarray | None, brain: np.ndarray, inside: int) -> Any:
    if stored is None:
        return None
    if stored.ndim == 0:
        return stored.item()
    if stored.dtype == np.uint8:
        stored = np.unpackbits(stored, count=inside).astype(bool)
    whole = np.zeros(brain.shape, stored.dtype)
    whole[brain] = stored  # raises ValueError where it is another brain's
    return whole
