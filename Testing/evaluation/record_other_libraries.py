"""What picai-eval and panoptica say of made-up lesions and findings, recorded once for the tests to compare with.

Both libraries ask for packages older than any user gets, so they are not among those of the tests. Anew:

    python3 -m venv others && others/bin/pip install picai-eval panoptica
    others/bin/python Testing/evaluation/record_other_libraries.py
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

RECORD = Path(__file__).with_name("other_libraries.json")


def cuboids(rng: np.random.Generator, count: int, shift: int = 0) -> np.ndarray:
    """Numbered cuboids, uint8 (8, 40, 40), in a row of places of 10 x 10, so that they never touch one another."""
    labels = np.zeros((8, 40, 40), np.uint8)
    for number in range(count):
        row, column = divmod(number, 4)
        r, c = row * 10 + 1 + shift, column * 10 + 1 + shift
        depth, height, width = rng.integers(2, 7, 3)
        labels[1 : 1 + depth, r : r + height, c : c + width] = number + 1
    return labels


def matching(seed: int) -> dict[str, Any]:
    """Twelve lesions and twelve findings: what they share in voxels, and which of them belong together."""
    import panoptica
    from panoptica.metrics import Metric
    from picai_eval.eval import evaluate_case

    rng = np.random.default_rng(seed)
    lesions, findings = cuboids(rng, 12), cuboids(rng, 12, shift=2)
    overlap = np.zeros((lesions.max() + 1, findings.max() + 1), int)
    np.add.at(overlap, (lesions.ravel(), findings.ravel()), 1)
    results, *_ = evaluate_case(findings.astype(np.float32), (lesions > 0).astype(int), min_overlap=0.1)
    evaluator = panoptica.Panoptica_Evaluator(
        expected_input=panoptica.InputType.UNMATCHED_INSTANCE,
        instance_matcher=panoptica.NaiveThresholdMatching(matching_metric=Metric.IOU, matching_threshold=0.1),
        instance_metrics=[Metric.IOU],
        verbose=False,
    )
    return {
        "shared voxels, a lesion a row": overlap[1:, 1:].tolist(),
        "voxels of the lesions": overlap.sum(axis=1)[1:].tolist(),
        "voxels of the findings": overlap.sum(axis=0)[1:].tolist(),
        "picai-eval: overlaps of the pairs": sorted(
            float(overlap) for is_lesion, _, overlap in results if is_lesion and overlap > 0
        ),
        "panoptica: pairs": int(evaluator.evaluate(findings, lesions)["ungrouped"].tp),
    }


def froc() -> dict[str, Any]:
    """Twelve scans of eight candidates each, as rows of peaks and lesions, and their FROC curve."""
    from picai_eval import Metrics

    rng = np.random.default_rng(5)
    scans, results = [], {}
    for scan in range(12):
        # A lesion whose peak is 0 is never found, which picai-eval wants to be told as one of no confidence.
        peaks, lesions = rng.integers(0, 9, 8), rng.random(8) < 0.4
        scans.append({"peaks": peaks.tolist(), "lesions": lesions.tolist()})
        results[str(scan)] = [
            (int(is_lesion), float(peak), float(is_lesion and peak > 0))
            for peak, is_lesion in zip(peaks, lesions, strict=True)
            if is_lesion or peak > 0
        ]
    theirs = Metrics(results)
    points = list(zip(theirs.lesion_FPR.tolist(), theirs.lesion_TPR.tolist(), strict=True))
    return {
        "scans": scans,
        "picai-eval: (false positives a scan, share of lesions)": points[:-1],  # the last is at infinity
        "picai-eval: share at false positives": {
            str(rate): float(theirs.lesion_TPR_at_FPR(rate)) for rate in (0.5, 1, 2, 4)
        },
    }


if __name__ == "__main__":
    record = {
        "versions": {name: metadata.version(name) for name in ("picai-eval", "panoptica", "numpy")},
        "matching": [matching(seed) for seed in range(5)],
        "froc": froc(),
    }
    text = json.dumps(record)
    RECORD.write_text(text + "\n", encoding="utf-8")
