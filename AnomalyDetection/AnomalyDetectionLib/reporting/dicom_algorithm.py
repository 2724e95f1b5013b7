"""The algorithm of a result, and the tracking identifiers of its findings, for DICOM objects."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import __version__

NAME, MAKER = "AnomalyDetection", "AnomalyDetection extension for 3D Slicer"

_SPACE = uuid.UUID("7c1f2c5e-3f0a-4d0e-9a51-6d2f2f0c8a77")
"""Namespace of our name-based UUIDs (version 5)."""


@dataclass(frozen=True)
class Algorithm:
    """The model and the settings of a run.

    Attributes:
        model: the model's name.
        fingerprint: SHA-256 of the model file.
        version: of this software.
        parameters: the main settings as text, as the findings were last derived.
        run: a key of the run that the finding numbers belong to, besides the FLAIR; equal for equal runs.
    """

    model: str
    fingerprint: str
    version: str = __version__
    parameters: Mapping[str, str] = field(default_factory=dict)
    run: str = ""

    @classmethod
    def of(
        cls, provenance: Mapping[str, Any], *, threshold: float | None = None, min_patches: int | None = None
    ) -> Algorithm:
        """The algorithm of a result, read from its provenance (see `provenance`); missing values are empty.

        `threshold`, `min_patches`: what the findings were derived with since, where that is not what the run did. The
        numbers of findings outlive such a change, and with them the UIDs of `tracking_uid`.
        """
        model, inputs = provenance.get("model") or {}, provenance.get("inputs") or {}
        model = model if isinstance(model, Mapping) else {"name": str(model)}
        settings = provenance.get("settings") or {}
        scoring = settings.get("scoring") or {}
        names = ("threshold", "min_patches", "percentile", "stride", "statistics", "distance")
        derived = {"threshold": threshold, "min_patches": min_patches}
        named = {**scoring, **{name: value for name, value in derived.items() if value is not None}}
        t1 = (inputs.get("t1") or {}).get("sha256")
        return cls(
            model=str(model.get("name") or "unknown"),
            fingerprint=str(model.get("sha256") or "unknown"),
            version=str((provenance.get("versions") or {}).get(NAME) or __version__),
            parameters={name: str(named[name]) for name in names if named.get(name) is not None},
            run=json.dumps([settings, t1], sort_keys=True, default=str),
        )

    @property
    def all_parameters(self) -> dict[str, str]:
        """Model, fingerprint and settings by name."""
        return {"model": self.model, "model_sha256": self.fingerprint, **self.parameters}

    @property
    def device_uid(self) -> str:
        """The UID of the observer: this model, in this version of the program."""
        return _uid("device", self.version, self.fingerprint)

    def tracking_uid(self, series_uid: str, number: int) -> str:
        """The UID under which a finding of this number is followed up; the same whenever the same run is done again.

        `series_uid`: SeriesInstanceUID of the FLAIR.
        """
        return _uid("finding", series_uid, self.fingerprint, self.run, str(number))


def tracking_id(number: int) -> str:
    """The name of a finding; it says "suspected", as some viewers show nothing but the name."""
    return f"Suspected anomaly {number}"


def _uid(*names: str) -> str:
    """A UID made from a UUID (PS3.5, B.2)."""
    return f"2.25.{uuid.uuid5(_SPACE, json.dumps(names)).int}"
