"""Infarcts that take shape and place from a mask in MNI space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from anomaly_research.simulation.lesions import InfarctPlan
from anomaly_research.simulation.placing import place_infarct, taken_by
from AnomalyDetectionLib.errors import InputError
from made_up_host import BRAIN, MIDDLE_MNI, SCALE

NOWHERE = np.zeros(BRAIN.grid.shape, bool)


def mask_file(folder: Path, centre, radii, *, spacing: float = 1.0, extra=None) -> Path:
    """An ellipsoid (RAS mm), stored with its rows from front to back as the stroke masks are."""
    z, y, x = np.meshgrid(np.arange(-40, 80), np.arange(90, -110, -1), np.arange(-80, 80), indexing="ij")
    inside = sum(((a - c) / r) ** 2 for a, c, r in zip((x, y, z), centre, radii, strict=True)) < 1
    if extra is not None:
        inside[extra] = True
    image = sitk.GetImageFromArray(inside.astype(np.uint8))
    # Columns to the right: LPS runs the other way.
    image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, 1))
    image.SetOrigin((80.0, -90.0, -40.0))
    image.SetSpacing((spacing,) * 3)
    path = folder / "one_lesion.nii.gz"
    sitk.WriteImage(image, str(path))
    return path


def found_in_mni(infarct) -> np.ndarray:
    right, anterior, superior = infarct.record.centroid_ras
    return np.array([right, anterior, superior]) / SCALE + MIDDLE_MNI


@pytest.mark.parametrize("centre", [(28, 10, 34), (-28, -26, 30)])
def test_an_infarct_takes_shape_and_place_from_a_mask(tmp_path, centre):
    # A grain elsewhere is another piece, and does not count.
    path = mask_file(tmp_path, centre, (3, 9, 3), extra=(100, 100, 100))
    plan = InfarctPlan("lacunar", 0.34)
    made = place_infarct(BRAIN, plan, NOWHERE, (path,), np.random.default_rng(0))
    assert made.record.shape == "one_lesion"
    assert made.record.volume_ml == pytest.approx(0.34, rel=0.03)
    assert np.abs(found_in_mni(made) - centre).max() < 12
    spread = np.argwhere(made.mask).std(axis=0)
    assert spread[1] > 1.6 * max(spread[0], spread[2])  # long from front to back, as the mask is


def test_a_mask_of_another_size_or_kind_is_not_used(tmp_path):
    path = mask_file(tmp_path, (28, 10, 34), (3, 9, 3))
    for plan in (InfarctPlan("cortical", 0.34), InfarctPlan("lacunar", 0.036)):
        made = place_infarct(BRAIN, plan, NOWHERE, (path,), np.random.default_rng(0))
        assert made.record.shape == "noise"
        assert made.plan == plan


def test_a_mask_at_another_spacing_is_refused(tmp_path):
    path = mask_file(tmp_path, (28, 10, 34), (3, 9, 3), spacing=2.0)
    with pytest.raises(InputError, match="one_lesion"):
        place_infarct(BRAIN, InfarctPlan("lacunar", 0.34), NOWHERE, (path,), np.random.default_rng(0))


def test_lacunes_lie_where_the_perforating_arteries_go():
    for number in range(4):
        made = place_infarct(BRAIN, InfarctPlan("lacunar", 0.2), NOWHERE, (), np.random.default_rng(number))
        right, anterior, _ = found_in_mni(made)
        assert abs(right) < 40
        assert abs(anterior + 5) < 42


def test_an_infarct_of_the_forebrain_keeps_to_its_side():
    made = place_infarct(BRAIN, InfarctPlan("cortical", 60.0), NOWHERE, (), np.random.default_rng(1))
    columns = np.argwhere(made.mask)[:, 2] * made.grid.spacing[0] + made.grid.origin[0]
    assert np.all(columns > 0) or np.all(columns < 0)
    assert made.record.side == ("left" if columns[0] > 0 else "right")


def test_what_an_infarct_takes_is_itself_and_three_millimetres_round_it():
    made = place_infarct(BRAIN, InfarctPlan("lacunar", 0.5), NOWHERE, (), np.random.default_rng(2))
    box, near = taken_by(made, BRAIN.grid)
    radius = (0.5e3 * 3 / 4 / np.pi) ** (1 / 3)
    taken_mm = (near.sum() * 3 / 4 / np.pi) ** (1 / 3)
    assert radius + 2.5 < taken_mm < radius + 5
    middle = BRAIN.grid.indices(np.array([made.record.centroid_ras]) * [-1, -1, 1])[0]
    assert all(b.start <= i < b.stop for b, i in zip(box, middle[::-1], strict=True))
