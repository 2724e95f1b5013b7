"""What was found of real lesions, summed up: tumours one by one, the others by size, each with intervals over patients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..evaluation.bootstrap import columns, patient_weights
from ..evaluation.csv_rows import Row
from ..evaluation.kinds import CalledFinding, confusion
from ..evaluation.strata import size_name
from .real_lesions import Found, findings_of, lesions_of

SIZES = ((0.0, 0.03), (0.03, 0.1), (0.1, 1.0), (1.0, np.inf))
"""Volumes of MS lesions and hyperintensities in millilitres, from (inclusive) to; they are smaller than infarcts."""

AIMED_OVER_ML = 0.1
"""Larger ones have a row of their own, together."""


@dataclass(frozen=True)
class Group:
    """The scans of one class of lesions from one collection, by one method."""

    method: str
    lesion_class: str
    collection: str
    scans: tuple[Found, ...]

    @cached_property
    def lesions(self) -> list[Row]:
        return [row for scan in self.scans for row in lesions_of(scan)]

    @cached_property
    def findings(self) -> list[Row]:
        return [row for scan in self.scans for row in findings_of(scan)]

    @cached_property
    def patients(self) -> list[str]:
        """By name."""
        return sorted({scan.patient for scan in self.scans})

    @cached_property
    def weights(self) -> np.ndarray:
        """Of the bootstrap over these patients, (resamples, patients)."""
        return patient_weights(self.patients)

    def ratio(self, name: str, above: Sequence[tuple[str, float]], below: Sequence[tuple[str, float]]) -> Row:
        """A sum over a sum, each of (patient, value), with the interval over patients; None where nothing is below."""
        up, down = (self._by_patient(pairs) for pairs in (above, below))
        with np.errstate(invalid="ignore", divide="ignore"):
            whole, resampled = up.sum() / down.sum(), (self.weights @ up) / (self.weights @ down)
        return columns(name, whole, resampled, len(self.patients))

    def median(self, name: str, values: Sequence[tuple[str, float]]) -> Row:
        """The median of values of (patient, value), with the interval over patients; None without any."""
        owner = np.array([self.patients.index(patient) for patient, _ in values], int)
        numbers = np.array([value for _, value in values])
        once = np.ones_like(self.weights[0])
        drawn = (np.repeat(numbers, weights[owner]) for weights in (once, *self.weights))
        whole, *resampled = [np.median(some) if len(some) else np.nan for some in drawn]
        return columns(name, whole, np.array(resampled), len(self.patients))

    def _by_patient(self, pairs: Sequence[tuple[str, float]]) -> np.ndarray:
        sums = np.zeros(len(self.patients))
        for patient, value in pairs:
            sums[self.patients.index(patient)] += value
        return sums


def groups_of(found: Sequence[Found]) -> list[Group]:
    """The scans by method, class and collection, in the order in which they first come."""
    groups: dict[tuple[str, str, str], list[Found]] = {}
    for one in found:
        groups.setdefault((one.method, one.lesion_class, one.collection), []).append(one)
    return [Group(*key, tuple(scans)) for key, scans in groups.items()]


def tumour_rows(groups: Sequence[Group]) -> Iterator[Row]:
    """Tumours found, and the medians over tumours of the share marked (0 of a missed one) and of Dice (of those found)."""
    for group in groups:
        if group.lesion_class == "tumour" and group.lesions:
            found = [lesion for lesion in group.lesions if lesion["found"]]
            yield {
                **_head(group),
                "tumours": len(group.lesions),
                "found": len(found),
                **group.ratio("found_share", _each(found), _each(group.lesions)),
                **group.median("share_marked", _each(group.lesions, "share")),
                **group.median("dice", _each(found, "dice")),
                **_per_scan(group),
            }


def size_rows(groups: Sequence[Group]) -> Iterator[Row]:
    """MS lesions and hyperintensities by size: found, share of the volume in lesions found and in marked voxels."""
    over = f"all over {AIMED_OVER_ML:g} ml"
    for group in groups:
        if group.lesion_class == "tumour" or not group.lesions:
            continue
        for name in (*(size_name(low, SIZES) for low, _ in SIZES), over, "all"):
            among = [
                lesion
                for lesion in group.lesions
                if name in ("all", size_name(lesion["volume_ml"], SIZES))
                or (name == over and lesion["volume_ml"] >= AIMED_OVER_ML)
            ]
            found = [lesion for lesion in among if lesion["found"]]
            volume = _each(among, "volume_ml")
            yield {
                **_head(group),
                "size": name,
                "lesions": len(among),
                "found": len(found),
                **group.ratio("found_share", _each(found), _each(among)),
                "volume_ml": sum(value for _, value in volume),
                **group.ratio("volume_share", _each(found, "volume_ml"), volume),
                **group.ratio("voxel_share", _each(among, "share", "volume_ml"), volume),
            }


def scan_rows(groups: Sequence[Group]) -> Iterator[Row]:
    """Findings a scan, of these on none of the lesions, and the flagged volume."""
    for group in groups:
        yield {**_head(group), **_per_scan(group)}


def kind_rows(found: Sequence[Found]) -> Iterator[Row]:
    """Of each method that says so: what the findings on true lesions were called."""
    for method in dict.fromkeys(one.method for one in found if one.hints):
        own = [one for one in found if one.method == method]
        rows = [row for one in own for row in findings_of(one) if row["truth"]]
        called = [CalledFinding(row["patient"], row["truth"], row["hint"]) for row in rows]
        for row in confusion(called, [one.patient for one in own]):
            yield {"method": method, "of": "findings", **row}


def _head(group: Group) -> Row:
    names = {name: getattr(group, name) for name in ("method", "lesion_class", "collection")}
    return {**names, "patients": len(group.patients), "scans": len(group.scans)}


def _per_scan(group: Group) -> Row:
    scans = [(scan.patient, 1.0) for scan in group.scans]
    elsewhere = [row for row in group.findings if not row["truth"]]
    return {
        **group.ratio("findings", _each(group.findings), scans),
        **group.ratio("on_no_lesion", _each(elsewhere), scans),
        **group.ratio("flagged_ml", _each(group.findings, "volume_ml"), scans),
    }


def _each(rows: Sequence[Row], *factors: str) -> list[tuple[str, float]]:
    """The patient of each row with the product of some of its columns; without any, 1."""
    return [(row["patient"], math.prod((row[name] for name in factors), start=1.0)) for row in rows]
