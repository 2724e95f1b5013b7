"""Files and DICOM folders that can be used, and one sentence for each that cannot."""

import gzip
import os
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.reading import read_study, read_volume
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

TILT = tuple(sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.1, -0.2, 0.15).GetMatrix())
GRID = Grid((12, 14, 9), (0.9, 1.1, 4.0), (-31.5, 12.25, 70.0), TILT)


def voxels(seed=0):
    return np.random.default_rng(seed).integers(1, 900, GRID.shape).astype(np.int16)


def write(path, array=None, **options):
    sitk.WriteImage(GRID.image(voxels() if array is None else array), str(path), **options)
    return path


def write_dicom(
    folder, *, number=3, description="t2_flair_tra", skip=(), seed=0, repeat=False, characters=None
):
    """One image a file, in shuffled order, on GRID."""
    folder.mkdir(parents=True, exist_ok=True)
    array, direction = voxels(seed), np.asarray(GRID.direction).reshape(3, 3)
    series_uid, study_uid, frame_uid = generate_uid(), generate_uid(), generate_uid()
    for k in np.random.default_rng(1).permutation(GRID.size[2]):
        if k in skip:
            continue
        for copy in range(2 if repeat else 1):
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            name = folder / f"{number}_{generate_uid()[-12:]}.dcm"
            image = FileDataset(str(name), {}, file_meta=meta, preamble=b"\0" * 128)
            image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
            image.StudyInstanceUID, image.SeriesInstanceUID = study_uid, series_uid
            image.FrameOfReferenceUID, image.Modality = frame_uid, "MR"
            if characters is not None:
                image.SpecificCharacterSet = characters
            image.SeriesNumber, image.SeriesDescription = number, description
            image.InstanceNumber = int(k) * 2 + copy + 1
            position = np.asarray(GRID.origin) + direction[:, 2] * GRID.spacing[2] * k
            image.ImagePositionPatient = position.tolist()
            image.ImageOrientationPatient = [*direction[:, 0].tolist(), *direction[:, 1].tolist()]
            image.PixelSpacing, image.SliceThickness = [GRID.spacing[1], GRID.spacing[0]], GRID.spacing[2]
            image.Rows, image.Columns = GRID.size[1], GRID.size[0]
            image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
            image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
            image.PixelData = (array[k] + copy).astype(array.dtype).tobytes()
            pydicom.dcmwrite(name, image, enforce_file_format=True)
    return folder


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"])
def test_every_format_gives_the_same_volume(tmp_path, suffix):
    volume = read_volume(write(tmp_path / f"scan{suffix}"), role="T1")
    assert volume.image.GetPixelID() == sitk.sitkFloat32
    assert np.array_equal(sitk.GetArrayFromImage(volume.image), voxels())
    assert np.allclose(volume.image.GetOrigin(), GRID.origin, atol=1e-4)
    assert np.allclose(volume.image.GetDirection(), GRID.direction, atol=1e-5)
    assert volume.description == f"scan{suffix}"
    assert volume.sha256 is not None
    assert len(volume.sha256) == 64


@pytest.mark.parametrize("name", ["my scan.nii.gz", "müde Köpfe é.nii", "脑部 扫描.nrrd", "大脑.mha"])
def test_paths_with_spaces_accents_and_chinese_characters_work(tmp_path, name):
    folder = tmp_path / "Ärzte 病人 1"
    folder.mkdir()
    assert read_volume(write(folder / name), role="T1").image.GetSize() == GRID.size


def test_where_an_image_lies_is_known_from_every_folder(tmp_path, monkeypatch):
    path = write(tmp_path / "FLAIR.nii.gz")
    monkeypatch.chdir(tmp_path)
    assert read_volume(Path("FLAIR.nii.gz"), role="FLAIR").path == path


