"""The fourth of the four values: numbered suspected anomalies, and how they follow from the scores."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np
import scipy
import SimpleITK as sitk

from ..errors import InputError
from ..grid import Grid
from ..imaging.flair_grid import to_flair_grid
from ..imaging.prepared import PreparedStudy
from ..imaging.voxels import voxels_of
from .evidence import relative_intensities
from .hints import UNKNOWN, Hint, hint_of
from .lattice import bounding_box, paint_cells, peaks_of
from .outline import lesion_voxels, smooth_labels
from .score_map import ScoreMap
from .vanishing_threshold import vanishing_thresholds

NEIGHBOURS = {
    "26": np.ones((3, 3, 3), bool),
    "8": np.stack([np.zeros((3, 3), bool), np.ones((3, 3), bool), np.zeros((3, 3), bool)]),
}


@dataclass(frozen=True)
class Finding:
    """One suspected anomaly."""

    number: int  # 1 for the highest peak score; also its label in the label map
    volume_ml: float  # of its voxels on the FLAIR grid
    patches: int  # how many patches it is made of
    # peak_score, mean_score: over its patches
    peak_score: float
    mean_score: float
    centroid_ras: tuple[float, float, float]  # mm, the Slicer and NIfTI convention
    side: str  # "left", "right" or "midline" of the patient
    # where in the brain it lies, such as "anterior superior, periventricular white matter" (see `region` and
    # `brain_parts`)
    region: str
    # t1_relative, flair_relative: mean intensity inside (bias-corrected scanner units) divided by the mean of the
    # brain tissue round it that is not suspected (see `evidence`); NaN if there is none
    t1_relative: float
    flair_relative: float
    # lattice index (slice, row, column) of its highest patch, the first in array order of equals. It stays with
    # the finding when the threshold changes (see `numbering`).
    peak_patch: tuple[int, int, int]
    hint: str = UNKNOWN  # what it may be, one of `hints.HINTS`; hint_evidence: why, in words and numbers
    hint_evidence: str = ""
    # findings like it, or more unusual, in a normal scan: were the threshold raised until it is just about to
    # vanish, a normal scan would have so many. None where the scores have no false-positive curve.
    per_normal_scan: float | None = None


@dataclass(frozen=True)
class Findings:
    """The findings of one scan, highest peak score first."""

    items: tuple[Finding, ...]  # numbered from 1
    labels: sitk.Image  # uint16 label map on the FLAIR's own grid; a voxel's value is its finding's number
    # threshold, min_patches: what they were derived with
    threshold: float
    min_patches: int
    # int32, shape of the score map's lattice: 0, or the number of a finding's patch; None where that is not known
    groups: np.ndarray | None = field(default=None, repr=False, compare=False)

    def without(self, hints: Collection[str]) -> Findings:
        """Those of other hints; they keep their numbers."""
        if not any(finding.hint in hints for finding in self.items):
            return self
        items = tuple(finding for finding in self.items if finding.hint not in hints)
        voxels = voxels_of(self.labels)
        kept = np.where(np.isin(voxels, [finding.number for finding in items]), voxels, 0).astype(np.uint16)
        return replace(self, items=items, labels=Grid.of(self.labels).image(kept))


def least_size(count: int, stride: int) -> str:
    """The least size of a finding in words: of patches, or of voxels where a model scores each of them (stride 1)."""
    one, several = ("voxel", "voxels") if stride == 1 else ("patch", "patches")
    return f"at least {count} connected {one if count == 1 else several}"


def derive_findings(
    scores: ScoreMap, *, threshold: float, min_patches: int, outline: str = "lesion"
) -> Findings:
    """Suspected anomalies: connected patches that score above a threshold (paper, "Anomaly scoring").

    Works from the scores alone, without the network, so that another threshold costs a fraction of a second.
    Every finding owns at least one voxel of the FLAIR grid, however small it is and however coarse that grid.

    Raises InputError if there are more findings than a uint16 label map can number.

    Args:
        scores: the scored brain; `scores.settings` say which patches touch (`neighbourhood`).
        threshold: patches that score above it are suspected.
        min_patches: connected groups of fewer patches are dropped (paper: the single isolated patch).
        outline: "lesion", the voxels that differ from the tissue round a finding, or "cells", the squares
            round its patches (paper).
    """
    settings, study = scores.settings, scores.study
    groups = connected_patches(scores.lattice, threshold, min_patches, settings.neighbourhood)
    count = int(groups.max(initial=0))
    if count > np.iinfo(np.uint16).max:
        raise InputError(
            f"A threshold of {threshold:g} gives {count} suspected anomalies, more than can be numbered: choose "
            "a higher one."
        )
    cells, suspected = (
        paint_cells(values, scores.first, settings.stride, study.grid.shape)
        for values in (groups.astype(np.uint16), scores.lattice > threshold)
    )
    if outline == "lesion":
        # Cells of one voxel are the lesion's outline already.
        voxels = cells if settings.stride == 1 else lesion_voxels(cells, count, study, suspected)
        labels = smooth_labels(voxels, study)
    else:
        labels = sitk.GetArrayFromImage(to_flair_grid(cells, study, nearest=True)).astype(np.uint16)
    highest = highest_patches(scores.lattice, groups, count)
    _give_each_finding_a_voxel(labels, highest, scores)

    owned, centroids = _extents(labels, count, study)
    inside = np.flatnonzero(groups > 0)
    owner, values = groups.ravel()[inside], scores.lattice.ravel()[inside]
    patches = np.bincount(owner, minlength=count + 1)[1:]
    means = np.bincount(owner, weights=values, minlength=count + 1)[1:] / patches
    ratios = relative_intensities(cells, count, study, suspected)
    hints = [_hint(scores, patch, ratio) for patch, ratio in zip(highest, ratios, strict=True)]
    parts = [None] * count if scores.parts is None else scores.parts.names(cells, count)
    rates = _rates(scores, groups, count, threshold)
    items = tuple(
        Finding(
            number=k + 1,
            volume_ml=float(owned[k] * study.flair_grid.voxel_ml),
            patches=int(patches[k]),
            peak_score=float(scores.lattice[highest[k]]),
            mean_score=float(means[k]),
            centroid_ras=lps_to_ras(centroids[k]),
            side=scores.midline.side(centroids[k]),
            region=scores.regions.name(centroids[k], parts[k]),
            t1_relative=ratios[k][0],
            flair_relative=ratios[k][1],
            peak_patch=highest[k],
            hint=hints[k].name,
            hint_evidence=hints[k].evidence,
            per_normal_scan=rates[k],
        )
        for k in range(count)
    )
    return Findings(items, study.flair_grid.image(labels), threshold, min_patches, groups)


def _hint(scores: ScoreMap, peak: tuple[int, int, int], relative: tuple[float, float]) -> Hint:
    probabilities = None if scores.candidates is None else scores.candidates.of_voxel(scores.voxel_of(peak))
    brightness = f"T1 {relative[0]:.1f} x and FLAIR {relative[1]:.1f} x the tissue round it"
    return hint_of(probabilities, brightness if np.isfinite(relative).all() else "no normal tissue round it")


def _rates(scores: ScoreMap, groups: np.ndarray, count: int, threshold: float) -> list[float | None]:
    """Of groups 1 to `count`; by the curve's own rule of what a finding is, whatever the slider's is."""
    curve = scores.false_positive_curve
    if curve is None:
        return [None] * count
    settings = replace(scores.settings, min_patches=curve.min_patches)
    vanishing = vanishing_thresholds(scores.lattice, groups, count, settings, threshold)
    return [curve.rate(score) for score in vanishing]


def lps_to_ras(point: np.ndarray) -> tuple[float, float, float]:
    """A point (LPS mm) as Slicer and NIfTI have it."""
    return -float(point[0]), -float(point[1]), float(point[2])


def connected_patches(
    lattice: np.ndarray, threshold: float, min_patches: int, neighbourhood: str = "26"
) -> np.ndarray:
    """The lattice elements of each finding.

    Returns int32 array of the lattice's shape: 0, or the number of the finding. 1 has the highest peak; of
    equal peaks, the finding with more patches goes first, then the one met first in array order.

    `lattice`: scores (slices, lattice rows, lattice columns); NaN where no patch was scored. `threshold`,
    `min_patches`: as for `derive_findings`. `neighbourhood`: "26" of the (slice, row, column) lattice, or "8"
    within the slice."""
    above, result = lattice > threshold, np.zeros(lattice.shape, np.int32)
    box = bounding_box(above)
    if box is None:
        return result
    groups, count = scipy.ndimage.label(above[box], structure=NEIGHBOURS[neighbourhood])
    patches = np.bincount(groups.ravel())[1:]
    peaks = peaks_of(groups, count, lattice[box])[1:]
    kept = [k for k in range(count) if patches[k] >= min_patches]
    kept.sort(key=lambda k: (-peaks[k], -patches[k], k))  # scipy numbers groups in array order
    number = np.zeros(count + 1, np.int32)
    number[np.array(kept, int) + 1] = np.arange(1, len(kept) + 1)
    result[box] = number[groups]
    return result


def highest_patches(lattice: np.ndarray, groups: np.ndarray, count: int) -> list[tuple[int, int, int]]:
    """Lattice index of the highest patch of groups 1 to `count`; of equals, the first in array order."""
    flat = np.flatnonzero(groups > 0)
    owner = groups.ravel()[flat]
    in_order = np.lexsort((flat, -lattice.ravel()[flat], owner))
    _, first = np.unique(owner[in_order], return_index=True)
    s, i, j = np.unravel_index(flat[in_order[first]], groups.shape)
    return [(int(s[k]), int(i[k]), int(j[k])) for k in range(count)]


def _give_each_finding_a_voxel(
    labels: np.ndarray, highest: list[tuple[int, int, int]], scores: ScoreMap
) -> None:
    """Mark, for a finding without a voxel in `labels`, the free voxel nearest to its highest patch.

    It happens where the FLAIR is coarser than the lattice, or where the brain mask is thinner than a
    cell. Without this, such a finding would be in the table and in no image.
    """
    owned = np.bincount(labels.ravel(), minlength=len(highest) + 1)[1:]
    for number in np.flatnonzero(owned == 0) + 1:
        s, row, column = scores.voxel_of(highest[number - 1])
        peak = scores.study.grid.points(np.array([[column, row, s]]))[0]
        labels[_nearest_free_voxel(labels, scores.study, peak)] = number


def _nearest_free_voxel(labels: np.ndarray, study: PreparedStudy, point: np.ndarray) -> tuple[int, ...]:
    """(slice, row, column) of the unlabelled voxel nearest to a point (LPS); in the brain if one is near."""
    centre = study.flair_grid.indices(point[None])[0][::-1].round().astype(int)
    centre = np.clip(centre, 0, np.array(labels.shape) - 1)
    for radius in (2, 8, max(labels.shape)):
        low = np.maximum(centre - radius, 0)
        high = np.minimum(centre + radius + 1, labels.shape)
        free = np.argwhere(labels[tuple(map(slice, low, high))] == 0) + low
        if len(free) > 0:
            distance = np.linalg.norm(study.flair_grid.points(free[:, ::-1]) - point, axis=1)
            outside = ~study.flair_brain[tuple(free.T)]
            return tuple(free[np.lexsort((distance, outside))[0]])
    raise ValueError("every voxel of the FLAIR grid already belongs to a finding")


def _extents(labels: np.ndarray, count: int, study: PreparedStudy) -> tuple[np.ndarray, np.ndarray]:
    """Voxels of each finding, (count,), and the centroids of their centres, (count, 3) in LPS mm."""
    flat = np.flatnonzero(labels > 0)
    owner = labels.ravel()[flat]
    voxels = np.bincount(owner, minlength=count + 1)[1:]
    slice_row_column = np.unravel_index(flat, labels.shape)
    index = [np.bincount(owner, weights=axis, minlength=count + 1)[1:] / voxels for axis in slice_row_column]
    return voxels, study.flair_grid.points(np.stack(index[::-1], axis=1))
