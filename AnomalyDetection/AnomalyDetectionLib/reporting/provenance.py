"""Where a result comes from: model, versions, settings, device, inputs, alignment."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import metadata
from typing import Any

import numpy
import SimpleITK
import torch

from .. import __version__
from ..detection.pipeline import ScoredStudy
from ..grid import Grid
from ..imaging.volume import Volume
from .notice import LIMITS, NOTICE

PACKAGES = ("scipy", "deepbet", "nibabel", "pydicom", "highdicom", "matplotlib", "pillow", "safetensors")
"""Packages that results and optional outputs depend on, besides the three whose versions are read from their modules."""


def provenance(detection: ScoredStudy) -> dict[str, Any]:
    """Everything needed to repeat and to judge a result, as plain values.

    All blocks are equal if the same command runs again on the same machine, except "run", which has the date and the
    durations.
    """
    prepared = detection.scores.study
    alignment = prepared.alignment
    request = detection.request
    return {
        "notice": NOTICE,
        "quality": [warning.plain for warning in detection.scores.quality],
        "limits": list(LIMITS),
        "model": {
            "name": detection.model.name,
            "file": request.settings.model,
            "sha256": detection.model.sha256,
        },
        "settings": {
            "preparation": asdict(detection.preparation),
            "network": asdict(detection.model.network),
            "scoring": {
                **asdict(detection.scores.settings),
                "threshold": detection.threshold,
                "min_patches": detection.min_patches,
            },
            "scores_are_probabilities": detection.scores.probabilities,
            "findings_in_a_normal_scan": _rates(detection),
            "brain_mask": "given" if request.brain_mask else "deepbet",
        },
        "inputs": {
            "t1": _input(detection.study.t1),
            "flair": _input(detection.study.flair),
            "brain_mask": _input(detection.study.brain_mask) if detection.study.brain_mask else None,
        },
        "brain_without_t1": round(prepared.fraction_outside_t1, 4),
        "alignment": {
            "registered": alignment.registered,
            "shift_mm": round(alignment.shift_mm, 3),
            "rotation_deg": round(alignment.rotation_deg, 3),
            "flair_to_t1_lps": list(alignment.matrix),
        },
        "brain_ml": round(float(prepared.flair_brain.sum()) * prepared.flair_grid.voxel_ml, 1),
        "patches_scored": int(numpy.isfinite(detection.scores.lattice).sum()),
        "platform": platform.platform(),
        "device": detection.device,
        "device_fallbacks": list(detection.fallbacks),
        "versions": {
            "AnomalyDetection": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "SimpleITK": SimpleITK.Version.VersionString(),
            "numpy": numpy.__version__,
            **{name: _version(name) for name in PACKAGES},
        },
        "run": {
            "finished_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "seconds": {stage: round(value, 2) for stage, value in detection.seconds.items()},
        },
    }


def _version(package: str) -> str | None:
    """None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _rates(detection: ScoredStudy) -> dict[str, Any] | None:
    """Findings per normal scan at the threshold; None if the model does not know."""
    curve, threshold = detection.scores.false_positive_curve, detection.threshold
    if curve is None:
        return None
    return {
        "at_threshold": round(curve.rate(threshold), 4),
        "interval_95": [round(value, 4) for value in curve.interval(threshold)],
        "counted_on_scans": curve.scans,
        "of_at_least_patches": curve.min_patches,
    }


def _input(volume: Volume) -> dict[str, Any]:
    grid = Grid.of(volume.image)
    return {
        "path": str(volume.path) if volume.path else None,
        "description": volume.description,
        "dicom_files": len(volume.files),
        "chosen": volume.chosen or None,
        "sha256": volume.sha256,
        "grid": {
            "size": list(grid.size),
            "spacing_mm": list(grid.spacing),
            "origin_lps_mm": list(grid.origin),
            "direction": list(grid.direction),
        },
    }
