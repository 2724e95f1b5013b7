"""Volume nodes to images and back: every voxel keeps its value and its place."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.reading import read_study
from AnomalyDetectionLib.scene.volumes import (
    RAS_LPS,
    affine,
    array_of,
    fill,
    ijk_to_ras,
    image_data,
    image_of,
    matrix_between,
    oriented_image,
    study_files,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slicer_scene import add_like, add_volume

from scene.in_the_scene import bent, rigid, sheared, under

ONE_SCENE_IS_ENOUGH = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SHAPE = (6, 7, 8)


@st.composite
def grids(draw):
    """An IJK-to-RAS matrix: oblique, axes in any order, flipped, anisotropic, far away."""
    angle = st.floats(-180, 180)
    axes = rigid([draw(angle) for _ in range(3)])[:3, :3][:, draw(st.permutations(range(3)))]
    flips = np.array([draw(st.sampled_from([-1.0, 1.0])) for _ in range(3)])
    spacing = np.array([draw(st.floats(0.2, 12.0)) for _ in range(3)])
    matrix = np.eye(4)
    matrix[:3, :3] = axes * flips * spacing
    matrix[:3, 3] = [draw(st.floats(-1e5, 1e5)) for _ in range(3)]
    return matrix


angles = st.tuples(*[st.floats(-180, 180)] * 3)
shifts = st.tuples(*[st.floats(-500, 500)] * 3)
rigids = st.builds(rigid, angles, shifts)
voxel_types = st.sampled_from([np.int16, np.uint8, np.float32, np.uint16, np.int32, np.float64])


def voxels(dtype=np.int16, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def chained(scene, node, *matrices):
    """Put a node under a chain of linear transforms, the first nearest to it."""
    child = node
    for matrix in matrices:
        child = under(scene, matrix, child)
    return node


def world_points(node, ijk):
    """RAS world coordinates of voxels, as Slicer itself says."""
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
    local = np.asarray(ijk) @ ijk_to_ras(node)[:3, :3].T + ijk_to_ras(node)[:3, 3]
    return np.array([transform.TransformPoint(point) for point in local.tolist()])


CORNERS = np.array([[i, j, k] for i in (0, 7) for j in (0, 6) for k in (0, 5)], float)


def image_points(image, ijk):
    return Grid.of(image).points(ijk) * [-1, -1, 1]


@ONE_SCENE_IS_ENOUGH
@given(matrix=grids(), chain=st.lists(rigids, max_size=3), dtype=voxel_types)
def test_every_voxel_of_any_volume_keeps_its_value_and_its_place(a_slicer_scene, matrix, chain, dtype):
    scene = a_slicer_scene.scene
    node = chained(scene, add_volume(scene, voxels(dtype), matrix, "FLAIR"), *chain)
    image = image_of(node)
    assert sitk.GetArrayFromImage(image).dtype == dtype
    assert np.array_equal(sitk.GetArrayFromImage(image), voxels(dtype))
    assert np.allclose(image_points(image, CORNERS), world_points(node, CORNERS), rtol=0, atol=1e-6)


@ONE_SCENE_IS_ENOUGH
@given(matrix=grids(), placed=rigids, t1_matrix=grids(), t1_placed=rigids, dtype=voxel_types)
def test_files_for_the_engine_hold_the_same_voxels_at_the_same_places(
    a_slicer_scene, tmp_path, matrix, placed, t1_matrix, t1_placed, dtype
):
    scene = a_slicer_scene.scene
    flair = chained(scene, add_volume(scene, voxels(dtype), matrix, "FLAIR"), placed)
    t1 = chained(scene, add_volume(scene, voxels(dtype, seed=1), t1_matrix, "T1"), t1_placed)
    files = study_files(t1, flair, None, tmp_path)
    assert set(files) == {"t1", "flair"}
    for node, path in ((t1, files["t1"]), (flair, files["flair"])):
        read = sitk.ReadImage(str(path))
        assert np.array_equal(sitk.GetArrayFromImage(read), array_of(node))
        assert np.allclose(image_points(read, CORNERS), world_points(node, CORNERS), rtol=0, atol=1e-6)


@ONE_SCENE_IS_ENOUGH
@given(matrix=grids(), chain=st.lists(rigids, max_size=2), dtype=voxel_types)
def test_an_image_that_goes_out_and_comes_back_lies_on_itself(a_slicer_scene, matrix, chain, dtype):
    scene = a_slicer_scene.scene
    node = chained(scene, add_volume(scene, voxels(dtype), matrix, "FLAIR"), *chain)
    image = image_of(node)
    back = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "back")
    to_own_space = np.linalg.inv(matrix_between(node, None))
    matrix = to_own_space @ RAS_LPS @ affine(Grid.of(image))
    fill(back, image_data(sitk.GetArrayFromImage(image)), node, matrix)
    assert np.array_equal(array_of(back), array_of(node))
    assert array_of(back).dtype == dtype
    assert back.GetParentTransformNode() is node.GetParentTransformNode()
    assert np.allclose(world_points(back, CORNERS), world_points(node, CORNERS), rtol=0, atol=1e-6)


@ONE_SCENE_IS_ENOUGH
@given(matrix=grids(), placed=rigids)
def test_an_array_is_put_on_exactly_the_grid_of_the_reference(a_slicer_scene, matrix, placed):
    scene = a_slicer_scene.scene
    node = chained(scene, add_volume(scene, voxels(), matrix, "FLAIR"), placed)
    score = add_like(scene, voxels(np.float32, seed=2), node, "score")
    assert np.array_equal(ijk_to_ras(score), ijk_to_ras(node))
    assert score.GetTransformNodeID() == node.GetTransformNodeID()
    assert np.array_equal(array_of(score), voxels(np.float32, seed=2))


def test_the_engine_reads_what_was_written(a_slicer_scene, tmp_path):
    scene = a_slicer_scene.scene
    flair = add_volume(scene, voxels(np.int16), np.diag([-0.9, -0.9, 4.0, 1.0]), "FLAIR")
    t1 = add_volume(scene, voxels(np.uint8, seed=1), np.diag([0.7, -0.7, 3.0, 1.0]), "T1")
    mask = add_like(scene, voxels() > 100, flair, "brain", label_map=True)
    folder = tmp_path / "résultats 结果"
    folder.mkdir()
    files = study_files(t1, flair, mask, folder)
    study = read_study(files["t1"], files["flair"], files["brain_mask"])
    assert np.array_equal(sitk.GetArrayFromImage(study.flair.image), array_of(flair))
    assert np.array_equal(sitk.GetArrayFromImage(study.brain_mask.image) > 0, voxels() > 100)


def test_a_copy_of_the_voxels_is_not_the_node(a_slicer_scene):
    node = add_volume(a_slicer_scene.scene, voxels(), np.eye(4), "FLAIR")
    array_of(node)[:] = 0
    assert array_of(node).any()


def test_scaling_along_the_voxel_axes_is_exact(a_slicer_scene):
    scene = a_slicer_scene.scene
    node = chained(scene, add_volume(scene, voxels(), np.eye(4), "FLAIR"), np.diag([2.0, 0.5, -3.0, 1.0]))
    image = image_of(node)
    assert image.GetSpacing() == pytest.approx((2.0, 0.5, 3.0))
    assert np.allclose(image_points(image, CORNERS), world_points(node, CORNERS), atol=1e-9)


def test_shear_is_refused_with_a_sentence(a_slicer_scene):
    scene = a_slicer_scene.scene
    node = chained(scene, add_volume(scene, voxels(), np.eye(4), "FLAIR"), sheared(0.3))
    with pytest.raises(InputError, match=r'"FLAIR" are not at right angles .* harden'):
        image_of(node)


def test_a_little_shear_is_straightened_about_the_centre(a_slicer_scene):
    scene = a_slicer_scene.scene
    node = chained(scene, add_volume(scene, voxels(), np.eye(4), "FLAIR"), sheared(0.02))
    image = image_of(node)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    assert np.allclose(direction.T @ direction, np.eye(3), atol=1e-12)
    middle = (np.array(SHAPE[::-1]) - 1) / 2
    assert np.allclose(image_points(image, middle[None]), world_points(node, middle[None]), atol=1e-9)
    assert np.abs(image_points(image, CORNERS) - world_points(node, CORNERS)).max() < 0.5


def test_header_rounding_of_single_precision_is_kept_as_it_is(a_slicer_scene):
    scene = a_slicer_scene.scene
    matrix = rigid([11, 22, 33], scale=[0.45, 0.45, 4.0]).astype(np.float32)
    node = add_volume(scene, voxels(), matrix, "FLAIR")
    image = image_of(node)
    assert np.allclose(image_points(image, CORNERS), world_points(node, CORNERS), rtol=0, atol=1e-9)


def test_a_transform_that_is_not_linear_is_refused_with_a_sentence(a_slicer_scene, tmp_path):
    scene = a_slicer_scene.scene
    flair = add_volume(scene, voxels(), np.eye(4), "FLAIR")
    t1 = add_volume(scene, voxels(seed=1), np.eye(4), "T1")
    t1.SetAndObserveTransformNodeID(bent(scene).GetID())
    with pytest.raises(InputError, match='"T1" has a non-linear transform'):
        image_of(t1)
    with pytest.raises(InputError, match='"T1" has a non-linear transform'):
        study_files(t1, flair, None, tmp_path)


def test_both_under_the_same_bent_transform_go_out_in_their_own_space(a_slicer_scene, tmp_path):
    scene = a_slicer_scene.scene
    flair = add_volume(scene, voxels(), np.diag([2.0, 2.0, 2.0, 1.0]), "FLAIR")
    t1 = chained(scene, add_volume(scene, voxels(seed=1), np.eye(4), "T1"), rigid(shift=(1, 2, 3)))
    both = bent(scene)
    flair.SetAndObserveTransformNodeID(both.GetID())
    t1.GetParentTransformNode().SetAndObserveTransformNodeID(both.GetID())
    files = study_files(t1, flair, None, tmp_path)
    own = RAS_LPS @ ijk_to_ras(flair)
    assert np.allclose(
        Grid.of(sitk.ReadImage(str(files["flair"]))).points(CORNERS), CORNERS @ own[:3, :3].T + own[:3, 3]
    )
    t1_points = image_points(sitk.ReadImage(str(files["t1"])), CORNERS)
    assert np.allclose(t1_points, CORNERS + np.array([1, 2, 3]))


def test_colours_and_empty_volumes_are_refused_with_a_sentence(a_slicer_scene):
    scene = a_slicer_scene.scene
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    with pytest.raises(InputError, match='"nothing" contains no image'):
        image_of(empty)
    colour = slicer.util.addVolumeFromArray(
        np.zeros((6, 7, 8, 3), np.uint8), np.eye(4), "photo", "vtkMRMLVectorVolumeNode"
    )
    with pytest.raises(InputError, match='"photo" has 3 values per voxel'):
        image_of(colour)


def a_segmentation(scene, reference, *masks):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "brain")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    for number, mask in enumerate(masks):
        data = oriented_image(mask.astype(np.uint8), ijk_to_ras(reference))
        node.AddSegmentFromBinaryLabelmapRepresentation(data, f"part {number}", [1, 0, 0], f"part_{number}")
    return node


OBLIQUE = rigid([20, -10, 30], (300, -200, 1000), [0.9, -0.9, 4.0])
MOVED = rigid([5, 15, 40], (-30, 40, 5))


def mask_image(node, flair, folder):
    """The brain mask that the engine gets."""
    return sitk.ReadImage(str(study_files(flair, flair, node, folder)["brain_mask"]))


def test_all_segments_of_a_segmentation_are_the_brain(a_slicer_scene, tmp_path):
    scene = a_slicer_scene.scene
    flair = add_volume(scene, voxels(), OBLIQUE, "FLAIR")
    one, other = voxels() > 150, np.zeros(SHAPE, bool)
    other[1:3, 2:5, 3:6] = True
    node = a_segmentation(scene, flair, one, other)
    mask = mask_image(node, flair, tmp_path)
    assert np.array_equal(sitk.GetArrayFromImage(mask), (one | other).astype(np.uint8))
    assert np.allclose(image_points(mask, CORNERS), world_points(flair, CORNERS), atol=1e-6)


def test_a_mask_under_the_same_transform_as_the_flair_fits_it_voxel_by_voxel(a_slicer_scene, tmp_path):
    scene = a_slicer_scene.scene
    flair = add_volume(scene, voxels(), OBLIQUE, "FLAIR")
    node = a_segmentation(scene, flair, voxels() > 150)
    chained(scene, flair, MOVED)
    node.SetAndObserveTransformNodeID(flair.GetTransformNodeID())
    assert np.array_equal(
        sitk.GetArrayFromImage(mask_image(node, flair, tmp_path)), (voxels() > 150).astype(np.uint8)
    )


def test_a_mask_on_another_grid_under_another_transform_is_found_in_the_world(a_slicer_scene, tmp_path):
    scene = a_slicer_scene.scene
    flair = chained(scene, add_volume(scene, voxels(), np.eye(4), "FLAIR"), MOVED)
    fine = np.diag([0.5, 0.5, 0.5, 1.0])
    inside = np.zeros((12, 14, 16), np.uint8)
    inside[3:9, 4:10, 4:12] = 1
    label = slicer.util.addVolumeFromArray(inside, MOVED @ fine, "mask", "vtkMRMLLabelMapVolumeNode")
    mask = sitk.GetArrayFromImage(mask_image(label, flair, tmp_path))
    expected = np.zeros(SHAPE, np.uint8)
    expected[2:5, 2:5, 2:6] = 1
    assert np.array_equal(mask, expected)


def test_a_mask_of_surfaces_is_turned_into_voxels_and_stays_as_it_was(a_slicer_scene, tmp_path):
    scene = a_slicer_scene.scene
    flair = add_volume(scene, voxels(shape=(30, 30, 30)), np.eye(4), "FLAIR")
    sphere = vtk.vtkSphereSource()
    sphere.SetCenter(15, 15, 15)
    sphere.SetRadius(8)
    sphere.SetPhiResolution(40)
    sphere.SetThetaResolution(40)
    sphere.Update()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "ball")
    node.SetSourceRepresentationToClosedSurface()
    node.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "ball", [1, 0, 0])
    mask = sitk.GetArrayFromImage(mask_image(node, flair, tmp_path))
    assert mask.sum() == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.1)
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")


def test_an_empty_mask_and_one_elsewhere_are_refused_with_a_sentence(a_slicer_scene, tmp_path):
    scene = a_slicer_scene.scene
    flair = add_volume(scene, voxels(), np.eye(4), "FLAIR")
    no_segment = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "brain")
    with pytest.raises(InputError, match='"brain" has no segment'):
        mask_image(no_segment, flair, tmp_path)
    with pytest.raises(InputError, match='"brain" is empty'):
        mask_image(a_segmentation(scene, flair, np.zeros(SHAPE)), flair, tmp_path)
    with pytest.raises(InputError, match='"brain" lies outside "FLAIR"'):
        mask_image(
            chained(scene, a_segmentation(scene, flair, voxels() > 100), rigid(shift=(500, 500, 500))),
            flair,
            tmp_path,
        )


def test_a_large_study_is_written(a_slicer_scene, tmp_path):
    scene = a_slicer_scene.scene
    shape = (192, 512, 512)
    flair = add_volume(scene, np.zeros(shape, np.int16), np.eye(4), "FLAIR")
    t1 = add_volume(scene, np.zeros(shape, np.int16), np.eye(4), "T1")
    files = study_files(t1, flair, None, tmp_path)
    assert sitk.ReadImage(str(files["flair"])).GetSize() == shape[::-1]
