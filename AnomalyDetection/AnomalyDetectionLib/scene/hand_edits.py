"""Edits of outlines by the reader: recognised, kept at every threshold, undone.

The voxels of an edited finding are stored in the table with its review, and the segmentation shows them. At every
threshold they replace the detected outline.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from ..detection.findings import Finding, Findings, connected_patches
from ..detection.numbering import FindingNumbers
from ..detection.score_map import ScoreMap
from ..grid import Grid
from ..imaging.voxels import voxels_of
from .finding_row import ADDED, CHANGED, DELETED, FindingRow, shared_fields


def with_edits(
    findings: Findings, rows: Sequence[FindingRow], scores: ScoreMap, numbering: FindingNumbers
) -> Findings:
    """The findings with the reader's outlines over those of the detection.

    Deleted findings are left out. If a group of patches contains an edited finding and another one, the other finding
    gets the voxels outside the edited outline.

    Args:
        findings: as detected, with their numbers.
        scores: from which the findings are derived.
        numbering: all numbers that findings of these scores have had so far.
    """
    edited = {row.number: row for row in rows if row.edited}
    if not edited:
        return findings
    labels = sitk.GetArrayFromImage(findings.labels)
    before = {number: mask_of(row.detected, labels.shape) for number, row in edited.items()}
    replaced = np.any(list(before.values()), axis=0)
    detected = {item.number: item for item in findings.items}
    whole = np.bincount(labels.ravel())
    redrawn = np.bincount(labels[replaced], minlength=len(whole))
    for number, item in list(detected.items()):
        if number in edited:
            other = _other_number(number, {*edited, *detected}, replaced, findings, scores, numbering)
            labels[labels == number] = other
            if other:
                labels[(labels == other) & before[number]] = 0
                detected[other] = replace(item, number=other)
        elif 2 * redrawn[number] > whole[number]:  # part of an outline that the reader has redrawn
            labels[labels == number] = 0
    for row in edited.values():
        if row.edited != DELETED:
            labels[mask_of(row.voxels, labels.shape)] = row.number
    grid = Grid.of(findings.labels)
    voxels = np.bincount(labels.ravel(), minlength=len(numbering.peaks) + 1)
    items = []
    for number in sorted({*detected, *edited}):
        found, change = detected.get(number), edited.get(number)
        if voxels[number] == 0:
            continue
        if change is not None:
            items.append(_edited_finding(change, found, scores))
        elif found is not None:
            volume_ml = float(voxels[number] * grid.voxel_ml)
            cut = not np.isclose(volume_ml, found.volume_ml, atol=1e-6)
            items.append(replace(found, volume_ml=volume_ml) if cut else found)
    return replace(findings, items=tuple(items), labels=grid.image(labels))


def edited_row(
    row: FindingRow, mask: np.ndarray, before: np.ndarray, edited: str, scores: ScoreMap
) -> FindingRow:
    """A row with the outline drawn by the reader; volume, centroid and side are measured on its voxels.

    Args:
        row, before: the row and its voxels before the edit.
        mask: bool on the FLAIR's grid; empty for a deleted finding.
        edited: `CHANGED`, `ADDED`, `DELETED`, or "" if the outline is as detected.
    """
    grid = scores.study.flair_grid
    detected = row.detected if row.edited else mask_text(before)
    if edited == DELETED:
        return replace(row, edited=DELETED, voxels="", detected=detected, volume_ml=0.0)
    index = np.argwhere(mask)[:, ::-1]
    centre = grid.points(index).mean(axis=0)
    return replace(
        row,
        edited=edited,
        voxels=mask_text(mask) if edited else "",
        detected=detected if edited == CHANGED else "",
        volume_ml=len(index) * grid.voxel_ml,
        centroid_ras=(-float(centre[0]), -float(centre[1]), float(centre[2])),
        side=scores.midline.side(centre),
        present=True,
    )


def new_row(number: int, mask: np.ndarray, scores: ScoreMap) -> FindingRow:
    """The row of a finding that the reader adds; its scores are measured on the voxels of the mask (FLAIR's grid)."""
    inside = voxels_of(scores.image)[mask]
    row = FindingRow(
        number=number,
        volume_ml=0.0,
        peak_score=float(inside.max()),
        mean_score=float(inside.mean()),
        patches=0,
        side="",
        region="",
        centroid_ras=(0.0, 0.0, 0.0),
        t1_relative=float("nan"),
        flair_relative=float("nan"),
        hint_evidence="added by the reader",
    )
    row = edited_row(row, mask, mask, ADDED, scores)
    return replace(row, region=scores.regions.name(np.array(row.centroid_ras) * (-1, -1, 1), None))


def _edited_finding(row: FindingRow, detected: Finding | None, scores: ScoreMap) -> Finding:
    """An edited row as a `Finding`, for pictures and reports."""
    if detected is None:
        r, a, s = row.centroid_ras
        centre = scores.study.grid.indices(np.array([[-r, -a, s]]))[0][::-1]  # slice, row, column
        stride = scores.settings.stride
        patch = np.array(
            [centre[0], (centre[1] - scores.first[0]) / stride, (centre[2] - scores.first[1]) / stride]
        )
        slice_, i, j = np.clip(np.rint(patch).astype(int), 0, np.array(scores.lattice.shape) - 1).tolist()
        peak_patch = (slice_, i, j)
    else:
        peak_patch = detected.peak_patch
    return Finding(**shared_fields(row, Finding), peak_patch=peak_patch)


def _other_number(
    number: int,
    taken: Collection[int],
    replaced: np.ndarray,
    findings: Findings,
    scores: ScoreMap,
    numbering: FindingNumbers,
) -> int:
    """The known number of the finding that the rest of a group belongs to, beside an edited finding; 0: none.

    Args:
        taken: numbers that are in use.
        replaced: bool on the FLAIR's grid, the detected voxels of edited findings, whose patches belong to them.
    """
    settings = scores.settings
    groups = connected_patches(
        scores.lattice, findings.threshold, findings.min_patches, settings.neighbourhood
    )
    own = numbering.peaks[number - 1]
    if own is None:
        return 0
    known = [
        (-float(scores.lattice[peak]), other)
        for other, peak in enumerate(numbering.peaks, start=1)
        if peak is not None
        and other not in taken
        and groups[peak] == groups[own] > 0
        and not replaced[_voxel_of(peak, scores)]
    ]
    return min(known)[1] if known else 0


def _voxel_of(patch: tuple[int, int, int], scores: ScoreMap) -> tuple[int, int, int]:
    """The voxel (slice, row, column) of the FLAIR nearest to the middle of a patch."""
    study, stride = scores.study, scores.settings.stride
    row, column = (scores.first[axis] + stride * patch[axis + 1] for axis in range(2))
    index = study.flair_grid.indices(study.grid.points(np.array([[column, row, patch[0]]])))[0][::-1]
    z, y, x = np.clip(np.rint(index).astype(int), 0, np.array(study.flair_grid.shape) - 1).tolist()
    return z, y, x


def mask_text(mask: np.ndarray) -> str:
    """A mask as text: origin and size of its bounding box, and the packed bits in it; "" for an empty mask.

    `mask`: bool (slices, rows, columns).
    """
    if not mask.any():
        return ""
    spans = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    first = [int(span[0]) for span in spans]
    size = [int(span[-1]) - int(span[0]) + 1 for span in spans]
    box = mask[tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))]
    bits = base64.b64encode(zlib.compress(np.packbits(box).tobytes())).decode("ascii")
    return f"{' '.join(map(str, first + size))} {bits}"


def mask_of(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """The mask of a text, bool of this shape; all False if the text is damaged or of another grid."""
    mask = np.zeros(shape, bool)
    try:
        *numbers, bits = text.split(" ")
        z, y, x, slices, rows, columns = map(int, numbers)
        place = slice(z, z + slices), slice(y, y + rows), slice(x, x + columns)
        size = slices * rows * columns
        if min(z, y, x) >= 0 and mask[place].size == size > 0:
            packed = zlib.decompressobj().decompress(base64.b64decode(bits, validate=True), size // 8 + 1)
            box = np.unpackbits(np.frombuffer(packed, np.uint8), count=size)
            mask[place] = box.reshape(slices, rows, columns).astype(bool)
    except (ValueError, binascii.Error, zlib.error):
        return np.zeros(shape, bool)
    return mask
