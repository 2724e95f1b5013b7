"""Lesions by what may make them easy or hard to find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .truth import Lesion

SIZES = ((0.0, 0.1), (0.1, 0.3), (0.3, 1.0), (1.0, np.inf))
"""Volumes in millilitres, from (inclusive) to (docs/method.md, "Baselines")."""

STRATA = ("size", "kind", "region", "cavitated")


def size_name(volume_ml: float) -> str:
    """The size class of a volume, such as "0.1 to 0.3 ml"."""
    for low, high in SIZES:
        if volume_ml < high:
            if low == 0:
                return f"under {high:g} ml"
            return f"over {low:g} ml" if high == np.inf else f"{low:g} to {high:g} ml"
    raise ValueError(f"{volume_ml} is no volume")


def strata(lesions: Sequence[Lesion]) -> list[tuple[str, str, np.ndarray]]:
    """The lesions of each class: stratum, class, bool (lesions,).

    Sizes in rising order, with those that hold no lesion; of the others only those that hold some, by name.
    """
    result = []
    for stratum in STRATA:
        names = np.array([_class(lesion, stratum) for lesion in lesions], object)
        classes = [size_name(low) for low, _ in SIZES] if stratum == "size" else sorted(set(names) - {""})
        result += [(stratum, name, names == name) for name in classes]
    return result


def _class(lesion: Lesion, stratum: str) -> str:
    return size_name(lesion.volume_ml) if stratum == "size" else getattr(lesion, stratum)
