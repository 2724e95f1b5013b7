"""A hint of what a finding is, from the contrasts inside and round it, with its evidence in words and numbers.

A hint, not a diagnosis: few thresholds, each with a reason a radiologist would give, set on simulated lesions in people
that no table is made of. What stands first wins: a cavity is told from a small core, also where it was found together
with hyperintensities. Infarcts without a core that is seen may still be called "WMH-like".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..imaging.prepared import IntensityScale, PreparedStudy
from .appearance import LARGE_HALF_WIDTH_MM, Appearance

CAVITY, WMH, EDGE, UNKNOWN = "cavity-like", "WMH-like", "edge or artefact", "unknown"
HINTS = (CAVITY, WMH, EDGE, UNKNOWN)
"""In the order in which they are decided."""

LEAST_CORE_ML = 0.04
LEAST_CAVITY_SHARE = 0.10
LEAST_CAVITY_ML = 0.1
SOLID_FLAIR_ABOVE, SOLID_T1_BELOW = 0.0, -0.8
"""A cavity that is open to a sulcus: so much of the finding is fluid, and its tissue is dark on T1, as cortex is, but not
dark on FLAIR as the banks of a sulcus are (robust standard deviations from the scan's tissue)."""

LEAST_BRIGHT_ML = 0.03
LEAST_BRIGHT_SHARE = 0.10
LEAST_WHITE_SHARE, LEAST_WHITE_SHARE_BY_T1 = 0.4, 0.2
"""Of the tissue near what is bright, where the anatomy is known and where not: white matter hyperintensities do not lie in
the cortex. In simulated cortical infarcts it was at most 0.14, in clusters of real hyperintensities at least 0.47."""

DARK_T1_BELOW = -0.8
"""What is bright on FLAIR and on average so dark on T1 (robust standard deviations) is more than a hyperintensity."""

EDGE_MM = 5.0
MOST_OF_IT = 0.5
MOST_AT_SURFACE = 0.25
"""Of a white matter hyperintensity that may lie so near the brain's edge; more of it is cortex."""

LEAST_FLUID_SHARE = 0.15


@dataclass(frozen=True)
class Hint:
    """What a finding may be.

    Attributes:
        name: one of `HINTS`.
        evidence: phrases that say why, most important first.
    """

    name: str
    evidence: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The evidence as one line."""
        return "; ".join(self.evidence)


@dataclass(frozen=True)
class _Measured:
    """What is counted of one finding; volumes in ml, shares 0 to 1, intensities relative to the scan's tissue."""

    brain_ml: float
    core_ml: float
    enclosed_ml: float
    core_t1: float
    core_flair: float
    bright_ml: float
    deep_bright_ml: float
    bright_t1: float
    bright_flair: float
    bright_t1_sd: float
    white: float
    fluid: float
    solid_t1: float
    solid_flair: float
    at_edge: float
    t1: float
    flair: float
    ventricle_mm: float
    at_end: bool


def hints_of(cells: np.ndarray, count: int, study: PreparedStudy, appearance: Appearance) -> list[Hint]:
    """The hints for findings 1 to `count`.

    Args:
        cells: (slices, rows, columns) on the model's grid, the number of the finding or 0.
        count: how many findings there are.
        study: the prepared study on that grid.
        appearance: of that study.
    """
    least_white = LEAST_WHITE_SHARE if appearance.by_anatomy else LEAST_WHITE_SHARE_BY_T1
    return [_decided(measured, least_white) for measured in _measure(cells, count, study, appearance)]


def _decided(m: _Measured, least_white: float) -> Hint:
    if m.brain_ml == 0:
        return Hint(EDGE, ("outside the brain mask",))
    relative = f"FLAIR {m.flair:.1f} x and T1 {m.t1:.1f} x the scan's tissue"
    if m.core_ml >= LEAST_CORE_ML:
        return Hint(
            CAVITY,
            (
                f"{m.core_ml:.2f} ml core as dark as fluid (FLAIR {m.core_flair:.1f} x, T1 {m.core_t1:.1f} x"
                " the scan's tissue)",
                # A core may have parts of both kinds (see `appearance`): what holds for most of it is said.
                "gliosis round it, for the most part no such fluid on the other side"
                if m.enclosed_ml >= m.core_ml / 2
                else f"{2 * LARGE_HALF_WIDTH_MM:.0f} mm wide or more, no such fluid on the other side",
                *((f"{m.bright_ml:.2f} ml bright on FLAIR",) if m.bright_ml >= LEAST_BRIGHT_ML else ()),
            ),
        )
    if (
        m.at_edge < MOST_OF_IT
        and m.fluid >= LEAST_CAVITY_SHARE
        and m.fluid * m.brain_ml >= LEAST_CAVITY_ML
        and m.solid_flair >= SOLID_FLAIR_ABOVE
        and m.solid_t1 <= SOLID_T1_BELOW
    ):
        return Hint(
            CAVITY,
            (
                f"{m.fluid * m.brain_ml:.2f} ml as dark as fluid on both",
                f"tissue round it dark on T1 ({m.solid_t1:+.1f} SD) but not on FLAIR ({m.solid_flair:+.1f} SD)",
            ),
        )
    bright = f"{m.bright_ml:.2f} ml bright on FLAIR ({m.bright_flair:.1f} x), T1 {m.bright_t1:.1f} x the scan's tissue"
    if m.deep_bright_ml >= max(LEAST_BRIGHT_ML, LEAST_BRIGHT_SHARE * m.brain_ml):
        if m.white < least_white:
            return Hint(UNKNOWN, (bright, "no dark core", "not in white matter"))
        if m.at_edge > MOST_AT_SURFACE:
            return Hint(UNKNOWN, (bright, "no dark core", "reaches the surface of the brain"))
        if m.bright_t1_sd < DARK_T1_BELOW:
            return Hint(
                UNKNOWN, (bright, f"darker on T1 ({m.bright_t1_sd:+.1f} SD) than WMH are", "no dark core")
            )
        ventricle = (f"{m.ventricle_mm:.0f} mm from a ventricle",) if np.isfinite(m.ventricle_mm) else ()
        return Hint(WMH, (bright, "no dark core", "in white matter", *ventricle))
    if m.at_end:
        return Hint(EDGE, ("in the last slices of the brain", relative))
    if m.at_edge >= MOST_OF_IT:
        return Hint(EDGE, (f"{100 * m.at_edge:.0f} % within {EDGE_MM:.0f} mm of the brain's edge", relative))
    if m.fluid >= LEAST_FLUID_SHARE:
        return Hint(EDGE, (f"{100 * m.fluid:.0f} % is fluid of a sulcus or ventricle", relative))
    return Hint(UNKNOWN, (relative, "no dark core", "hardly anything bright on FLAIR"))


def _measure(cells: np.ndarray, count: int, study: PreparedStudy, look: Appearance) -> list[_Measured]:
    """Everything by one pass over the findings' voxels, however many findings there are."""
    at = np.flatnonzero((cells > 0) & study.brain)
    owner = cells.ravel()[at].astype(np.intp)

    def total(values: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(owner, weights=values, minlength=count + 1)[1 : count + 1].astype(float)

    def taken(image: np.ndarray) -> np.ndarray:
        return image.ravel()[at]

    def mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
        number = total(where)
        return np.divide(total(values * where), number, out=np.full(count, np.nan), where=number > 0)

    everywhere = np.ones(len(at))
    t1 = _relative(taken(study.t1), look.t1_level, study.t1_scale)
    flair = _relative(taken(study.flair), look.flair_level, study.flair_scale)
    core, enclosed, bright, fluid = (
        taken(image).astype(float) for image in (look.core, look.enclosed, look.bright, look.fluid)
    )
    edge = (taken(look.edge_mm) < EDGE_MM).astype(float)
    nearest = np.full(count + 1, np.inf)
    if look.ventricle_mm is not None:
        np.minimum.at(nearest, owner, taken(look.ventricle_mm))
    number, ml = total(), study.grid.voxel_ml
    s = at // (cells.shape[1] * cells.shape[2])
    inner = total((s > look.first_slice) & (s < look.last_slice))
    columns = (
        number * ml,
        total(core) * ml,
        total(enclosed) * ml,
        mean(t1, core),
        mean(flair, core),
        total(bright) * ml,
        total(bright * (1 - edge)) * ml,
        mean(t1, bright),
        mean(flair, bright),
        mean((taken(study.t1) - look.t1_level) / look.t1_spread, bright),
        mean(taken(look.white), bright),
        mean(fluid, everywhere),
        mean((taken(study.t1) - look.t1_level) / look.t1_spread, 1 - fluid),
        mean((taken(study.flair) - look.flair_level) / look.flair_spread, 1 - fluid),
        mean(edge, everywhere),
        mean(t1, everywhere),
        mean(flair, everywhere),
        nearest[1:],
        inner == 0,
    )
    return [_Measured(*values) for values in zip(*columns, strict=True)]


def _relative(scaled: np.ndarray, level: float, scale: IntensityScale) -> np.ndarray:
    """In bias-corrected scanner units, where 0 is no signal, over the scan's tissue."""
    normal = float(scale.invert(np.array(level)))
    return scale.invert(scaled).astype(np.float64) / normal if normal > 0 else np.full(scaled.shape, np.nan)
