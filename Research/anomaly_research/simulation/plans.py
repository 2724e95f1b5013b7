"""Which infarcts a person has: how many, how large, of which kind; drawn like the paper's test set.

Van Hespen et al. 2021: 553 infarcts in 225 patients, median 0.44 ml, 0.036 to 156 ml.
"""

from __future__ import annotations

import numpy as np

from ..evaluation.published import LARGEST_ML, MEDIAN_ML, SMALLEST_ML
from .lesions import InfarctPlan
from .shapes import radius_mm

#: The median of the largest of 553 standard normal numbers: 553 draws are to reach the paper's extremes.
_EXTREME = 3.022
_BELOW = float(np.log(MEDIAN_ML / SMALLEST_ML)) / _EXTREME
_ABOVE = float(np.log(LARGEST_ML / MEDIAN_ML)) / _EXTREME

#: Each further infarct is that much less frequent; from 1 to 6 infarcts this makes 553 in 225 patients.
_NEXT = 0.68

#: Share of infarcts that have become a cavity, by volume (ml, upper limit); a design choice as well.
_CAVITATED = ((0.1, 0.5), (1.0, 0.65), (3.0, 0.8), (np.inf, 0.93))

#: How thick the gliosis round a cavity is; never so thick that it leaves none.
_RIM_MM = (1.0, 3.0)

#: Shares of the kinds by volume (ml, upper limit). Lacunes are 3 to 15 mm wide, at most 1.77 ml as balls.
#: The shares are a design choice: no paper gives them. Of what the paper's model missed, nearly all under
#: 1 ml, a third was cortical and a quarter infratentorial.
_KINDS: tuple[tuple[float, dict[str, float]], ...] = (
    (0.4, {"cortical": 0.32, "lacunar": 0.42, "infratentorial": 0.26}),
    (1.77, {"cortical": 0.42, "lacunar": 0.30, "large subcortical": 0.04, "infratentorial": 0.24}),
    (8.0, {"cortical": 0.64, "large subcortical": 0.18, "infratentorial": 0.18}),
    (20.0, {"cortical": 0.82, "large subcortical": 0.10, "infratentorial": 0.08}),
    (np.inf, {"cortical": 1.0}),
)


def random_volume_ml(rng: np.random.Generator) -> float:
    """A volume like the paper's: log-normal to either side of the median, each with a width of its own.

    The widths are such that among 553 draws the smallest and the largest are, as a median, the paper's. A
    draw beyond those is brought to them.
    """
    z = float(rng.standard_normal())
    return float(np.clip(MEDIAN_ML * np.exp(z * (_BELOW if z < 0 else _ABOVE)), SMALLEST_ML, LARGEST_ML))


def kinds_of(volume_ml: float) -> dict[str, float]:
    """The kinds that an infarct of this volume may be, and how often it is each (adds up to 1)."""
    return next(dict(shares) for limit, shares in _KINDS if volume_ml <= limit)


def random_plan(rng: np.random.Generator) -> InfarctPlan:
    """One infarct: its volume, and given that, its kind and place."""
    volume = random_volume_ml(rng)
    shares = kinds_of(volume)
    kind = str(rng.choice(list(shares), p=list(shares.values())))
    place = ""
    if kind == "infratentorial":
        place = "brain stem" if volume < 0.4 and rng.random() < 0.55 else "cerebellum"
    cavitated = next(share for limit, share in _CAVITATED if volume <= limit)
    # The gliosis round an old cavity shows on the FLAIR, or nobody would have annotated the infarct.
    rim = min(float(rng.uniform(*_RIM_MM)), 0.45 * radius_mm(volume))
    return InfarctPlan(kind, volume, bool(rng.random() < cavitated), place, rim)


def random_plans(rng: np.random.Generator, fewest: int, most: int) -> tuple[InfarctPlan, ...]:
    """One person's infarcts, from `fewest` to `most` of them, small numbers more often."""
    numbers = np.arange(fewest, most + 1)
    weights = _NEXT ** (numbers - fewest)
    count = int(rng.choice(numbers, p=weights / weights.sum()))
    return tuple(random_plan(rng) for _ in range(count))
