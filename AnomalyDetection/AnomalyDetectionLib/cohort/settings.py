"""What all scans of a cohort are analysed with, and by what a result is known to be one of the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..bids.selection import CohortScan
from ..model.bundled import DEFAULT_MODEL

if TYPE_CHECKING:
    from ..detection.run import DetectionRequest

_NOT_IN_RESULTS = ("model", "device")
"""The model counts by what its file holds, and on any device the scores are the same but for rounding."""


@dataclass(frozen=True)
class CohortSettings:
    """How the scans of a cohort are analysed; the values of a detection as of `DetectionRequest`.

    Attributes:
        model: a bundled model's name, or an absolute path.
        model_sha256: of its file.
        hide: hints whose findings are left out of the images.
        keep_scores: also keep what findings are derived from.
        pictures: also draw thumbnail, overlay, nearest normal tissue and report.
        brain_masks: where they are taken from, an absolute path; empty: the brain is found.
        runs: as of `Wanted`.
        filter: what the BIDS filter says, as `plain_filter` writes it.
        version: of this program.
    """

    model: str = DEFAULT_MODEL
    model_sha256: str = ""
    device: str = "auto"
    threshold: float | None = None
    budget: float | None = None
    percentile: float | None = None
    min_patches: int | None = None
    stride: int | None = None
    register: bool = True
    bias_correction: bool = True
    hide: tuple[str, ...] = ()
    keep_scores: bool = False
    pictures: bool = True
    brain_masks: str = ""
    runs: str = "refuse"
    filter: str = ""
    version: str = __version__

    def request(self, scan: CohortScan) -> DetectionRequest:
        """What to detect in a scan."""
        return replace(
            self.plain_request(),
            t1=scan.t1,
            flair=scan.flair,
            brain_mask=scan.brain_mask,
            t1_series=scan.t1_series,
            flair_series=scan.flair_series,
        )

    def plain_request(self) -> DetectionRequest:
        """The same without images, to see whether model and settings go together."""
        from ..detection.run import DetectionRequest

        return DetectionRequest(
            t1=Path(),
            flair=Path(),
            model=self.model,
            device=self.device,
            threshold=self.threshold,
            budget=self.budget,
            percentile=self.percentile,
            min_patches=self.min_patches,
            stride=self.stride,
            register=self.register,
            bias_correction=self.bias_correction,
        )

    @property
    def in_results(self) -> dict[str, Any]:
        """What results depend on, as plain values."""
        given = {name: value for name, value in self.plain().items() if name not in _NOT_IN_RESULTS}
        return {**given, "brain_masks": bool(self.brain_masks)}  # each mask counts by what it holds

    @property
    def fingerprint(self) -> str:
        """The same for settings that give the same results: 16 hexadecimal digits."""
        text = json.dumps(self.in_results, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def plain(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {**asdict(self), "hide": list(self.hide)}

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> CohortSettings:
        """The reverse of `plain`; values of other versions that are not known here are left out."""
        known = {field.name for field in fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        return cls(**{**given, "hide": tuple(given.get("hide", ()))})
