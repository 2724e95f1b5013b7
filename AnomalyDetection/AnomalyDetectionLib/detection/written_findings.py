"""Read back the findings that a run wrote, instead of deriving them again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..imaging.text_header import check_header
from .findings import Finding, Findings, connected_patches, highest_patches
from .score_map import ScoreMap


def read_findings(record: Path, labels: Path, scores: ScoreMap) -> Findings | None:
    """The findings of `findings.json` and their label map, as `derive_findings` gave them, but for rounding.

    None, where they are missing, damaged, or not all of those of these scores (some were hidden): whoever asks
    derives them then. `record`, `labels`: the files that `detect` wrote. `scores`: of the same run."""
    try:
        content = json.loads(record.read_text("utf-8"))
        written, threshold = list(content["findings"]), float(content["threshold"])
        min_patches = int(content["min_patches"])
        check_header(labels, role="image")
        voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(labels)))
        settings = scores.settings
        groups = connected_patches(scores.lattice, threshold, min_patches, settings.neighbourhood)
        patches = np.bincount(groups.ravel())[1:].tolist()
        known = [(item["number"], item["patches"]) for item in written]
        if voxels.shape != scores.study.flair_grid.shape or known != list(enumerate(patches, start=1)):
            return None
        if set(np.unique(voxels).tolist()) - {0} != set(range(1, len(written) + 1)):
            return None
        highest = highest_patches(scores.lattice, groups, len(written))
        items = tuple(finding_of(item, patch) for item, patch in zip(written, highest, strict=True))
    except (InputError, OSError, RuntimeError, ValueError, KeyError, TypeError, RecursionError):
        return None
    labels_image = scores.study.flair_grid.image(voxels.astype(np.uint16))
    return Findings(items, labels_image, threshold, min_patches)


def finding_of(item: Mapping[str, Any], peak_patch: tuple[int, int, int] = (0, 0, 0)) -> Finding:
    """A finding of findings.json. `peak_patch`: which the file does not have. Raises KeyError, ValueError,
    TypeError where it is damaged."""
    r, a, s = item["centroid_ras_mm"]
    t1, flair = (
        math.nan if value is None else float(value) for value in (item["t1_relative"], item["flair_relative"])
    )
    return Finding(
        number=int(item["number"]),
        volume_ml=float(item["volume_ml"]),
        patches=int(item["patches"]),
        peak_score=float(item["peak_score"]),
        mean_score=float(item["mean_score"]),
        centroid_ras=(float(r), float(a), float(s)),
        side=str(item["side"]),
        region=str(item["region"]),
        t1_relative=t1,
        flair_relative=flair,
        peak_patch=peak_patch,
        hint=str(item["hint"]),
        hint_evidence=str(item["hint_evidence"]),
        per_normal_scan=None if item["per_normal_scan"] is None else float(item["per_normal_scan"]),
    )
