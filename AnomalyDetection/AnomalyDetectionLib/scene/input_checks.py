"""Check the chosen volumes before a run; each problem is one line for the radiologist."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dicom.series_names import is_enhanced, other_contrast
from ..errors import InputError
from .opened_folder import OPENED
from .rough_contrast import SWAPPED_BELOW, rough_contrast
from .suggested_inputs import is_ours, kind_of, names_of, patient_of
from .volumes import array_view, grid_of, ijk_to_ras, linear_matrix, matrix_between, not_linear, quoted

FEWEST_VOXELS = 5  # least number of voxels along each axis of a usable volume; the same as for files

#: Warn if slices are further apart than this (mm), or cover less than this (mm).
THICK_MM, THIN_SLAB_MM = 7.0, 80.0
COVERED_FROM = 0.85  # warn if the T1 covers less than this share of the head


def problems(t1_node: Any | None, flair_node: Any | None, brain_mask_node: Any | None = None) -> list[str]:
    """The reasons why a run with these nodes cannot start; empty if it can.

    Args:
        t1_node, flair_node: scalar volume nodes, or None if nothing is chosen.
        brain_mask_node: a segmentation or label map volume node, or None.
    """
    found = []
    if t1_node is None:
        found.append("Choose the T1 volume.")
    if flair_node is None:
        found.append("Choose the FLAIR volume.")
    if t1_node is not None and t1_node is flair_node:
        return [
            f"T1 and FLAIR are the same volume ({quoted(t1_node)}): choose another volume for one of them."
        ]
    for role, node in (("T1", t1_node), ("FLAIR", flair_node)):
        if node is not None:
            found += _volume_problems(node, role)
    if found or t1_node is None or flair_node is None:
        return found
    return _pair_problems(t1_node, flair_node) or _mask_problems(brain_mask_node, t1_node, flair_node)


def warnings(t1_node: Any | None, flair_node: Any | None) -> list[str]:
    """Warnings about a run that can start; for nodes without `problems`.

    `t1_node`, `flair_node`: as for `problems`. There are no warnings if one is None or the two cannot be compared.
    """
    if t1_node is None or flair_node is None or t1_node is flair_node:
        return []
    try:
        if _pair_problems(t1_node, flair_node):
            return []
        space = None if matrix_between(flair_node, None) is not None else flair_node
        contrast = rough_contrast(
            array_view(t1_node),
            linear_matrix(t1_node, space) @ ijk_to_ras(t1_node),
            array_view(flair_node),
            linear_matrix(flair_node, space) @ ijk_to_ras(flair_node),
        )
    except InputError:
        return []
    found = []
    found += _swapped(t1_node, flair_node, contrast.order)
    found += _strangers(t1_node, flair_node)
    if contrast.covered < COVERED_FROM:
        found.append(
            f"{quoted(t1_node)} does not reach {100 * (1 - contrast.covered):.0f} % of the head in "
            f"{quoted(flair_node)}, and that part is not searched: check that the two line up."
        )
    if not found:  # after a swap the other warnings would be about the wrong volume
        if any(is_enhanced(name) for name in names_of(t1_node)):
            found.append(
                f"{quoted(t1_node)} seems to be a T1 after contrast medium: choose a T1 without contrast medium, if there "
                "is one."
            )
        found += _thin_or_thick(t1_node, "T1") + _thin_or_thick(flair_node, "FLAIR")
    return found


def _volume_problems(node: Any, role: str) -> list[str]:
    if node.GetAttribute(OPENED) is not None:
        return [
            f"{quoted(node)} was opened with a result folder and is closed with it: load the {role} itself to detect "
            "anomalies again."
        ]
    if is_ours(node):
        return [f"{quoted(node)} is a result of an earlier detection: choose the {role} as it was loaded."]
    try:
        voxels = array_view(node)
    except InputError as error:
        return [str(error)]
    if min(voxels.shape) == 1:
        return [f"{quoted(node)} is a single slice: choose the whole {role} volume."]
    if min(voxels.shape) < FEWEST_VOXELS:
        size = " x ".join(map(str, voxels.shape[::-1]))
        return [f"{quoted(node)} has only {size} voxels: choose a {role} volume that covers the brain."]
    some = voxels[tuple(slice(None, None, max(1, size // 32)) for size in voxels.shape)]
    if some.min() == some.max() and voxels.min() == voxels.max():
        return [f"{quoted(node)} is empty, all its voxels are {voxels.flat[0]:g}: choose the original scan."]
    if not np.isfinite(some).any() and not np.isfinite(voxels).any():  # NaN beyond the head does not matter
        return [
            f"{quoted(node)} has only voxels that are not numbers (NaN or infinite): load the original scan again."
        ]
    return []


def _pair_problems(t1_node: Any, flair_node: Any) -> list[str]:
    in_world = matrix_between(flair_node, None) is not None
    space = None if in_world else flair_node
    t1_to_space = matrix_between(t1_node, space)
    if t1_to_space is None:
        return [not_linear(t1_node if in_world else flair_node)]
    found = []
    for node in (t1_node, flair_node):
        try:
            grid_of(node, linear_matrix(node, space))
        except InputError as error:
            found.append(str(error))
    if not found and not _overlap(t1_node, t1_to_space, flair_node, linear_matrix(flair_node, space)):
        found.append(
            f"{quoted(t1_node)} and {quoted(flair_node)} do not overlap in space: choose two volumes "
            "of the same examination, or align them first (Transforms module)."
        )
    return found


def _mask_problems(node: Any | None, t1_node: Any, flair_node: Any) -> list[str]:
    if node is None:
        return []
    if node is t1_node or node is flair_node:
        return [f"The brain mask is the same volume as {quoted(node)}: choose a mask, or none."]
    if matrix_between(node, flair_node) is None:
        return [not_linear(node)]
    if node.IsA("vtkMRMLSegmentationNode"):
        segmentation = node.GetSegmentation()
        if segmentation is None or segmentation.GetNumberOfSegments() == 0:
            return [f"The brain mask {quoted(node)} has no segment: choose another, or none."]
        bounds = [0.0] * 6
        segmentation.GetBounds(bounds)
        if bounds[0] > bounds[1]:
            return [f"The brain mask {quoted(node)} is empty: choose another, or none."]
        return []
    try:
        empty = not array_view(node).any()
    except InputError as error:
        return [str(error)]
    return [f"The brain mask {quoted(node)} is empty: choose another, or none."] if empty else []


def _overlap(t1_node: Any, t1_to: np.ndarray, flair_node: Any, flair_to: np.ndarray) -> bool:
    """Whether T1 and FLAIR overlap in space."""
    t1 = t1_to @ ijk_to_ras(t1_node), np.array(array_view(t1_node).shape[::-1])
    flair = flair_to @ ijk_to_ras(flair_node), np.array(array_view(flair_node).shape[::-1])
    return _reaches(*t1, *flair) or _reaches(*flair, *t1)


def _reaches(one: np.ndarray, one_size: np.ndarray, other: np.ndarray, other_size: np.ndarray) -> bool:
    """Whether any point of a lattice in one box lies in the other box."""
    share = (np.arange(16) + 0.5) / 16
    lattice = np.stack(np.meshgrid(share, share, share), axis=-1).reshape(-1, 3) * one_size - 0.5
    to_other = np.linalg.inv(other) @ one
    index = lattice @ to_other[:3, :3].T + to_other[:3, 3]
    return bool(np.any(np.all((index > -0.5) & (index < other_size - 0.5), axis=1)))


def _swapped(t1_node: Any, flair_node: Any, order: float) -> list[str]:
    t1_is, flair_is = kind_of(t1_node), kind_of(flair_node)
    if t1_is == "flair" and flair_is == "t1":
        by = "by their names"
    elif order < SWAPPED_BELOW:
        by = "by their contrast"
    else:
        return _misnamed(t1_node, t1_is, "T1", "flair") + _misnamed(flair_node, flair_is, "FLAIR", "t1")
    return [
        f"T1 and FLAIR seem to be swapped, judging {by}: {quoted(t1_node)} looks like the FLAIR and "
        f"{quoted(flair_node)} like the T1; exchange them."
    ]


def _misnamed(node: Any, kind: str | None, role: str, wrong: str) -> list[str]:
    if kind == wrong:
        return [
            f"The name {quoted(node)} suggests a {'FLAIR' if wrong == 'flair' else 'T1'}: check that it is the {role}."
        ]
    contrasts = [other_contrast(name) for name in names_of(node)] if kind is None else []
    other = next((contrast for contrast in contrasts if contrast), None)
    return [f"The name {quoted(node)} suggests a {other} scan: check that it is the {role}."] if other else []


def _strangers(t1_node: Any, flair_node: Any) -> list[str]:
    t1, flair = patient_of(t1_node), patient_of(flair_node)
    if t1 is None or flair is None or t1[0] == flair[0]:
        return []
    return [f"T1 and FLAIR are of different patients ({t1[1]}, {flair[1]}): choose two of the same patient."]


def _thin_or_thick(node: Any, role: str) -> list[str]:
    spacing = np.array(node.GetSpacing())
    slices = int(np.argmax(spacing))
    count = array_view(node).shape[::-1][slices]
    if spacing[slices] > THICK_MM:
        return [
            f"The slices of {quoted(node)} are {spacing[slices]:.1f} mm apart: small lesions between them are "
            f"missed; choose a {role} with thinner slices, if there is one."
        ]
    size = spacing * np.array(array_view(node).shape[::-1])
    if size.min() < THIN_SLAB_MM:
        return [
            f"{quoted(node)} covers only {size.min():.0f} mm ({count} slices), and nothing outside is searched."
            if int(np.argmin(size)) == slices
            else f"{quoted(node)} covers only {size.min():.0f} mm, and nothing outside is searched."
        ]
    return []
