import ast
import gc

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.imaging.voxels import voxels_of
from conftest import REPOSITORY


def an_image(value, kind=np.float32):
    return sitk.GetImageFromArray(np.full((20, 160, 200), value, kind))


def fill_the_memory():
    """Take up what was freed, with other values than before."""
    gc.collect()
    return [an_image(value) for value in range(90, 98)]


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_the_voxels_are_those_of_the_image_in_its_own_type(kind):
    values = np.arange(24).reshape(2, 3, 4).astype(kind)
    voxels = voxels_of(sitk.GetImageFromArray(values))
    np.testing.assert_array_equal(voxels, values)
    assert voxels.dtype == values.dtype


def test_they_lie_on_the_images_own_memory_and_cannot_be_written_to():
    image = an_image(7)
    voxels = voxels_of(image)
    assert not voxels.flags.writeable
    address = voxels.__array_interface__["data"][0]
    del voxels
    assert voxels_of(image).__array_interface__["data"][0] == address


@pytest.mark.parametrize(
    "part", [lambda v: v, lambda v: v[3:, ::-1], lambda v: v.transpose(2, 1, 0).ravel("K")]
)
def test_they_outlive_their_image(part):
    kept = part(voxels_of(an_image(7)))
    others = fill_the_memory()
    assert np.unique(kept).tolist() == [7]
    assert len(others) == 8


def test_they_stay_as_they_were_when_the_image_is_changed_in_place():
    image = an_image(7)
    kept = voxels_of(image)
    image[0, 0, 0] = 3
    image.SetSpacing((2.0, 2.0, 2.0))
    image += 1
    others = fill_the_memory()
    assert np.unique(kept).tolist() == [7]
    assert image.GetPixel(1, 1, 1) == 8
    assert len(others) == 8


def test_nobody_takes_a_view_that_does_not_keep_its_image_alive():
    """What SimpleITK's own view shows is freed with its image, so nothing but `voxels_of` may ask for one."""
    folders = ("AnomalyDetection", "Research", "Testing", "catalogue", ".ci")
    found = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}"
        for folder in folders
        for path in (REPOSITORY / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if "GetArrayViewFromImage"
        in (getattr(node, "attr", None), getattr(node, "id", None), getattr(node, "name", None))
    ]
    assert [place.rpartition(":")[0] for place in found] == [
        "AnomalyDetection/AnomalyDetectionLib/imaging/voxels.py"
    ], f"use imaging.voxels.voxels_of in place of GetArrayViewFromImage: {found}"
