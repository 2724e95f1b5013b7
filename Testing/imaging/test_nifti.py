"""NIfTI files whose voxels change here and there, and nothing else."""

import gzip

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.imaging.nifti import nifti_of, nifti_scan
from AnomalyDetectionLib.imaging.reading import read_volume

AFFINE = np.array([[-0.9, 0.1, 0.0, 80.0], [0.1, 0.9, 0.2, -90.0], [0.0, -0.2, 4.0, -60.0], [0, 0, 0, 1.0]])
AFFINE[:3, :3] = np.linalg.qr(AFFINE[:3, :3])[0] * [0.9, 0.9, 4.0]


def stored_file(folder, dtype=np.int16, slope=1.0, intercept=0.0, order="<"):
    """A file with a header that is not like ITK's, and its voxels (i, j, k)."""
    voxels = np.random.default_rng(0).integers(0, 200, (12, 11, 7)).astype(dtype)
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(dtype)
    header.set_data_shape(voxels.shape)
    header.set_sform(AFFINE, code=2)
    header.set_qform(AFFINE, code=1)
    header.set_xyzt_units("mm", "sec")
    header["descrip"] = b"made by a scanner"
    header["scl_slope"], header["scl_inter"] = slope, intercept
    header["vox_offset"] = header.single_vox_offset
    header["magic"] = header.single_magic
    content = header.binaryblock + bytes(4) + voxels.astype(voxels.dtype.newbyteorder(order)).tobytes("F")
    path = folder / "scan.nii.gz"
    path.write_bytes(gzip.compress(content))
    return path, voxels


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_a_scan_that_is_written_again_has_the_same_voxels_type_and_header(tmp_path, dtype, order):
    path, voxels = stored_file(tmp_path, dtype, order=order)
    scan = nifti_scan(read_volume(path, role="T1"))
    again = tmp_path / "again.nii.gz"
    again.write_bytes(scan.to_bytes())
    before, after = nibabel.load(path), nibabel.load(again)
    assert np.array_equal(np.asarray(after.dataobj), voxels)
    assert after.get_data_dtype() == before.get_data_dtype()
    assert after.header.binaryblock == before.header.binaryblock


def test_scaled_integers_keep_their_scale_and_untouched_voxels_every_bit(tmp_path):
    path, voxels = stored_file(tmp_path, np.int16, slope=0.5, intercept=-10.0)
    scan = nifti_scan(read_volume(path, role="T1"))
    assert np.allclose(scan.values, voxels.transpose(2, 1, 0) * 0.5 - 10.0)
    where = np.zeros(scan.stored.shape, bool)
    where[3, 4, 5] = True
    changed = scan.with_values(np.full(scan.stored.shape, 33.3, np.float32), where)
    assert changed.stored[3, 4, 5] == 87  # (33.3 + 10) / 0.5, rounded
    assert np.array_equal(changed.stored[~where], scan.stored[~where])
    again = tmp_path / "again.nii.gz"
    again.write_bytes(changed.to_bytes())
    assert nibabel.load(again).get_fdata()[5, 4, 3] == pytest.approx(33.5)


def test_values_that_the_type_cannot_hold_come_to_its_limits(tmp_path):
    path, _ = stored_file(tmp_path, np.uint8)
    scan = nifti_scan(read_volume(path, role="T1"))
    values = np.full(scan.stored.shape, -5.0, np.float32)
    values[:, :, 0] = 300
    changed = scan.with_values(values, np.ones(values.shape, bool))
    assert set(np.unique(changed.stored)) == {0, 255}


def test_the_grid_is_that_of_the_volume(tmp_path):
    path, _ = stored_file(tmp_path)
    volume = read_volume(path, role="T1")
    scan = nifti_scan(volume)
    assert np.array_equal(scan.values, sitk.GetArrayFromImage(volume.image))
    assert scan.grid.origin == pytest.approx(volume.image.GetOrigin())


def test_a_label_map_lies_where_its_scan_does(tmp_path):
    path, _ = stored_file(tmp_path, np.int16, slope=2.0)
    scan = nifti_scan(read_volume(path, role="FLAIR"))
    labels = np.zeros(scan.stored.shape, np.uint16)
    labels[1, 2, 3] = 40000
    written = tmp_path / "labels.nii.gz"
    written.write_bytes(scan.with_labels(labels).to_bytes())
    loaded = nibabel.load(written)
    assert loaded.get_data_dtype() == np.uint16
    assert loaded.get_fdata()[3, 2, 1] == 40000
    assert np.allclose(loaded.affine, nibabel.load(path).affine)
    image = sitk.ReadImage(str(written))
    assert image.GetOrigin() == pytest.approx(sitk.ReadImage(str(path)).GetOrigin())


def test_the_bytes_are_the_same_every_time_and_tell_no_time(tmp_path):
    path, _ = stored_file(tmp_path)
    scan = nifti_scan(read_volume(path, role="T1"))
    content = scan.to_bytes()
    assert content == scan.to_bytes()
    assert content[4:8] == bytes(4)  # gzip's time of change


def test_a_trailing_axis_of_length_one_is_no_hindrance(tmp_path):
    voxels = np.arange(12 * 11 * 7, dtype=np.int16).reshape(12, 11, 7, 1)
    path = tmp_path / "scan.nii"
    nibabel.Nifti1Image(voxels, np.eye(4)).to_filename(path)
    scan = nifti_scan(read_volume(path, role="T1"))
    assert np.array_equal(scan.stored, voxels[..., 0].transpose(2, 1, 0))


def test_what_is_no_nifti_file_becomes_one_of_whole_numbers(tmp_path):
    array = np.random.default_rng(1).integers(0, 3000, (7, 11, 12)).astype(np.int16)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.9, 0.9, 4.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    volume = read_volume(tmp_path / "scan.nrrd", role="T1")
    scan = nifti_scan(volume)
    assert scan.stored.dtype == np.int16
    assert np.array_equal(scan.stored, array)
    written = tmp_path / "again.nii.gz"
    written.write_bytes(scan.to_bytes())
    assert sitk.ReadImage(str(written)).GetOrigin() == pytest.approx((10.0, -20.0, 30.0))
    assert nifti_of(sitk.Cast(image, sitk.sitkFloat32) + 0.5).stored.dtype == np.float32