def test_a_folder_of_dicom_is_read_in_slice_order(tmp_path):
    volume = read_volume(write_dicom(tmp_path / "病人 é"), role="FLAIR")
    image = volume.image
    turned = sitk.Resample(image, GRID.empty_image(), sitk.Transform(), sitk.sitkNearestNeighbor)
    assert np.array_equal(sitk.GetArrayFromImage(turned), voxels())
    assert volume.description == "t2_flair_tra"


def test_a_single_dicom_image_stands_for_its_series(tmp_path):
    folder = write_dicom(tmp_path / "series")
    write_dicom(folder, number=7, description="t1_fl2d", seed=5)
    first = next(folder.glob("3_*"))
    assert read_volume(first, role="FLAIR").image.GetSize() == GRID.size
    assert read_volume(first, role="FLAIR").description == "t2_flair_tra"


def test_several_series_are_listed_and_one_can_be_picked(tmp_path):
    folder = write_dicom(tmp_path / "study" / "a").parent
    write_dicom(folder / "b", number=7, description="t1_fl2d", seed=5)
    with pytest.raises(InputError, match="holds 2 series: choose one by its number") as error:
        read_volume(folder, role="T1")
    assert error.value.see == ("t1_series",)
    assert "\n  3  t2_flair_tra  (9 images)\n  7  t1_fl2d  (9 images)" in str(error.value)
    for wanted in ("7", "T1_FL2D"):
        assert read_volume(folder, role="T1", series=wanted).description == "t1_fl2d"
    with pytest.raises(InputError, match="none of its series called '9'"):
        read_volume(folder, role="T1", series="9")


def test_a_series_that_a_file_is_not_of_is_refused(tmp_path):
    image = next(write_dicom(tmp_path / "series").glob("3_*"))
    other = tmp_path / "T1.nii.gz"
    sitk.WriteImage(read_volume(image, role="T1", series="3").image, str(other))
    for path, reason in ((image, "is an image of the series 't2_flair_tra'"), (other, "is no DICOM")):
        with pytest.raises(InputError, match=reason) as error:
            read_volume(path, role="T1", series="7")
        assert error.value.see == ("t1_series",)


