"""What the context detector tells apart; without torch."""

from __future__ import annotations

CLASSES = ("normal", "wmh", "infarct", "other", "artefact")
"""Normal tissue, like a white matter hyperintensity, like an infarct, another anomaly, an artefact."""

NORMAL, WMH, INFARCT, OTHER, ARTEFACT = range(5)
IGNORED = 255
"""In a target: nothing is asked for here."""

ANOMALIES = (WMH, INFARCT, OTHER)
