"""Experiment 1 (paper, "Latent vector size and anomaly score calculation", figure 4): which latent size, which percentile?

The paper compares latent sizes and percentiles N at a fixed threshold of 3. But a higher percentile raises every
score, so that at a fixed threshold N and the number of findings are one and the same thing. Here both are done: the
paper's comparison, and one in which the threshold moves with N, so that all settings are compared at equal false
positives a scan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..evaluation import published
from ..evaluation.bootstrap import RESAMPLES, interval


@dataclass(frozen=True)
class SweepCounts:
    """What every setting found in every scan: S scans, L latent sizes, P percentiles, T thresholds.

    Attributes:
        latent_sizes: (L,).
        percentiles: (P,), N of the anomaly score.
        thresholds: float (L, P, T), ascending along T; each setting has its own, for each has its own scores.
        patients: (S,), the real person in each scan: the unit of resampling.
        lesions, volume_ml: (S,), infarcts that are there.
        most_flagged_ml: (S,), how much may be flagged at an operating point (see `froc.MOST_FLAGGED`).
        found, found_ml: (S, L, P, T), infarcts touched by a finding, and their whole volume.
        findings, false_positives: (S, L, P, T), suspected anomalies, and those that touch no infarct.
        false_positives_no_wmh: (S, L, P, T), those that touch no white matter hyperintensity either.
        flagged_ml: (S, L, P, T), volume of all findings.
    """

    latent_sizes: tuple[int, ...]
    percentiles: tuple[float, ...]
    thresholds: np.ndarray
    patients: tuple[str, ...]
    lesions: np.ndarray
    volume_ml: np.ndarray
    most_flagged_ml: np.ndarray
    found: np.ndarray
    found_ml: np.ndarray
    findings: np.ndarray
    false_positives: np.ndarray
    false_positives_no_wmh: np.ndarray
    flagged_ml: np.ndarray


@dataclass(frozen=True)
class Performance:
    """What a setting reaches over the cohort.

    Attributes:
        latent_size, percentile, threshold: the setting; infinite where no threshold is quiet enough.
        sensitivity: share of the infarcts found (any overlap).
        volume_share: share of the infarcts' volume that belongs to found ones.
        findings, false_positives, flagged_ml: means a scan.
    """

    latent_size: int
    percentile: float
    threshold: float
    sensitivity: float
    volume_share: float
    findings: float
    false_positives: float
    flagged_ml: float


def best_of(settings: Iterable[Performance]) -> Performance:
    """The highest sensitivity; of equals the larger share of volume, then the fewest false positives, then the first."""
    return max(settings, key=lambda p: (p.sensitivity, p.volume_share, -p.false_positives))


@dataclass(frozen=True)
class JointOptimum:
    """The best of all latent sizes, percentiles and thresholds at a number of false positives a scan.

    Attributes:
        best: as of `best_of`.
        paper: the paper's latent size and percentile, at the threshold that suits them as well; None if they are
            not part of the sweep.
        interval: 95 % interval of the best one's sensitivity, over resampled patients; NaN of a single patient.
        gain, gain_interval: sensitivity above the paper's setting, and its 95 % interval; NaN without it.
        chosen_again: share of the resamples in which the same latent size and percentile are best; NaN without any.
        out_of_bag: gain of the setting that a resample chooses, in the patients that are not in the resample,
            where the choice could not profit from chance; mean over the resamples, NaN without the paper's setting
            or where no resample leaves infarcts out.
    """

    best: Performance
    paper: Performance | None
    interval: tuple[float, float]
    gain: float
    gain_interval: tuple[float, float]
    chosen_again: float
    out_of_bag: float


def at_threshold(counts: SweepCounts, threshold: float = published.THRESHOLD) -> list[Performance]:
    """The paper's figure 4: every latent size and percentile at one threshold.

    A `ValueError` if the threshold is not among those that were counted.
    """
    total, result = _totals(counts), []
    for place in np.ndindex(counts.thresholds.shape[:2]):
        index = np.flatnonzero(np.isclose(counts.thresholds[place], threshold, rtol=1e-6))
        if not len(index):
            raise ValueError(f"nothing was counted at the threshold {threshold:g}")
        result.append(_performance(counts, total, (*place, int(index[0]))))
    return result


def at_false_positives(counts: SweepCounts, allowed: float, *, ignore_wmh: bool = False) -> list[Performance]:
    """Every latent size and percentile at the threshold that suits it best at equal false positives.

    Of the thresholds from the highest down to the last before the mean false positives a scan first exceed
    `allowed`, or before too much of the brain is flagged (as in `sensitivity_at`), the one with the highest
    sensitivity. Far below, findings merge into few large ones; that is no quieter.

    Args:
        ignore_wmh: findings on white matter hyperintensities are no false positives.
    """
    total = _totals(counts, ignore_wmh=ignore_wmh)
    best = _best_thresholds(total, allowed)
    return [_performance(counts, total, (*place, int(best[place]))) for place in np.ndindex(best.shape)]


def joint_optimum(
    counts: SweepCounts,
    allowed: float,
    *,
    ignore_wmh: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> JointOptimum:
    """The best latent size, percentile and threshold together, and how sure that is.

    Patients are drawn with replacement, all scans of one together. The choice among so many settings is made anew
    in every resample, for the best of many is partly the luckiest.
    """
    total = _totals(counts, ignore_wmh=ignore_wmh)
    thresholds = _best_thresholds(total, allowed)
    chosen, reference = _choice(total, thresholds), papers_setting(counts)
    rng = np.random.default_rng(seed)
    person = np.unique(counts.patients, return_inverse=True)[1]
    people = int(person.max()) + 1
    sensitivities, gains, unseen, again = [], [], [], 0
    for _ in range(resamples if people > 1 else 0):  # a single patient varies with nobody
        drawn = np.bincount(rng.integers(people, size=people), minlength=people)[person]
        if not counts.lesions @ drawn:
            continue
        resampled = _totals(counts, drawn, ignore_wmh)
        suited = _best_thresholds(resampled, allowed)
        sensitivity = _taken(resampled["sensitivity"], suited)
        sensitivities.append(float(sensitivity[chosen]))
        picked = _choice(resampled, suited)
        again += picked == chosen
        if reference is None:
            continue
        gains.append(float(sensitivity[chosen] - sensitivity[reference]))
        if counts.lesions @ (drawn == 0):
            outside = _totals(counts, drawn == 0, ignore_wmh)
            there = _taken(outside["sensitivity"], _best_thresholds(outside, allowed))
            unseen.append(float(there[picked] - there[reference]))

    def at(setting: tuple[int, int]) -> Performance:
        return _performance(counts, total, (*setting, int(thresholds[setting])))

    best, paper = at(chosen), None if reference is None else at(reference)
    return JointOptimum(
        best=best,
        paper=paper,
        interval=_interval(sensitivities),
        gain=float("nan") if paper is None else best.sensitivity - paper.sensitivity,
        gain_interval=_interval(gains),
        chosen_again=again / len(sensitivities) if sensitivities else float("nan"),
        out_of_bag=float(np.mean(unseen)) if unseen else float("nan"),
    )


def _totals(
    counts: SweepCounts, weights: np.ndarray | None = None, ignore_wmh: bool = False
) -> dict[str, np.ndarray]:
    """A weighted cohort: shares and means a scan of every setting, (L, P, T); and `most_flagged_ml`."""
    weights = np.ones(len(counts.patients)) if weights is None else np.asarray(weights, float)
    scans = max(1.0, float(np.sum(weights)))
    names = ("findings", "false_positives", "flagged_ml", "most_flagged_ml")
    means = {name: getattr(counts, name) for name in names}
    if ignore_wmh:
        means["false_positives"] = counts.false_positives_no_wmh

    def sum_of(values: np.ndarray) -> np.ndarray:
        return np.tensordot(weights, values, 1)

    return {
        "sensitivity": sum_of(counts.found) / max(1.0, float(sum_of(counts.lesions))),
        "volume_share": sum_of(counts.found_ml) / max(1e-9, float(sum_of(counts.volume_ml))),
        **{name: sum_of(values) / scans for name, values in means.items()},
    }


def _best_thresholds(total: dict[str, np.ndarray], allowed: float) -> np.ndarray:
    """Index of the best threshold of each setting, (L, P); -1 where even the highest is too loud."""
    quiet = total["false_positives"] <= allowed + 1e-9
    quiet &= total["flagged_ml"] <= total["most_flagged_ml"]
    quiet = np.logical_and.accumulate(quiet[..., ::-1], axis=-1)
    descending = np.where(quiet, total["sensitivity"][..., ::-1], -1.0)
    best = quiet.shape[-1] - 1 - descending.argmax(axis=-1)  # of equals the highest threshold
    return np.where(quiet[..., 0], best, -1)


def _taken(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The value of each setting at its threshold, (L, P); 0 where it has none."""
    taken = np.take_along_axis(values, np.maximum(thresholds, 0)[..., None], axis=-1)[..., 0]
    return np.where(thresholds >= 0, taken, 0.0)


