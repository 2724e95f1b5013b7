"""From a study to the network's input: align, mask, resample, correct the bias, scale."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..grid import Grid
from .acquired_slices import acquired_slices, only_slices
from .beside import beside
from .bias_field import correct_bias
from .brain_mask import extract_brain, given_brain
from .contrast import refuse_the_same
from .geometry import model_grid, to_lps_axes
from .intensity import intensity_scale
from .preparation_settings import PreparationSettings
from .prepared import PreparedStudy
from .registration import align, transform_of
from .resampling import covered_by_t1, flair_to_model_grid, known_in_both, t1_to_model_grid
from .tissue_modes import mode_scales
from .volume import Study, name_of

#: Called with the stage's name and the fraction of the preparation done before it.
Progress = Callable[[str, float], None]
MOST_OUTSIDE_T1 = 0.25  # Largest share of the brain that the T1 may miss; that part is left out
_STAGES = {"brain mask": 0.0, "alignment": 0.4, "resampling": 0.65, "bias field": 0.75, "scaling": 0.97}


def prepare(
    study: Study, settings: PreparationSettings, device: str = "cpu", progress: Progress | None = None
) -> PreparedStudy:
    """A study on the model's grid: aligned, masked, bias-corrected, scaled (paper, "Preprocessing").

    What the T1 does not show of the brain is left out of it, and so is where an image holds no numbers.

    Raises InputError if T1 and FLAIR are the same image or cannot be the same head, show no brain or have no
    contrast, the T1 misses more than `MOST_OUTSIDE_T1` of the brain, or the given mask does not fit.

    `study`: T1 and FLAIR; where a brain mask is given, it must lie in the FLAIR's physical space. `device`:
    where the brain extraction runs: "cpu", "cuda" or "mps". `progress`: called with a stage's name and the
    fraction done as each stage begins."""
    seconds: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        if progress is not None:
            progress(name, _STAGES[name])
        begin = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - begin

    with stage("brain mask"):
        given = study.brain_mask
        flair_brain = given_brain(given, study.flair) if given else extract_brain(study.flair, device)
    # Nearly every T1 shows the whole brain. Then nothing of the FLAIR depends on the alignment, and both are done at once.
    with stage("alignment"), beside(partial(_prepared_flair, study, flair_brain, settings)) as early:
        alignment = align(study.t1, study.flair, flair_brain, settings)
    with stage("resampling"):
        to_t1, t1_grid = transform_of(alignment), Grid.of(study.t1.image)
        whole_brain = flair_brain
        flair_brain = whole_brain & covered_by_t1(t1_grid, Grid.of(study.flair.image), to_t1)
        flair_brain &= known_in_both(study, to_t1)
        fraction_outside_t1 = 1.0 - float(flair_brain.sum() / whole_brain.sum())
        _check_cover(study, fraction_outside_t1)
        flair, brain, grid = early.result()
        if fraction_outside_t1 > 0 or not covered_by_t1(t1_grid, grid, to_t1)[brain].all():
            flair, brain, grid = _prepared_flair(study, flair_brain, settings, to_t1)
        t1 = t1_to_model_grid(study.t1.image, grid, to_t1)
    with stage("bias field"):
        if settings.bias_correction:
            t1 = correct_bias(t1, brain, grid)
    with stage("scaling"):
        percentiles = settings.low_percentile, settings.high_percentile
        t1_name, flair_name = name_of(study.t1, "the T1"), name_of(study.flair, "the FLAIR")
        t1_scale = intensity_scale(t1, brain, *percentiles, name=t1_name)
        flair_scale = intensity_scale(flair, brain, *percentiles, name=flair_name)
        refuse_the_same(
            t1_scale.apply(t1), flair_scale.apply(flair), brain, t1_name=t1_name, flair_name=flair_name
        )
        if settings.scaling == "modes":
            t1_scale, flair_scale = mode_scales(t1, flair, brain)
        t1, flair = t1_scale.apply(t1), flair_scale.apply(flair)
    return PreparedStudy(
        t1=t1,
        flair=flair,
        brain=brain,
        grid=grid,
        flair_grid=Grid.of(study.flair.image),
        flair_brain=flair_brain,
        t1_scale=t1_scale,
        flair_scale=flair_scale,
        alignment=alignment,
        seconds=seconds,
        fraction_outside_t1=fraction_outside_t1,
    )


def _prepared_flair(
    study: Study,
    flair_brain: np.ndarray,
    settings: PreparationSettings,
    to_t1: sitk.AffineTransform | None = None,
) -> tuple[np.ndarray, np.ndarray, Grid]:
    """The FLAIR on the model's grid, bias-corrected; the brain there; and the grid. `flair_brain`: bool
    (slices, rows, columns) on the FLAIR's grid. `to_t1`: what the T1 does not show is left out of the brain;
    None: nothing is."""
    flair_image = to_lps_axes(study.flair.image)
    brain_image = to_lps_axes(Grid.of(study.flair.image).image(flair_brain.astype(np.uint8)))
    acquired = acquired_slices(flair_image)
    flair_image, brain_image = only_slices(flair_image, acquired), only_slices(brain_image, acquired)
    grid = model_grid(Grid.of(flair_image), sitk.GetArrayFromImage(brain_image) > 0, settings)
    brain = flair_to_model_grid(brain_image, grid, order=1) >= 0.5
    if to_t1 is not None:
        brain &= covered_by_t1(Grid.of(study.t1.image), grid, to_t1)
    flair = flair_to_model_grid(flair_image, grid)
    return correct_bias(flair, brain, grid) if settings.bias_correction else flair, brain, grid


def _check_cover(study: Study, fraction_outside_t1: float) -> None:
    if fraction_outside_t1 > MOST_OUTSIDE_T1:
        if study.t1.unknown is not None or study.flair.unknown is not None:
            raise InputError(
                f"{100 * fraction_outside_t1:.0f} % of the brain has no numbers (NaN or infinite) in {name_of(study.t1, 'the T1')} or "
                f"{name_of(study.flair, 'the FLAIR')}, or is not shown by the T1: export the images again."
            )
        raise InputError(
            f"{name_of(study.t1, 'The T1')} does not show {100 * fraction_outside_t1:.0f} % of the brain in "
            f"{name_of(study.flair, 'the FLAIR')}: give a T1 of the whole brain."
        )
