"""The settings of the preparation. Standard library only, so that training needs no imaging library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PreparationSettings:
    """How a study is prepared for the network; stored in the model file (docs/method.md, "Fixed by the paper")."""

    in_plane_mm: float = 0.9  # voxel size of the model's grid within a slice (paper: 0.9)
    # intended slice spacing (paper: 4.0). Whole slices of the FLAIR are averaged to come closest to it and are
    # never interpolated, since a patch lies within one slice.
    slice_mm: float = 4.0
    # low_percentile, high_percentile: percentiles that are mapped to 0 and 1 with scaling by percentiles
    low_percentile: float = 5.0
    high_percentile: float = 95.0
    bias_correction: bool = True  # N4 on each image
    # intensities outside the brain mask, which the paper leaves open: "zero", the level of CSF, or "keep", the
    # image as it is. A network that sees the bright fat outside the brain finds it most anomalous of all.
    outside_brain: str = "zero"
    register: str = "auto"  # "auto" registers T1 to FLAIR rigidly if they do not line up, "off" never does
    # "percentiles" of the voxels in the brain mask (paper), or the tissues' own "modes" (see `tissue_modes`)
    scaling: str = "percentiles"

    def __post_init__(self) -> None:
        """Raise ValueError for invalid values: settings may come from untrusted model files."""
        # A finer grid would fill the memory.
        if not (0.1 <= self.in_plane_mm <= 10 and 0.1 <= self.slice_mm <= 20):
            raise ValueError("spacings of the model's grid lie between 0.1 and 10 mm, slices up to 20 mm")
        if not 0 <= self.low_percentile < self.high_percentile <= 100:
            raise ValueError("percentiles must rise from low to high, between 0 and 100")
        check_word("outside_brain", self.outside_brain, ("zero", "keep"))
        check_word("scaling", self.scaling, ("percentiles", "modes"))
        check_word("register", self.register, ("auto", "off"))


def check_word(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError if a setting is none of the words that it may be."""
    if value not in choices:
        *others, last = map(repr, choices)
        raise ValueError(f"{name} is {', '.join(others)} or {last}, not {value!r}")