def _choice(total: dict[str, np.ndarray], thresholds: np.ndarray) -> tuple[int, int]:
    """The best setting, as of `best_of`: (latent size, percentile) index."""
    names = ("false_positives", "volume_share", "sensitivity")
    false, volume, sensitivity = (_taken(total[name], thresholds).ravel() for name in names)
    best = np.lexsort((false, -volume, -sensitivity))[0]
    latent, percentile = np.unravel_index(best, thresholds.shape)
    return int(latent), int(percentile)


def papers_setting(counts: SweepCounts) -> tuple[int, int] | None:
    """The paper's setting: (latent size, percentile) index; None if it is not part of the sweep."""
    size, percentile = published.BEST_LATENT_SIZE, published.BEST_PERCENTILE
    if size not in counts.latent_sizes or percentile not in counts.percentiles:
        return None
    return counts.latent_sizes.index(size), counts.percentiles.index(percentile)


def _performance(counts: SweepCounts, total: dict[str, np.ndarray], index: tuple[int, ...]) -> Performance:
    latent, percentile, threshold = index
    found = threshold >= 0
    return Performance(
        latent_size=counts.latent_sizes[latent],
        percentile=counts.percentiles[percentile],
        threshold=float(counts.thresholds[index]) if found else float("inf"),
        **{name: float(total[name][index]) if found else 0.0 for name in total if name != "most_flagged_ml"},
    )


def _interval(values: list[float]) -> tuple[float, float]:
    low, high = interval(np.array(values or [np.nan]))
    return float(low), float(high)
