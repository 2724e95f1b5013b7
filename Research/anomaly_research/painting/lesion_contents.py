"""What painted lesions hold: T1 and FLAIR of core and rim, apart from any shape; for intensities scaled by tissue modes.

Fluid is at 0 and white matter at 1 on both images; grey matter at about 0.7 on T1 and 1.2 on FLAIR.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from AnomalyDetectionLib.model.classes import INFARCT, NORMAL, OTHER, WMH

KINDS = {
    "cavity with rim": (INFARCT, 0.18),
    "cavity without rim": (INFARCT, 0.10),
    "gliosis": (INFARCT, 0.10),
    "faint gliosis": (INFARCT, 0.08),
    "dark on T1": (INFARCT, 0.19),
    "half filled cavity": (INFARCT, 0.08),
    "white matter hyperintensity": (WMH, 0.11),
    "any": (OTHER, 0.05),
    "foreign tissue": (OTHER, 0.04),
    "itself": (NORMAL, 0.08),
}
"""Kinds of contents: the class that they belong to, and how often they are painted."""

_Pair = tuple[float, float]


@dataclass(frozen=True)
class Contents:
    """What a lesion holds."""

    kind: str  # one of `KINDS`
    label: int  # its class
    core: np.ndarray  # float32 (2,), levels of T1 and FLAIR
    rim: np.ndarray  # likewise
    relative: bool  # whether these are factors of what is there, instead of levels
    rim_mm: float  # how deep the rim reaches below the surface; 0: none
    kept: float  # share of the texture that was there before and shows through
    patchy: float  # SD of smooth variations
    patch_mm: float  # their size
    noise: float  # SD of fine noise, as a multiple of the scan's own


def draw_contents(rng: np.random.Generator, *, foreign: bool, kinds: Collection[str] = KINDS) -> Contents:
    """Contents of a random kind out of these; without foreign tissue at hand, none of that kind."""
    allowed = {*kinds} if foreign else {*kinds} - {"foreign tissue"}
    shares = np.array([share if kind in allowed else 0.0 for kind, (_, share) in KINDS.items()])
    kind = str(rng.choice(list(KINDS), p=shares / shares.sum()))
    core, rim, relative, rim_mm = _levels(kind, rng)
    kept = 1.0 if relative else float(rng.uniform(0, 0.8))
    patchy = float(rng.uniform(0, 0.04 if kind == "itself" else 0.25) if rng.random() < 0.7 else 0.0)
    patch_mm, noise = float(rng.uniform(1.0, 5.0)), float(rng.uniform(0.0, 1.4))
    levels = np.array(core, np.float32), np.array(rim, np.float32)
    return Contents(kind, KINDS[kind][0], *levels, relative, rim_mm, kept, patchy, patch_mm, noise)


def _levels(kind: str, rng: np.random.Generator) -> tuple[_Pair, _Pair, bool, float]:
    """Core, rim, whether they are factors, and the rim's width in mm."""

    def pair(t1_low: float, t1_high: float, flair_low: float, flair_high: float) -> _Pair:
        return float(rng.uniform(t1_low, t1_high)), float(rng.uniform(flair_low, flair_high))

    fluid = pair(-0.08, 0.5, -0.08, 0.6)
    bright = pair(0.3, 0.88, 1.25, 2.3)
    if kind == "cavity with rim":
        return fluid, bright, False, float(rng.uniform(0.4, 3.5))
    if kind == "cavity without rim":
        return fluid, fluid, False, 0.0
    if kind == "gliosis":
        return bright, bright, False, 0.0
    if kind == "faint gliosis":
        faint = pair(0.78, 1.0, 1.12, 1.5)
        return faint, faint, True, 0.0
    if kind == "dark on T1":
        # A small cavity and its rim in one thick slice: they cancel out on the FLAIR, not on the T1.
        dark = pair(0.1, 0.85, 0.7, 1.3)
        return dark, dark, True, 0.0
    if kind == "half filled cavity":
        half = pair(0.1, 0.6, 0.5, 1.2)
        return half, bright if rng.random() < 0.6 else half, False, float(rng.uniform(0.4, 2.5))
    if kind == "white matter hyperintensity":
        white = pair(0.72, 1.0, 1.3, 2.3)
        return white, white, False, 0.0
    anything = pair(-0.2, 2.0, -0.2, 2.7)
    if kind == "any":
        rim = anything if rng.random() < 0.6 else pair(-0.2, 2.0, -0.2, 2.7)
        return anything, rim, False, float(rng.uniform(0, 4))
    return (1.0, 1.0), (1.0, 1.0), True, 0.0
