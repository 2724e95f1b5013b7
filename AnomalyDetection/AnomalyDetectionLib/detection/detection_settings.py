"""The settings of a detection, defined once: every interface creates a `DetectionSettings`.

Command-line options and the module's parameters are derived from the fields; a cohort stores them with its results.
No torch, so that mistakes are reported at once.
"""

from __future__ import annotations

import math
from dataclasses import Field, asdict, dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..model.bundled import DEFAULT_MODEL
from ..model.model_settings import DISTANCES, PERCENTILES, STATISTICS, STRIDES, ScoringSettings

if TYPE_CHECKING:
    from ..dicom.series import Series

DEVICES = ("auto", "cpu", "cuda", "mps")

_PAPER = ScoringSettings()
_NUMBERS = {int: Integral, float: Real}
_KINDS: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}


@dataclass(frozen=True)
class Setting:
    """Documentation and constraints of a setting."""

    kind: type  # bool, int, float or str
    # what it is, with its unit and effect; for a bool, the effect of switching it off, as a command. The command
    # line and the tool tips of the panel show this text.
    help: str
    unit: str = ""  # a word for the value, as in `--stride VOXELS`
    choices: tuple[str, ...] = ()  # all values there are; empty: any
    bounds: tuple[Any, Any] = (None, None)  # the least and the largest number
    positive: bool = False  # whether it must be more than 0
    paper: Any = None  # the paper's value, of settings whose default is the model's own
    off: str = ""  # of a bool, the words for "off", as in `--no-registration`

    @property
    def in_paper(self) -> str:
        """The paper's value as text; "" if it has none."""
        if self.paper is None:
            return ""
        return self.paper if isinstance(self.paper, str) else f"{self.paper:g}"

    def problem(self, value: Any) -> str:
        """The fault of a value, to follow "The stride ..."; empty if valid."""
        if self.kind in _NUMBERS:
            is_number = isinstance(value, _NUMBERS[self.kind]) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value):
                return f"is a{' whole' if self.kind is int else ''} number, not {value!r}"
            least, most = self.bounds
            if self.positive and value <= 0:
                return f"must be more than 0, not {value:g}"
            if least is not None and value < least:
                return f"must be at least {least:g}, not {value:g}"
            if most is not None and value > most:
                return f"must be at most {most:g}, not {value:g}"
        elif not isinstance(value, self.kind):
            return f"is {'on or off' if self.kind is bool else 'a word'}, not {value!r}"
        elif self.choices and value not in self.choices:
            return f"must be one of {', '.join(self.choices)}, not {value!r}"
        return ""


def _setting(default: Any, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True)
class DetectionSettings:
    """How anomalies are detected in a scan. Where a default is None, the model's own setting counts.

    Each field says what it means, see `setting_of`. Raises InputError for a value that cannot be used."""

    model: str = _setting(
        DEFAULT_MODEL,
        "Model to use: one that ships with the program, or a model file (.safetensors).",
        unit="NAME|FILE",
    )
    device: str = _setting("auto", "Device to compute on; auto uses a GPU if there is one.", choices=DEVICES)
    threshold: float | None = _setting(
        None,
        "Score above which a patch is suspected; a higher threshold gives fewer findings.",
        unit="SCORE",
        positive=True,
    )
    false_positives: float | None = _setting(
        None,
        "Number of false positives (findings per normal scan) to set the threshold for, instead of giving a"
        " threshold.",
        unit="PER_SCAN",
        positive=True,
    )
    percentile: float | None = _setting(
        None,
        "Percentile of the deviations of a patch's latent elements that becomes the patch's score: 0 takes the"
        " smallest deviation, 50 the median, 100 the largest.",
        unit="N",
        bounds=PERCENTILES,
    )
    min_patches: int | None = _setting(
        None,
        "Minimum size of a finding in connected patches (in connected voxels if the model scores voxels);"
        " smaller findings are left out.",
        unit="COUNT",
        bounds=(1, None),
    )
    stride: int | None = _setting(
        None,
        "Distance between patches in voxels of the model's grid; a smaller stride is finer and slower.",
        unit="VOXELS",
        bounds=STRIDES,
    )
    statistics: str | None = _setting(
        None,
        "What a patch is compared with: all training patches, the other patches of the same scan, or the"
        " training patches of the same tissue.",
        choices=STATISTICS,
    )
    distance: str | None = _setting(
        None,
        "How the deviations of a patch's latent elements become one score: their percentile, or their"
        " Mahalanobis distance.",
        choices=DISTANCES,
    )
    register: bool = _setting(
        True,
        "Use the positions of T1 and FLAIR as they are, without registering T1 to FLAIR.",
        off="registration",
    )
    bias_correction: bool = _setting(
        True,
        "Use T1 and FLAIR without bias field correction (N4), for images that are already corrected.",
        off="bias correction",
    )

    def __post_init__(self) -> None:
        for one in fields(DetectionSettings):
            value = getattr(self, one.name)
            if value is None and one.default is None:
                continue
            if problem := setting_of(one).problem(value):
                raise InputError(f"The {one.name.replace('_', ' ')} {problem}.", see=(one.name,))
        if self.false_positives is not None and self.threshold is not None:
            raise InputError(
                "False positives per scan and a threshold both set the threshold: leave out one of them.",
                see=("false_positives", "threshold"),
            )

    @property
    def scoring(self) -> dict[str, Any]:
        """What is asked for of the scoring settings that `score` takes, by name."""
        return {name: getattr(self, name) for name in ("percentile", "stride", "statistics", "distance")}

    def plain(self) -> dict[str, Any]:
        """The settings by name, as values for JSON."""
        return asdict(self)


def setting_of(one: Field[Any] | str) -> Setting:
    """The `Setting` of a field of `DetectionSettings`, given as field or name."""
    if isinstance(one, str):
        one = DetectionSettings.__dataclass_fields__[one]
    kind = _KINDS[str(one.type).partition(" ")[0]]
    return Setting(kind, paper=getattr(_PAPER, one.name, None), **one.metadata)


@dataclass(frozen=True)
class DetectionRequest:
    """What to detect anomalies in, and how."""

    # t1, flair: image files or DICOM folders
    t1: Path
    flair: Path
    brain_mask: Path | None = None  # image file; None: the brain is found
    # t1_series, flair_series: which series of a DICOM folder (its number, UID or description), where it holds
    # several; or the series itself, as `dicom.study` chose it
    t1_series: str | Series | None = None
    flair_series: str | Series | None = None
    settings: DetectionSettings = field(default_factory=DetectionSettings)  # how
