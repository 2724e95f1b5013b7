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


@dataclass(frozen=True)
class Contents:
    """What a lesion holds.

    Attributes:
        kind: one of `KINDS`.
        label: its class.
        core, rim: float32 (2,), T1 and FLAIR. With `relative`, factors of what is there instead of levels.
        relative: see above.
        rim_mm: how deep the rim reaches below the surface; 0: none.
        kept: share of the texture that was there before and shows through.
        patchy: SD of smooth variations, and patch_mm their size.
        noise: SD of fine noise, as a multiple of the scan's own.
    """

    kind: str
    label: int
    core: np.ndarray
    rim: np.ndarray
    relative: bool
    rim_mm: float
    kept: float
    patchy: float
    patch_mm: float
    noise: float


def draw_contents(
    rng: np.random.Generator, *, foreign: bool, kinds: Collection[str] = tuple(KINDS)
) -> Contents:
    """Contents of a random kind out of these; without foreign tissue at hand, none of that kind."""
    names = list(KINDS)
    shares = np.array([share if kind in kinds else 0.0 for kind, (_, share) in KINDS.items()])
    if not foreign:
        shares[names.index("foreign tissue")] = 0
    kind = str(rng.choice(names, p=shares / shares.sum()))
    core, rim, relative, rim_mm = _levels(kind, rng)
    itself = kind == "itself"
    return Contents(
        kind=kind,
        label=KINDS[kind][0],
        core=np.array(core, np.float32),
        rim=np.array(rim, np.float32),
        relative=relative,
        rim_mm=rim_mm,
        kept=1.0 if itself or relative else float(rng.uniform(0, 0.8)),
        patchy=float(rng.uniform(0, 0.04 if itself else 0.25) if rng.random() < 0.7 else 0.0),
        patch_mm=float(rng.uniform(1.0, 5.0)),
        noise=float(rng.uniform(0.0, 1.4)),
    )


Pair = tuple[float, float]


def _levels(kind: str, rng: np.random.Generator) -> tuple[Pair, Pair, bool, float]:
    """Core, rim, whether they are factors, and the rim's width in mm."""

    def pair(t1_low: float, t1_high: float, flair_low: float, flair_high: float) -> Pair:
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
        dark = (float(rng.uniform(0.1, 0.85)), float(rng.uniform(0.7, 1.3)))
        return dark, dark, True, 0.0
    if kind == "half filled cavity":
        half = pair(0.1, 0.6, 0.5, 1.2)
        return half, bright if rng.random() < 0.6 else half, False, float(rng.uniform(0.4, 2.5))
    if kind == "white matter hyperintensity":
        white = pair(0.72, 1.0, 1.3, 2.3)
        return white, white, False, 0.0
    anything = pair(-0.2, 2.0, -0.2, 2.7)
    if kind == "any":
        return (
            anything,
            anything if rng.random() < 0.6 else pair(-0.2, 2.0, -0.2, 2.7),
            False,
            float(rng.uniform(0, 4)),
        )
    return (1.0, 1.0), (1.0, 1.0), True, 0.0
