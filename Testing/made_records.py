"""Results of scans that there never were: small records, for what a group makes of thousands."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from AnomalyDetectionLib.cohort.cohort_settings import CohortSettings
from AnomalyDetectionLib.cohort.dataset import Dataset


def make_records(
    out: Path,
    source: Path,
    scans: int,
    seed: int = 0,
    change: Callable[[int, dict[str, Any]], None] = lambda number, record: None,
) -> None:
    """A dataset of results with the same thumbnail for all; and, in another folder, who the people are.

    Args:
        change: called with each scan's number, from 1, and its record.
    """
    chance = np.random.default_rng(seed)
    settings = CohortSettings(model_sha256="0" * 64)
    source.mkdir(parents=True, exist_ok=True)
    Dataset.begin(out, source, settings)
    thumbnail = _jpeg(chance)
    hints = ("infarct-like", "WMH-like", "normal tissue or artefact", "unknown")
    regions = (
        "superior, cortex",
        "central, deep white matter",
        "cerebellum",
        "posterior, periventricular white matter",
    )
    people = ["participant_id\tage\tsex"]
    for number in range(scans):
        name = f"sub-{number + 1:05d}"
        people.append(f"{name}\t{chance.integers(40, 95)}\t{chance.choice(['F', 'M'])}")
        findings = [
            {
                "number": k + 1,
                "volume_ml": round(float(chance.lognormal(-0.3, 1)), 6),
                "peak_score": round(float(chance.uniform(3, 12)), 5),
                "mean_score": round(float(chance.uniform(3, 6)), 5),
                "per_normal_scan": 0.5,
                "patches": int(chance.integers(2, 40)),
                "side": str(chance.choice(["left", "right", "midline"])),
                "region": str(chance.choice(regions)),
                "centroid_ras_mm": [round(float(v), 3) for v in chance.normal(0, 30, 3)],
                "t1_relative": 0.8,
                "flair_relative": 1.2,
                "hint": str(chance.choice(hints)),
                "hint_evidence": "0.09 ml bright on FLAIR (1.5 x), T1 0.9 x the scan's tissue; no dark core; in white matter",
            }
            for k in range(int(chance.poisson(6)))
        ]
        record: dict[str, Any] = {
            "cohort": {
                "subject": name, "session": "", "settings": settings.fingerprint, "inputs": {}, "remarks": [],
                "contrast": {"t1": float(chance.normal(0.55, 0.02)), "flair": float(chance.normal(0.7, 0.02))},
            },
            "limits": ["x" * 600], "model": {"name": "paper", "sha256": "0" * 64}, "brain_without_t1": 0.0,
            "brain_mask_doubts": [], "brain_ml": float(chance.normal(1500, 100)),
            "alignment": {"shift_mm": float(chance.exponential(0.3)), "rotation_deg": 0.1},
            "run": {"finished_utc": "2026-01-01T00:00:00+00:00", "seconds": {"reading": 0.1, "scoring": 9.0}},
            "findings": findings,
        }  # fmt: skip
        change(number + 1, record)
        folder = out / name
        (folder / "anat").mkdir(parents=True)
        (folder / "figures").mkdir()
        text = json.dumps(record, indent=2)
        (folder / "anat" / f"{name}_space-FLAIR_desc-anomaly_dseg.json").write_text(text, encoding="utf-8")
        (folder / "figures" / f"{name}_desc-thumbnail_FLAIR.jpg").write_bytes(thumbnail)
    (source / "participants.tsv").write_text("\n".join(people) + "\n", encoding="utf-8")


def _jpeg(chance: np.random.Generator) -> bytes:
    from PIL import Image

    noise = Image.fromarray(chance.integers(0, 200, (50, 170), np.uint8)).resize((500, 150)).convert("RGB")
    content = io.BytesIO()
    noise.save(content, "JPEG", quality=68)
    return content.getvalue()
