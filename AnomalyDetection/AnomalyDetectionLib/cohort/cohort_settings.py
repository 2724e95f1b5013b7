"""The settings that all scans of a cohort are analysed with, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from .. import __version__
from ..bids.selection import CohortScan
from ..detection.detection_settings import DetectionRequest, DetectionSettings
from ..files.file_hash import sha256_of
from ..model.bundled import find_model

_NOT_IN_RESULTS = ("model", "device")
"""Fields that do not identify the results: the model is identified by its hash, and scores differ between devices by rounding only."""


@dataclass(frozen=True)
class CohortSettings:
    """The settings of a cohort.

    Attributes:
        detection: of each scan; its model is a bundled model's name, or an absolute path.
        model_sha256: of the model's file.
        hide: hints whose findings are left out of the images.
        keep_scores: also keep the score map.
        pictures: also draw thumbnail, overlay, nearest normal tissue and report.
        brain_masks: absolute path of the dataset with brain masks; "": find the brain.
        runs: as in `SelectionCriteria`.
        filter: the BIDS filter, as `plain_filter` writes it.
        version: version of this program.
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

    def with_model(self, name: str) -> CohortSettings:
        """These settings with a model: the name of a bundled one, or a file; InputError if there is none."""
        path = find_model(name)
        found = name if path.stem == name else str(path.absolute())
        return replace(self, detection=replace(self.detection, model=found), model_sha256=sha256_of(path))

    def request(self, scan: CohortScan) -> DetectionRequest:
        """The detection request for a scan."""
        series = scan.t1_series, scan.flair_series
        return DetectionRequest(scan.t1, scan.flair, scan.brain_mask, *series, self.detection)

    @property
    def in_results(self) -> dict[str, Any]:
        """The settings that results depend on, as JSON types."""
        given = {name: value for name, value in self.plain().items() if name not in _NOT_IN_RESULTS}
        return {**given, "brain_masks": bool(self.brain_masks)}  # masks are compared by their content

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits; equal for settings that give the same results."""
        text = json.dumps(self.in_results, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def plain(self) -> dict[str, Any]:
        """All settings as JSON types, in one flat dictionary."""
        own = {**asdict(self), "hide": list(self.hide)}
        return {**own.pop("detection"), **own}

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> CohortSettings:
        """The reverse of `plain`; unknown keys are ignored, and an invalid value is an InputError."""
        own, detection = ({one.name for one in fields(kind)} for kind in (cls, DetectionSettings))
        given = {name: value for name, value in values.items() if name in own - {"detection"}}
        settings = DetectionSettings(**{name: value for name, value in values.items() if name in detection})
        return cls(settings, **{**given, "hide": tuple(given.get("hide", ()))})
