"""What all scans of a cohort are analysed with, and by what a result is known to be one of the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from .. import __version__
from ..bids.selection import CohortScan
from ..detection.settings import DetectionRequest, DetectionSettings

_NOT_IN_RESULTS = ("model", "device")
"""The model counts by what its file holds, and on any device the scores are the same but for rounding."""


@dataclass(frozen=True)
class CohortSettings:
    """How the scans of a cohort are analysed, and what is kept of them.

    Attributes:
        detection: of each scan; its model is a bundled model's name, or an absolute path.
        model_sha256: of the model's file.
        hide: hints whose findings are left out of the images.
        keep_scores: also keep what findings are derived from.
        pictures: also draw thumbnail, overlay, nearest normal tissue and report.
        brain_masks: where they are taken from, an absolute path; empty: the brain is found.
        runs: as of `Wanted`.
        filter: what the BIDS filter says, as `plain_filter` writes it.
        version: of this program.
    """

    detection: DetectionSettings = field(default_factory=DetectionSettings)
    model_sha256: str = ""
    hide: tuple[str, ...] = ()
    keep_scores: bool = False
    pictures: bool = True
    brain_masks: str = ""
    runs: str = "refuse"
    filter: str = ""
    version: str = __version__

    def request(self, scan: CohortScan) -> DetectionRequest:
        """What to detect in a scan."""
        series = scan.t1_series, scan.flair_series
        return DetectionRequest(scan.t1, scan.flair, scan.brain_mask, *series, self.detection)

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
        """What JSON can hold: all settings side by side."""
        own = {**asdict(self), "hide": list(self.hide)}
        return {**own.pop("detection"), **own}

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> CohortSettings:
        """The reverse of `plain`; values of other versions that are not known here are left out.

        Raises:
            InputError: values that cannot be used.
        """
        own, detection = ({one.name for one in fields(kind)} for kind in (cls, DetectionSettings))
        given = {name: value for name, value in values.items() if name in own - {"detection"}}
        settings = DetectionSettings(**{name: value for name, value in values.items() if name in detection})
        return cls(settings, **{**given, "hide": tuple(given.get("hide", ()))})
