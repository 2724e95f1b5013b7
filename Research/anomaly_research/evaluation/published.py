"""What the paper itself reports, to be printed beside what was measured here.

van Hespen et al., Scientific Reports 11, 7714 (2021), "Results"; every figure is of real patients, 1.5 T, one
scanner.
"""

from __future__ import annotations

from collections.abc import Mapping

PATIENTS = 225
INFARCTS = 553
FOUND = 374
VOLUME_SHARE = 0.975
FINDINGS = 1953

MEDIAN_ML, SMALLEST_ML, LARGEST_ML = 0.44, 0.036, 156.0
"""Volumes of the infarcts of the test set."""

PERCENTILES = tuple(range(10, 80, 5))
THRESHOLD = 3.0

BEST_LATENT_SIZE, BEST_PERCENTILE = 100, 50
BEST_SENSITIVITY, BEST_FINDINGS_A_SCAN = 0.68, 6.0
"""Of the validation set (figure 4): 45 patients, 93 infarcts."""

CATEGORIES: Mapping[str, int] = {
    "white matter hyperintensity": 864,
    "normal tissue": 563,
    "infarct, known": 374,
    "image artefact": 115,
    "infarct, not known before": 26,
    "blood vessel": 6,
    "calcification": 2,
    "bone": 2,
}
"""Suspected anomalies by category (table 2), in the paper's order. They add up to 1952, not to the 1953 that the
paper gives as their total; its text has 865 hyperintensities."""

MISSED = 179
MISSED_MEDIAN_ML = 0.23
MISSED_BY_REGION: Mapping[str, int] = {
    "beside the ventricles, at the basal ganglia": 75,
    "cerebral cortex": 55,
    "brain stem": 26,
    "cerebellum": 23,
}
"""Of the test set ("Missed brain infarcts")."""