@pytest.mark.parametrize(
    ("characters", "description"),
    [
        ("ISO_IR 100", "tête axiale é"),
        ("ISO_IR 192", "头部 轴位 é"),
        ("GB18030", "头部 轴位 T1"),
        ("ISO_IR 144", "голова"),
        ("ISO_IR 13", "ｱﾀﾏ"),
        (["", "ISO 2022 IR 87"], "T1 頭部 軸位"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ｱﾀﾏ 頭部"),
        (["", "ISO 2022 IR 149"], "T1 머리"),
        (["", "ISO 2022 IR 58"], "T1 头部"),
        (["ISO 2022 IR 100", "ISO 2022 IR 144"], "é голова"),
    ],
)
def test_a_description_in_another_alphabet_is_read_as_it_was_meant(tmp_path, characters, description):
    folder = write_dicom(tmp_path / "series", description=description, characters=characters)
    volume = read_volume(folder, role="T1", series=description)
    assert volume.description == description


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of what is written here
@pytest.mark.parametrize("characters", [None, "ISO_IR 100", "ISO_IR 192", "GB18030", "nonsense"])
def test_a_description_in_an_unknown_alphabet_can_still_be_printed(tmp_path, characters):
    folder = write_dicom(tmp_path / "series", description="T1 xxxx")
    for file in folder.iterdir():  # as a scanner does that names no character set, or the wrong one
        content = file.read_bytes().replace(b"T1 xxxx ", b"T1 \xff\xe9\x81\xfe ")
        assert b"\xff\xe9" in content
        file.write_bytes(content)
        if characters is not None:
            image = pydicom.dcmread(file)
            image.add_new("SpecificCharacterSet", "CS", characters)
            image.save_as(file)
    assert read_volume(folder, role="T1").description.encode("utf-8").startswith(b"T1 ")


@pytest.fixture
def not_utf8(tmp_path):
    """A folder whose name is a Latin 1 "é", as old disks have them."""
    folder = tmp_path / os.fsdecode(b"\xe9tude")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this disk has no such names")
    if "\udce9" not in str(folder):
        pytest.skip("no such names on this system")
    return folder


def test_a_path_that_is_not_utf8_is_refused(not_utf8):
    (not_utf8 / "scan.nii").write_bytes(write(not_utf8.parent / "scan.nii").read_bytes())
    for path in (not_utf8 / "scan.nii", not_utf8, not_utf8 / "absent.nii"):
        with pytest.raises(InputError, match="not valid UTF-8") as error:
            read_volume(path, role="T1")
        assert "tude" in str(error.value).encode("utf-8").decode("utf-8")


def test_a_folder_below_that_is_not_utf8_is_passed_over(not_utf8):
    series = write_dicom(not_utf8.parent / "series")
    for file in series.iterdir():
        (not_utf8 / file.name).write_bytes(file.read_bytes())
    assert read_volume(not_utf8.parent, role="FLAIR").description == "t2_flair_tra"


def test_a_dicom_image_whose_name_is_not_utf8_is_refused(not_utf8):
    series = write_dicom(not_utf8.parent / "series")
    first = next(series.iterdir())
    first.rename(series / os.fsdecode(b"\xe9.dcm"))
    with pytest.raises(InputError, match="not valid UTF-8"):
        read_volume(series, role="FLAIR")


@pytest.mark.parametrize(
    ("fault", "said"),
    [({"skip": (4,)}, r"gap.*8\.0 mm apart"), ({"repeat": True}, "several images of the same slice")],
)
def test_a_dicom_series_without_a_slice_or_with_each_twice_is_refused(tmp_path, fault, said):
    with pytest.raises(InputError, match=said):
        read_volume(write_dicom(tmp_path / "series", **fault), role="FLAIR")


@pytest.mark.parametrize("cut", [2, 100, 450])
def test_a_truncated_dicom_image_is_refused(tmp_path, cut):
    folder = write_dicom(tmp_path / "damaged")
    victim = sorted(folder.iterdir())[3]
    victim.write_bytes(victim.read_bytes()[:-cut])
    with pytest.raises(InputError, match=r"damaged|no DICOM images"):
        read_volume(folder, role="FLAIR")


@pytest.mark.parametrize(
    ("name", "said"), [("", "holds no DICOM images"), ("nowhere.nii.gz", "does not exist")]
)
def test_a_folder_without_images_and_a_missing_file_are_refused(tmp_path, name, said):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(InputError, match=said):
        read_volume(tmp_path / name, role="T1")


@pytest.mark.parametrize("content", ["", "this is no image " * 100], ids=["empty", "text"])
@pytest.mark.parametrize("name", ["a.txt", "a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.mhd", "a.nhdr"])
def test_a_file_that_is_no_image_is_refused(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match="not in a format" if name == "a.txt" else "damaged or incomplete"):
        read_volume(tmp_path / name, role="FLAIR")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("kept", [0.3, 0.97])
def test_a_truncated_file_is_refused(tmp_path, suffix, compressed, kept):
    path = write(tmp_path / f"scan{suffix}", useCompression=compressed)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(InputError, match="damaged or incomplete"):
        read_volume(path, role="T1")


def test_truncated_voxels_in_a_whole_gzip_file_are_refused(tmp_path):
    path = write(tmp_path / "scan.nii")
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(path.read_bytes()[:-50]))
    with pytest.raises(InputError, match="damaged or incomplete"):
        read_volume(tmp_path / "scan.nii.gz", role="T1")


