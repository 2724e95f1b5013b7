"""Lesions by what may make them easy or hard to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .truth import Lesion

SIZES = ((0.0, 0.1), (0.1, 0.3), (0.3, 1.0), (1.0, np.inf))
"""Volumes in millilitres, from (inclusive) to (docs/method.md, "Baselines")."""

CONTRASTS = ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, np.inf))
"""Contrast to noise, from (inclusive) to; no measure of what can be seen (see `truth.contrast_to_noise`)."""

STRATA = ("size", "contrast", "kind", "region", "cavitated")

TOGETHER: Mapping[str, Callable[[Lesion], bool]] = {
    "under 1 ml": lambda lesion: lesion.volume_ml < 1,
    "contrast over 2": lambda lesion: (lesion.contrast or 0) >= 2,
}
"""Classes that overlap the others: what is small, and what stands out."""


def size_name(volume_ml: float, sizes: Sequence[tuple[float, float]] = SIZES) -> str:
    """The size class of a volume, such as "0.1 to 0.3 ml"."""
    return _name(volume_ml, sizes, " ml")


def _name(value: float, classes: Sequence[tuple[float, float]], unit: str = "") -> str:
    low, high = next(bounds for bounds in classes if value < bounds[1])
    if low == 0:
        return f"under {high:g}{unit}"
    return f"over {low:g}{unit}" if high == np.inf else f"{low:g} to {high:g}{unit}"


def strata(lesions: Sequence[Lesion]) -> list[tuple[str, str, np.ndarray]]:
    """The lesions of each class: stratum, class, bool (lesions,).

    Sizes in rising order, with those that hold no lesion; of the others only those that hold some, by name.
    """
    result = []
    for stratum in STRATA:
        names = np.array([_class(lesion, stratum) for lesion in lesions], object)
        classes = sorted(set(names) - {""})
        if stratum == "size":
            classes = [size_name(low) for low, _ in SIZES]
        elif stratum == "contrast":
            classes = [name for low, _ in CONTRASTS if (name := _name(low, CONTRASTS)) in classes]
        result += [(stratum, name, names == name) for name in classes]
    for name, belongs in TOGETHER.items():
        among = np.array([belongs(lesion) for lesion in lesions], bool)
        result += [("together", name, among)] if among.any() else []
    return result


def _class(lesion: Lesion, stratum: str) -> str:
    if stratum == "contrast":
        return "" if lesion.contrast is None else _name(lesion.contrast, CONTRASTS)
    return size_name(lesion.volume_ml) if stratum == "size" else getattr(lesion, stratum)
