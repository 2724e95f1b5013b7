"""What is wrong with the chosen volumes is said before anything is run."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging import reading
from AnomalyDetectionLib.imaging.voxels import voxels_of
from AnomalyDetectionLib.scene import input_checks
from AnomalyDetectionLib.scene.input_checks import problems, warnings
from AnomalyDetectionLib.scene.rough_contrast import SWAPPED_BELOW, rough_contrast
from AnomalyDetectionLib.scene.volumes import RAS_LPS, affine, ijk_to_ras
from conftest import SAMPLE
from slicer_scene import add_volume

from scene.in_the_scene import load, rigid, sheared, under

SHAPE = (40, 60, 60)
GRID = np.diag([3.0, 3.0, 4.0, 1.0])


def voxels(shape=SHAPE, seed=0, dtype=np.int16):
    return np.random.default_rng(seed).integers(0, 500, shape).astype(dtype)


@pytest.fixture
def scene(a_slicer_scene):
    return a_slicer_scene.scene


@pytest.fixture
def t1(scene):
    return add_volume(scene, voxels(), GRID, "T1")


@pytest.fixture
def flair(scene):
    return add_volume(scene, voxels(seed=1), GRID, "FLAIR")


def only(sentences):
    assert len(sentences) == 1, sentences
    assert "\n" not in sentences[0]
    return sentences[0]


@pytest.fixture
def sample(scene):
    return load(SAMPLE / "simulated_T1.nii.gz", "A"), load(SAMPLE / "simulated_FLAIR.nii.gz", "B")


def test_a_good_pair_has_no_problem(t1, flair):
    assert problems(t1, flair) == []


def test_the_sample_has_neither_problem_nor_warning(sample):
    assert problems(*sample) == []
    assert warnings(*sample) == []


def test_what_is_not_chosen_is_asked_for(t1):
    assert problems(None, None) == ["Choose the T1 volume.", "Choose the FLAIR volume."]
    assert problems(t1, None) == ["Choose the FLAIR volume."]
    assert warnings(t1, None) == []


def test_the_same_volume_twice(t1):
    assert only(problems(t1, t1)) == (
        'T1 and FLAIR are the same volume ("T1"): choose another volume for one of them.'
    )


def test_a_single_slice_and_a_few(scene, flair):
    assert '"one" is a single slice' in only(
        problems(add_volume(scene, voxels((1, 60, 60)), GRID, "one"), flair)
    )
    assert '"four" has only 60 x 60 x 4 voxels' in only(
        problems(add_volume(scene, voxels((4, 60, 60)), GRID, "four"), flair)
    )


def test_the_fewest_voxels_are_those_of_the_engine():
    assert input_checks.FEWEST_VOXELS == reading.FEWEST_VOXELS


def test_colours_and_nothing_at_all(scene, flair):
    colours = slicer.util.addVolumeFromArray(
        np.zeros((6, 7, 8, 3), np.uint8), None, "photo", "vtkMRMLVectorVolumeNode"
    )
    assert '"photo" has 3 values per voxel' in only(problems(colours, flair))
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    assert '"nothing" contains no image' in only(problems(empty, flair))


def test_a_constant_volume_and_one_without_any_number(scene, flair):
    flat = add_volume(scene, np.full(SHAPE, 7, np.int16), GRID, "flat")
    assert '"flat" is empty, all its voxels are 7' in only(problems(flat, flair))
    broken = add_volume(scene, np.full(SHAPE, np.nan, np.float32), GRID, "broken")
    assert '"broken" has only voxels that are not numbers' in only(problems(broken, flair))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_beyond_the_head_that_are_not_numbers_do_not_bar_a_scan_that_the_engine_reads(
    value, scene, flair
):
    one = voxels(dtype=np.float32)
    one[:, :, :3] = value
    t1 = add_volume(scene, one, GRID, "T1")
    assert problems(t1, flair) == []
    with_numbers = add_volume(scene, np.where(np.isfinite(one), one, 0), GRID, "T1")
    assert warnings(t1, flair) == warnings(with_numbers, flair)


def test_a_volume_that_is_constant_only_where_it_is_looked_at_is_not_constant(scene, flair):
    one = np.zeros((64, 64, 64), np.int16)
    one[1, 1, 1] = 5
    assert problems(add_volume(scene, one, GRID, "T1"), flair) == []


def test_huge_values_are_not_taken_for_infinite(scene, flair):
    huge = np.full(SHAPE, 3e38, np.float32)
    huge[0] = 0
    assert problems(add_volume(scene, huge, GRID, "T1"), flair) == []


def test_volumes_that_do_not_overlap(scene, flair):
    away = GRID.copy()
    away[:3, 3] = 1000
    t1 = add_volume(scene, voxels(), away, "T1")
    assert "do not overlap in space" in only(problems(t1, flair))
    assert warnings(t1, flair) == []


def test_a_transform_may_bring_them_together_or_apart(scene, t1, flair):
    transform = under(scene, rigid(shift=(1000, 0, 0)), t1)
    assert "do not overlap" in only(problems(t1, flair))
    flair.SetAndObserveTransformNodeID(transform.GetID())
    assert problems(t1, flair) == []


def test_a_small_volume_inside_a_large_one_overlaps(scene, flair):
    small = np.diag([0.5, 0.5, 0.5, 1.0])
    small[:3, 3] = 91, 91, 81
    assert problems(add_volume(scene, voxels((6, 6, 6)), small, "T1"), flair) == []


def bent(scene):
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    node.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    return node


def test_a_transform_that_is_not_linear(scene, t1, flair):
    t1.SetAndObserveTransformNodeID(bent(scene).GetID())
    assert '"T1" has a non-linear transform: harden it' in only(problems(t1, flair))
    t1.SetAndObserveTransformNodeID(None)
    flair.SetAndObserveTransformNodeID(bent(scene).GetID())
    assert '"FLAIR" has a non-linear transform' in only(problems(t1, flair))


def test_both_under_the_same_bent_transform_are_fine(scene, t1, flair):
    transform = bent(scene).GetID()
    t1.SetAndObserveTransformNodeID(transform)
    flair.SetAndObserveTransformNodeID(transform)
    assert problems(t1, flair) == []
    assert isinstance(warnings(t1, flair), list)


def test_shear(scene, t1, flair):
    under(scene, sheared(0.3), t1)
    assert '"T1" are not at right angles' in only(problems(t1, flair))


def test_masks(scene, t1, flair):
    assert problems(t1, flair, None) == []
    assert "The brain mask is the same volume" in only(problems(t1, flair, flair))
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "brain")
    assert '"brain" has no segment' in only(problems(t1, flair, segmentation))
    segmentation.GetSegmentation().AddEmptySegment("a")
    assert '"brain" is empty' in only(problems(t1, flair, segmentation))
    label = slicer.util.addVolumeFromArray(
        np.zeros(SHAPE, np.uint8), GRID, "label", "vtkMRMLLabelMapVolumeNode"
    )
    assert '"label" is empty' in only(problems(t1, flair, label))
    label = slicer.util.addVolumeFromArray(
        np.ones(SHAPE, np.uint8), GRID, "label", "vtkMRMLLabelMapVolumeNode"
    )
    assert problems(t1, flair, label) == []


def test_swapped_by_name(t1, flair):
    assert "seem to be swapped, judging by their names" in only(warnings(flair, t1))


def test_swapped_by_what_they_show(sample):
    t1, flair = sample
    assert only(warnings(flair, t1)) == (
        'T1 and FLAIR seem to be swapped, judging by their contrast: "B" looks like the FLAIR and "A" like the T1; '
        "exchange them."
    )


def test_swapped_is_seen_under_a_transform_as_well(scene, sample):
    under(scene, rigid((5, 8, 12), (300, -100, 50)), *sample)
    assert warnings(*sample) == []
    assert "swapped" in only(warnings(*sample[::-1]))


def test_noise_is_not_called_swapped(scene):
    assert (
        warnings(add_volume(scene, voxels(), GRID, "A"), add_volume(scene, voxels(seed=1), GRID, "B")) == []
    )


def test_a_name_that_does_not_fit(scene, t1):
    t2 = add_volume(scene, voxels(seed=1), GRID, "Ax T2 FSE")
    assert only(warnings(t1, t2)) == 'The name "Ax T2 FSE" suggests a T2 scan: check that it is the FLAIR.'
    other_t1 = add_volume(scene, voxels(seed=1), GRID, "T1 2")
    assert only(warnings(t1, other_t1)) == 'The name "T1 2" suggests a T1: check that it is the FLAIR.'


def test_a_t1_after_contrast_medium(scene, flair):
    t1 = add_volume(scene, voxels(), GRID, "t1_se_tra_KM")
    assert "seems to be a T1 after contrast medium" in only(warnings(t1, flair))


def test_thick_slices_and_thin_slabs(scene, t1):
    thick = add_volume(scene, voxels((20, 60, 60), 1), np.diag([3.0, 3.0, 8.5, 1.0]), "FLAIR")
    assert 'The slices of "FLAIR" are 8.5 mm apart' in only(warnings(t1, thick))
    thin = add_volume(scene, voxels((12, 60, 60), 1), np.diag([3.0, 3.0, 5.0, 1.0]), "FLAIR")
    assert '"FLAIR" covers only 60 mm (12 slices)' in only(warnings(t1, thin))


def test_a_t1_of_half_the_head(scene, sample):
    t1, flair = sample
    half = slicer.util.arrayFromVolume(t1)[:, :, : t1.GetImageData().GetDimensions()[0] // 2].copy()
    part = add_volume(scene, half, ijk_to_ras(t1), "A")
    assert '"A" does not reach' in only(warnings(part, flair))


def test_different_patients(scene, t1, flair):
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for node, name in ((t1, "Doe^Jane"), (flair, "Roe^Richard")):
        tree.CreateItem(tree.CreateSubjectItem(tree.GetSceneItemID(), name), node)
    assert "different patients (Doe^Jane, Roe^Richard)" in only(warnings(t1, flair))


def test_real_pairs_are_told_from_swapped_ones(shared_data):
    """As measured on all 109 pairs: none called swapped, and 107 swapped ones called so. Tumours are bright and large."""
    pairs = [
        *(f"nichart/Subj{number}" for number in (1, 7, 21)),
        *(f"lgg/TCGA_{name}" for name in ("DU_6401_19831001", "DU_6408_19860521", "CS_4941_19960909")),
        *(f"openms_long/patient{name}" for name in ("01/study1", "20/study2")),
        "openms_mni/patient19",
    ]
    for pair in pairs:
        images = [sitk.ReadImage(str(shared_data(pair, f"{role}.nii.gz"))) for role in ("T1", "FLAIR")]
        sides = []
        for image in images:
            sides.append((voxels_of(image), RAS_LPS @ affine(Grid.of(image))))
        t1, flair = sides
        assert rough_contrast(*t1, *flair).order > SWAPPED_BELOW, pair
        assert rough_contrast(*flair, *t1).order < SWAPPED_BELOW, pair


def test_a_large_study_of_the_same_images_passes_the_checks(scene):
    shape, matrix = (192, 512, 512), np.diag([0.5, 0.5, 0.9, 1.0])
    rows = np.random.default_rng(0).integers(0, 500, (1, 512, 512)).astype(np.int16)
    large = np.broadcast_to(rows, shape)
    t1 = add_volume(scene, large, matrix, "T1")
    flair = add_volume(scene, large, matrix, "FLAIR")
    assert problems(t1, flair) == []
    warnings(t1, flair)