@pytest.mark.parametrize("before", ["", "1 x "])
def test_several_volumes_in_one_file_are_refused_and_counted_and_a_single_one_is_taken(tmp_path, before):
    for count in (1, 3):
        array = np.stack([voxels().T] * count, axis=-1).reshape(*GRID.size, *[1] * bool(before), count)
        nibabel.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / f"{count}.nii.gz")
    assert read_volume(tmp_path / "1.nii.gz", role="T1").image.GetSize() == GRID.size
    with pytest.raises(InputError, match=rf"series of 3 volumes \(12 x 14 x 9 x {before}3 voxels\)"):
        read_volume(tmp_path / "3.nii.gz", role="T1")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_lies_before_and_after_the_voxels_is_no_voxel(tmp_path, suffix, kind):
    array = voxels().astype(kind)
    nifti = nibabel.Nifti1Image(array.T, np.eye(4))
    nifti.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"\xff" * 1003))
    nifti.to_filename(tmp_path / "plain.nii")
    content = (tmp_path / "plain.nii").read_bytes() + b"\xff" * 64
    path = tmp_path / f"extended{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    volume = read_volume(path, role="T1")
    assert np.array_equal(sitk.GetArrayFromImage(volume.image), array)
    array[-1, -1, -1] = np.nan  # the very last voxel counts
    spoilt = nibabel.Nifti1Image(array.T, np.eye(4), nifti.header)
    spoilt.to_filename(tmp_path / f"spoilt{suffix}")
    unknown = read_volume(tmp_path / f"spoilt{suffix}", role="T1").unknown
    assert unknown is not None
    np.testing.assert_array_equal(np.argwhere(unknown), [np.array(unknown.shape) - 1])


def test_a_colour_image_is_refused(tmp_path):
    one = sitk.Cast(GRID.image(voxels() % 256), sitk.sitkUInt8)
    sitk.WriteImage(sitk.Compose([one, one, one]), str(tmp_path / "rgb.nrrd"))
    with pytest.raises(InputError, match="several values per voxel"):
        read_volume(tmp_path / "rgb.nrrd", role="T1")


def test_a_single_slice_is_refused(tmp_path):
    image = GRID.image(voxels())
    for number, flat in enumerate((image[:, :, 3], image[:, :, 3:4])):
        path = tmp_path / f"{number}.nii"
        sitk.WriteImage(flat, str(path))
        with pytest.raises(InputError, match="single slice"):
            read_volume(path, role="T1")


@pytest.mark.parametrize(
    ("value", "message"), [(0.0, "empty: all voxels are 0"), (7.0, "constant: all voxels are 7")]
)
def test_a_volume_of_one_value_is_refused(tmp_path, value, message):
    path = write(tmp_path / "flat.nii.gz", np.full(GRID.shape, value, np.float32))
    with pytest.raises(InputError, match=message):
        read_volume(path, role="FLAIR")
    assert read_volume(path, role="brain mask", mask=True).image.GetSize() == GRID.size


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_numbers_are_remembered(tmp_path, value):
    array = voxels().astype(np.float32)
    array[2, 3, 4] = value
    volume = read_volume(write(tmp_path / "nan.nrrd", array), role="T1")
    np.testing.assert_array_equal(np.argwhere(volume.unknown), [[2, 3, 4]])
    read = sitk.GetArrayFromImage(volume.image)
    array[2, 3, 4] = read.min()
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize(("shear", "said"), [(0.002, False), (0.2, True)])
def test_sheared_axes_are_straightened_and_that_is_said_if_it_moves_anything(tmp_path, shear, said):
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[0, 1] = shear * 2
    nifti = nibabel.Nifti1Image(voxels(), affine)
    nifti.set_sform(affine, 2)
    nifti.set_qform(None, 0)
    path = tmp_path / "sheared.nii.gz"
    nifti.to_filename(path)
    volume = read_volume(path, role="T1")
    assert np.array_equal(sitk.GetArrayFromImage(volume.image).T, voxels())
    assert bool(volume.remarks) == said


def test_the_same_file_for_t1_and_flair_is_refused(tmp_path):
    path = write(tmp_path / "scan.nii.gz")
    with pytest.raises(InputError, match="the same images"):
        read_study(path, path)
