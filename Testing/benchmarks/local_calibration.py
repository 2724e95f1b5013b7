"""What 1, 3 and 10 normal scans of a scanner give to a model that has never seen it.

For any kind of model. The local scans calibrate it, several draws of which; other people of the same scanner, without
infarcts and with simulated ones, tell how many findings there are against those promised, and what is found. Scores of
the network are computed once a scan, so that a draw costs little.

    python Testing/benchmarks/local_calibration.py --model elsewhere.safetensors --local local.npz --normal others.npz \
        --store runs/evaluation --people nichart --output results
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from anomaly_research.evaluation.froc import operating_point, patient_sums, sensitivity_at
from anomaly_research.evaluation.store import Store
from anomaly_research.evaluation.threshold_curves import CohortCurves, gather, scan_curves
from AnomalyDetectionLib.calibration.calibration import (
    CalibrationSettings,
    local_differences,
    with_local_statistics,
)
from AnomalyDetectionLib.calibration.count_false_positives import (
    NormalScan,
    false_positive_curve,
    findings_above,
)
from AnomalyDetectionLib.calibration.normal_scans import lesion_patches, study_of
from AnomalyDetectionLib.calibration.scan_file import ScanFile, read_scans
from AnomalyDetectionLib.detection.detector import lattice_scores
from AnomalyDetectionLib.detection.patches import PatchGatherer, PatchLattice
from AnomalyDetectionLib.detection.scoring import patch_scores
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.model.fuse_batchnorm import LatentDifference
from AnomalyDetectionLib.model.model_file import AnyModel, Model, load_model

COLUMNS = ("calibrated with", "draw", "scans", "statistics", "threshold", "promised", "normal scans of other people: findings",
           "lesion-free test scans: findings", "test scans: false positives", "infarcts found",
           "found at 2 FP", "found at 4 FP")  # fmt: skip


@dataclass
class Scored:
    """What the network says of a scan: latent differences (float16), or scores, of the patches of its lattice."""

    name: str
    lattice: PatchLattice
    values: np.ndarray

    def scores(self, model: AnyModel) -> np.ndarray:
        """The lattice of scores by a model with these weights; NaN where there is no patch."""
        if not isinstance(model, Model):
            return self.lattice.scatter(self.values)
        parts = torch.from_numpy(self.values).float().split(16384)
        percentiles = (model.scoring.percentile,)
        scores = torch.cat([patch_scores(part, model, percentiles, model.scoring)[0] for part in parts])
        return self.lattice.scatter(scores.numpy())


@torch.inference_mode()
def run_network(study: PreparedStudy, model: AnyModel, name: str) -> Scored:
    """The costly part, which no calibration changes."""
    if not isinstance(model, Model):
        lattice, values = lattice_scores(study, model, (50.0,))
        return Scored(name, lattice, values[0])
    lattice = PatchLattice.over(study.brain, model.scoring.stride)
    centres, network = torch.from_numpy(lattice.centres()), LatentDifference(model.generator())
    gather_patches = PatchGatherer(study, model.network.patch_size, model.preparation.outside_brain, "cpu")
    rows = [network(gather_patches(part)).half() for part in centres.split(1024)]
    return Scored(name, lattice, torch.cat(rows).numpy())


class Experiment:
    """All scans, as the network sees them."""

    def __init__(
        self, model: AnyModel, local: ScanFile, normal: ScanFile, store: Store, people: str, most: int
    ) -> None:
        self.model, self.store = model, store
        self.lesions: dict[str, np.ndarray] = {}
        self.local = [self._normal(scan, local) for scan in local.scans]
        self.normal = [self._normal(scan, normal) for scan in normal.scans]
        self.differences = {}
        if isinstance(model, Model):
            settings = CalibrationSettings()
            self.differences = {s.name: local_differences(model, s, settings, "cpu") for s in local.scans}
        truths = [store.read_truth(subject) for subject in store.subjects()]
        truths = [truth for truth in truths if truth.patient.startswith(people)]
        with_infarcts = [truth.subject for truth in truths if truth.lesions][:most]
        free = [truth.subject for truth in truths if not truth.lesions]
        self.test = []
        for subject in (*with_infarcts, *free):
            print(subject, flush=True)
            self.test.append(run_network(store.read_prepared(subject), model, subject))
        self._froc: CohortCurves | None = None

    def _normal(self, scan, file: ScanFile) -> Scored:  # type: ignore[no-untyped-def]
        print(scan.name, flush=True)
        scored = run_network(study_of(scan, file.preparation), self.model, scan.name)
        self.lesions[scan.name] = lesion_patches(scan, scored.lattice)
        return scored

    def fitted(self, drawn: Sequence[Scored], statistics: bool, false_positives: float) -> AnyModel:
        """The model calibrated with these scans, as `calibrate` does it."""
        model = self.model
        if isinstance(model, Model) and statistics:
            differences = [self.differences[scan.name] for scan in drawn]
            model = with_local_statistics(model, differences, CalibrationSettings().prior_scans)
        curve = false_positive_curve([self._scan(scan, model) for scan in drawn], model.scoring)
        threshold = math.ceil(100 * curve.threshold_for(false_positives)) / 100
        return replace(model, false_positive_curve=curve, scoring=replace(model.scoring, threshold=threshold))

    def measure(self, model: AnyModel, drawn: Sequence[Scored]) -> list[str]:
        """Findings of people whose scans were not drawn, and infarcts found, at the model's own threshold."""
        own = model.scoring.threshold
        used = {scan.name for scan in drawn}
        others = [scan for scan in (*self.normal, *self.local) if scan.name not in used]
        counts = [findings_above(self._scan(s, model), np.array([own]), model.scoring)[0] for s in others]
        lattices = [scan.scores(model) for scan in self.test]
        curves = self._curves(model, lattices, np.array([own]))
        free, point = curves.lesion_free, operating_point(curves, 0)
        if self._froc is None or isinstance(model, Model):  # the scores of other kinds do not change
            pooled = np.concatenate([lattice[np.isfinite(lattice)] for lattice in lattices])
            thresholds = np.unique(np.quantile(pooled, 1 - np.geomspace(0.2, 1e-6, 50)))
            self._froc = self._curves(model, lattices, thresholds)
        rates = sensitivity_at(patient_sums(self._froc, ignore_wmh=True), (2, 4))[0]
        return [
            f"{np.mean(counts):.2f}",
            f"{curves.false_positives_no_wmh[0][free].mean():.2f}",
            f"{point.values['false_positives_no_wmh']:.2f}",
            *(f"{100 * share:.1f}" for share in (point.values["sensitivity"], *rates)),
        ]

    def _scan(self, scan: Scored, model: AnyModel) -> NormalScan:
        return NormalScan(scan.name, scan.scores(model), self.lesions[scan.name])

    def _curves(
        self, model: AnyModel, lattices: Sequence[np.ndarray], thresholds: np.ndarray
    ) -> CohortCurves:
        scoring = model.scoring

        parts = []
        for scan, lattice in zip(self.test, lattices, strict=True):
            truth = self.store.read_truth(scan.name)
            cells, least = truth.on_cells(scoring.stride), (scoring.min_patches,)
            (curve,) = scan_curves(
                lattice, cells, thresholds, smallest=least, neighbourhood=scoring.neighbourhood
            )
            parts.append((truth.facts, curve))
        return gather(parts)


