"""The classes of the context detector; without torch."""

from __future__ import annotations

CLASSES = ("normal", "wmh", "infarct", "other", "artefact")
"""Normal tissue, like a white matter hyperintensity, like an infarct, another anomaly, an artefact."""

NORMAL, WMH, INFARCT, OTHER, ARTEFACT = range(5)
IGNORED = 255  # In a training target: voxels that are ignored
ANOMALIES = (WMH, INFARCT, OTHER)
