"""Heads that are made up, at any spacing."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from anomaly_research.simulation.heads import LabelHeads, TemplateHeads, scan_head
from anomaly_research.simulation.label_maps import head_of_labels
from anomaly_research.simulation.lesions import InfarctPlan
from anomaly_research.simulation.signals import FAT
from anomaly_research.simulation.subject import Confounding, make_subject
from anomaly_research.simulation.surrounding_tissues import SurroundingTissues
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from made_up_host import BRAIN


@pytest.fixture(scope="module")
def around():
    """A shell of fat at a distance from the brain."""
    from scipy import ndimage

    depth = (ndimage.distance_transform_edt(~BRAIN.mask) - 6).astype(np.float32)
    fat = ((depth > -4) & (depth < 0)).astype(np.float32)
    return SurroundingTissues(((FAT, fat),), depth < 0, depth)


@pytest.mark.parametrize("spacing", [(0.9, 0.9, 4.0), (1.0, 1.0, 1.0), (0.7, 1.2, 2.5)])
def test_a_head_is_scanned_at_any_spacing(around, spacing):
    study = scan_head(BRAIN, around, spacing, np.random.default_rng(0))
    t1, flair, mask = study.t1.image, study.flair.image, study.brain_mask.image
    for image in (t1, flair, mask):
        assert image.GetSpacing() == pytest.approx(spacing)
        assert image.GetSize() == flair.GetSize()
    inside = sitk.GetArrayFromImage(mask) > 0
    assert inside.sum() * np.prod(spacing) == pytest.approx(BRAIN.mask.sum(), rel=0.02)
    # White matter and fluid where the brain has them, at their levels.
    grid = Grid.of(flair)
    points = grid.points(np.argwhere(inside)[:, ::-1])
    index = tuple(BRAIN.grid.indices(points).round().astype(int)[:, ::-1].T)
    for image, level in ((t1, 600), (flair, 420)):
        values = sitk.GetArrayFromImage(image)[inside]
        assert np.median(values[BRAIN.white[index] > 0.95]) == pytest.approx(level, rel=0.15)
        assert np.median(values[BRAIN.csf[index] > 0.95]) < 0.5 * level


def test_a_scan_of_small_voxels_has_more_noise(around):
    spread = []
    for spacing in ((1.5, 1.5, 3.0), (0.8, 0.8, 0.8)):
        study = scan_head(BRAIN, around, spacing, np.random.default_rng(0))
        mask = sitk.GetArrayFromImage(study.brain_mask.image) > 0
        array = sitk.GetArrayFromImage(study.t1.image).astype(float)
        spread.append(np.median(abs(np.diff(array, axis=2)[mask[:, :, 1:]])))
    assert spread[1] > 1.3 * spread[0]


def test_a_label_map_of_something_else_is_refused(tmp_path):
    image = sitk.GetImageFromArray(np.full((20, 20, 20), 999, np.int16))
    sitk.WriteImage(image, str(tmp_path / "labels.nii.gz"))
    with pytest.raises(InputError, match=r"labels\.nii\.gz"):
        head_of_labels(tmp_path / "labels.nii.gz", np.random.default_rng(0))


@pytest.mark.slow
@pytest.mark.parametrize("spacing", [(0.9, 0.9, 4.0), (1.5, 1.5, 1.5)])
def test_infarcts_can_be_put_into_a_person_made_of_the_template(spacing):
    pytest.importorskip("nilearn")
    _check(TemplateHeads(spacing))


@pytest.mark.slow
def test_infarcts_can_be_put_into_a_person_made_of_a_label_map(shared_data):
    pytest.importorskip("nilearn")
    _check(LabelHeads(tuple(sorted(shared_data("synthseg_labels").glob("*.nii.gz")))[:1], (0.9, 0.9, 4.0)))


def _check(heads):
    seed = np.random.SeedSequence(2)
    host = heads.head(0, "sub-001", seed).host
    plans = (
        InfarctPlan("cortical", 5.0),
        InfarctPlan("lacunar", 0.4),
        InfarctPlan("large subcortical", 3.0),
        InfarctPlan("infratentorial", 0.3, place="brain stem"),
    )
    made = make_subject(host, plans, Confounding(), (), np.random.SeedSequence(3))
    assert made.left_out == ()
    for plan, lesion in zip(plans, made.lesions, strict=True):
        assert lesion.voxel_volume_ml == pytest.approx(plan.volume_ml, rel=0.05)
    assert 900 < host.mask.sum() * host.flair.scan.grid.voxel_ml < 1800
    assert made.flair.stored.dtype == np.int16