def draws(scans: Sequence[Scored], count: int, most: int) -> Iterator[list[Scored]]:
    """Some of the ways to choose `count` scans: of one, each in turn; of more, at random; of all, once."""
    if count >= len(scans):
        yield list(scans)
        return
    random = np.random.default_rng(count)
    order = random.permutation(len(scans))
    for draw in range(most):
        chosen = order[draw : draw + 1] if count == 1 else random.choice(len(scans), count, replace=False)
        yield [scans[k] for k in chosen]


def rows_of(
    experiment: Experiment, counts: Sequence[int], most: int, false_positives: float
) -> Iterator[list[str]]:
    """A row a calibration: none, and with some scans, with and without new statistics."""
    model = experiment.model
    curve = model.false_positive_curve
    promised = "" if curve is None else f"{curve.rate(model.scoring.threshold):.2f}"
    yield ["nothing: own threshold", "", "", "own", f"{model.scoring.threshold:g}", promised,
           *experiment.measure(model, [])]  # fmt: skip
    if curve is not None:
        at = math.ceil(100 * curve.threshold_for(false_positives)) / 100
        own = replace(model, scoring=replace(model.scoring, threshold=at))
        yield ["nothing: own false positives", "", "", "own", f"{at:g}", f"{false_positives:g}",
               *experiment.measure(own, [])]  # fmt: skip
    for count in counts:
        for number, drawn in enumerate(draws(experiment.local, count, most)):
            for statistics in (True, False) if isinstance(model, Model) else (False,):
                fitted = experiment.fitted(drawn, statistics, false_positives)
                names = " ".join(scan.name for scan in drawn)
                said = "new" if statistics else "own"
                yield [f"{len(drawn)} scans", str(number), names, said, f"{fitted.scoring.threshold:g}",
                       f"{false_positives:g}", *experiment.measure(fitted, drawn)]  # fmt: skip


def summary(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: means over draws, and in brackets the least and the most."""
    shown = (COLUMNS[0], COLUMNS[3], *COLUMNS[4:])
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    for key in dict.fromkeys((row[0], row[3]) for row in rows):
        group = [row for row in rows if (row[0], row[3]) == key]
        cells = []
        for column in range(4, len(COLUMNS)):
            values = [float(row[column]) for row in group if row[column]]
            spread = f" [{min(values):g}-{max(values):g}]" if len(values) > 1 and column != 5 else ""
            cells.append(f"{np.mean(values):.3g}{spread}" if values else "")
        lines.append("| " + " | ".join([*key, *cells]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the options, measure, write local_calibration.csv and .md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="that has not seen the scanner")
    parser.add_argument(
        "--local", type=Path, required=True, help="normal scans to calibrate with, from `prepare`"
    )
    parser.add_argument("--normal", type=Path, required=True, help="normal scans of other people, likewise")
    parser.add_argument(
        "--store", type=Path, required=True, help="output of `evaluate`, with prepared images"
    )
    parser.add_argument("--people", required=True, help="how patients of the scanner are called in the store")
    parser.add_argument("--scans", type=int, nargs="+", default=[1, 3, 10])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument(
        "--most", type=int, default=1000, help="test scans with infarcts, the first of the store"
    )
    parser.add_argument("--false-positives", type=float, default=2.0)
    parser.add_argument("--output", type=Path, required=True, help="folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    experiment = Experiment(
        load_model(options.model),
        read_scans(options.local),
        read_scans(options.normal),
        Store(options.store),
        options.people,
        options.most,
    )
    options.output.mkdir(parents=True, exist_ok=True)
    rows = []
    with (options.output / "local_calibration.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for row in rows_of(experiment, options.scans, options.draws, options.false_positives):
            rows.append(row)
            table.writerow(row)
            file.flush()
            print(*row, sep="  ", flush=True)
    text = summary(rows)
    (options.output / "local_calibration.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
