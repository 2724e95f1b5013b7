"""What DICOM images lack or have wrong: named, all of it, before the work; or cleaned, and said."""

from __future__ import annotations

import re

import numpy as np
import pydicom
import pytest
from AnomalyDetectionLib.dicom.series import choose
from AnomalyDetectionLib.errors import InputError
from made_dicom import change, duplicate, turn
from made_findings import ALGORITHM, made, oblique
from pydicom import config

pytest.importorskip("highdicom", reason="highdicom is not installed")

from AnomalyDetectionLib.reporting.dicom_objects import REPORT, SEGMENTATION, dicom_source, write_dicom

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # it says what we spoil

NEEDED = (
    *("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID", "SOPClassUID"),
    *("Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
)
EMPTY_IF_MISSING = (
    *("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName"),
)


@pytest.fixture
def classic(tmp_path):
    return made(tmp_path / "source", "classic", oblique())


@pytest.fixture
def enhanced(tmp_path):
    return made(tmp_path / "source", "enhanced", oblique())


def spoil(file, **values):
    """Write values that pydicom itself would refuse; None removes."""
    mode, config.settings.writing_validation_mode = config.settings.writing_validation_mode, config.IGNORE
    try:
        change(file, **values)
    finally:
        config.settings.writing_validation_mode = mode


def refused(files, match):
    with pytest.raises(InputError, match=match) as caught:
        dicom_source(files)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def without(file, *keywords):
    """The same as a file that lacks these, its file meta information too."""
    image = pydicom.dcmread(file)
    for keyword in keywords:
        del image[keyword]
    image.save_as(file)


@pytest.mark.parametrize("keyword", NEEDED)
def test_a_missing_attribute_is_named_with_its_file(keyword, classic):
    without(classic.files[2], keyword)
    refused(classic.files, f"{keyword} is missing in {re.escape(str(classic.files[2]))}")


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "PixelSpacing"])
def test_what_is_there_and_empty_is_not_called_missing(keyword, classic):
    change(classic.files[1], **{keyword: ""})
    refused(classic.files, f"{keyword} is empty in .*{classic.files[1].name}")


@pytest.mark.parametrize(("value", "said"), [("", "is empty"), (None, "is missing")])
def test_a_patient_without_an_identifier_has_objects_without_one_and_it_is_said(
    value, said, classic, tmp_path
):
    for file in classic.files:
        change(file, PatientID=value)
    source = dicom_source(classic.files)
    (remark,) = source.remarks
    assert remark.startswith(f"PatientID {said} in the FLAIR's DICOM images and was left empty")
    write_dicom(source, classic.labels, classic.findings, ALGORITHM, tmp_path)
    for name in (SEGMENTATION, REPORT):
        assert pydicom.dcmread(tmp_path / name)["PatientID"].value == ""


def test_an_identifier_that_only_some_images_have_is_refused(classic):
    change(classic.files[2], PatientID="")
    refused(classic.files, f"PatientID is empty in .*{classic.files[2].name}")


def test_every_missing_attribute_is_named_at_once(classic):
    for file in classic.files:
        without(file, *NEEDED)
    said = refused(classic.files, "cannot be referred to")
    for keyword in NEEDED:
        assert f"{keyword} is missing in {classic.files[0]} and 4 more" in said


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StudyInstanceUID", "no identifier"),
        ("FrameOfReferenceUID", "1.02.3"),
        ("PatientID", "P" * 65),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7"),  # a captured screen
        ("ImagePositionPatient", ["1", "2"]),
        ("ImageOrientationPatient", ["1", "0", "0", "1", "0", "0"]),
        ("PixelSpacing", ["0", "1"]),
        ("Rows", 0),
    ],
)
def test_a_value_that_cannot_be_used_is_named(keyword, value, classic):
    spoil(classic.files[1], **{keyword: value})
    refused(classic.files, rf"{keyword} cannot be used \(.*in .*{classic.files[1].name}")


@pytest.mark.parametrize("groups", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_functional_groups_that_are_missing_are_named(groups, enhanced):
    without(enhanced.files[0], groups)
    expected = "PixelSpacing" if groups.startswith("Shared") else groups
    refused(enhanced.files, f"{expected} is missing")


def test_a_frame_that_does_not_say_where_it_lies_is_named(enhanced):
    image = pydicom.dcmread(enhanced.files[0])
    del image.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    image.save_as(enhanced.files[0])
    refused(enhanced.files, "ImagePositionPatient is missing")


def test_orientation_and_spacing_may_be_told_for_each_frame(tmp_path):
    these = made(tmp_path / "source", "enhanced", oblique(), shared_orientation=False)
    assert np.allclose(dicom_source(these.files).grid.spacing, these.grid.spacing, atol=1e-4)


def test_images_of_two_series_or_patients_are_refused(classic):
    change(classic.files[3], PatientID="ANOTHER", SeriesInstanceUID="1.2.3")
    said = refused(classic.files, "cannot be referred to")
    for keyword in ("PatientID", "SeriesInstanceUID"):
        assert f"{keyword} is not that of {classic.files[0].name} in {classic.files[3]}" in said


def test_the_same_instance_twice_is_refused(classic):
    copy = duplicate(classic.files, 1, same_instance=True)
    refused([*classic.files, copy], "SOPInstanceUID is that of")


def test_slices_that_are_no_volume_are_refused(classic):
    refused([classic.files[0], *classic.files[2:]], "has a gap")
    refused(classic.files[:1], "a single slice")
    turn(classic.files, 2)
    refused(classic.files, "different orientations")


def moved(these, place, along=0.0, aside=0.0):
    """Move a slice of 4 mm distance by so many mm along the normal and along its rows."""
    axes = np.array(these.grid.direction).reshape(3, 3)
    image = pydicom.dcmread(these.files[place])
    position = np.array(image.ImagePositionPatient, float) + along * axes[:, 2] + aside * axes[:, 0]
    change(these.files[place], ImagePositionPatient=[f"{value:.6f}" for value in position])


@pytest.mark.parametrize(("along", "aside", "read"), [(0.3, 0.0, True), (0.9, 0.0, False), (0.0, 0.9, False)])
def test_slices_that_lie_too_unevenly_to_be_read_can_be_referred_to(classic, along, aside, read):
    """The findings may come from a volume that another reader has made of them."""
    moved(classic, 2, along, aside)
    source = dicom_source(classic.files)
    assert source.grid.spacing[2] == pytest.approx(4.0, abs=1e-4)
    off = np.array(source.positions[2]) - source.grid.points(np.array([[0, 0, 2]]))[0]
    assert np.linalg.norm(off) == pytest.approx(along + aside, abs=1e-3)
    assert bool(choose(classic.files[0].parent, role="FLAIR", series=None).problem) != read


@pytest.mark.parametrize(
    ("along", "aside", "said"), [(1.1, 0.0, "has a gap"), (0.0, 1.1, "shifted against each other")]
)
def test_slices_that_lie_a_quarter_of_their_distance_off_are_refused(classic, along, aside, said):
    moved(classic, 2, along, aside)
    refused(classic.files, said)


def test_what_may_be_empty_is_left_empty_and_said(classic, tmp_path):
    for file in classic.files:
        without(file, *EMPTY_IF_MISSING)
    source = dicom_source(classic.files)
    (remark,) = source.remarks
    assert remark.startswith("In the FLAIR's DICOM images missing and left empty: ")
    written = write_dicom(source, classic.labels, classic.findings, ALGORITHM, tmp_path)
    assert remark in written.remarks
    for name in (SEGMENTATION, REPORT):
        object_ = pydicom.dcmread(tmp_path / name)
        for keyword in EMPTY_IF_MISSING:
            assert keyword in remark
            assert not object_[keyword].value


def test_values_that_scanners_should_not_write_are_cleaned_and_said(classic, tmp_path):
    odd = {
        **{"PatientName": "Doe^Jane^" + "x" * 80, "PatientSex": "female", "PatientAge": "about 50"},
        **{"StudyDate": "2024.01.31", "StudyTime": "quarter past"},
        **{"AccessionNumber": "A" * 30, "StudyDescription": "d" * 90},
    }
    for file in classic.files:
        spoil(file, PatientWeight="70.125", PatientIdentityRemoved="YES", Manufacturer="M" * 80, **odd)
        file.write_bytes(file.read_bytes().replace(b"70.125", b"heavy!"))
    source = dicom_source(classic.files)
    said = " ".join(source.remarks)
    for keyword in (*odd, "PatientWeight"):
        assert keyword in said
    longer = "AccessionNumber of the FLAIR's DICOM images is longer than DICOM allows (16 characters)"
    assert f"{longer} and was left empty: the objects are not linked to the order" in said
    write_dicom(source, classic.labels, classic.findings, ALGORITHM, tmp_path)
    for name in (SEGMENTATION, REPORT):
        object_ = pydicom.dcmread(tmp_path / name)
        assert str(object_.PatientName).startswith("Doe^Jane^x")
        assert (object_.PatientSex, object_.StudyDate, object_.AccessionNumber) == ("", "", "")
        assert len(object_.StudyDescription) == 64


def test_long_decimals_are_shortened_and_stay_where_they_are(classic):
    for file in classic.files:
        image = pydicom.dcmread(file)
        position = [f"{float(v):.13f}00000" for v in image.ImagePositionPatient]
        spoil(file, ImagePositionPatient=position)
    source = dicom_source(classic.files)
    assert all(len(str(v)) <= 16 for image in source.images for v in image.ImagePositionPatient)
    assert np.allclose(source.grid.origin, classic.grid.origin, atol=1e-6)


def test_slices_whose_orientation_differs_in_the_last_digits_are_one_volume(classic, tmp_path):
    image = pydicom.dcmread(classic.files[2])
    axes = [f"{float(value) + 2e-6:.8f}" for value in image.ImageOrientationPatient]
    change(classic.files[2], ImageOrientationPatient=axes, PixelSpacing=["0.9000001", "0.7000001"])
    written = write_dicom(dicom_source(classic.files), classic.labels, classic.findings, ALGORITHM, tmp_path)
    assert [file.name for file in written.files] == [SEGMENTATION, REPORT]


@pytest.mark.parametrize(
    ("characters", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Люкceмбypг"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
    ],
)
def test_names_of_any_character_set_are_kept(characters, name, tmp_path):
    from made_dicom import MadeStudy

    study = MadeStudy(patient_name=name)
    these = made(tmp_path / "source", "classic", oblique(), characters=characters, study=study)
    write_dicom(dicom_source(these.files), these.labels, these.findings, ALGORITHM, tmp_path)
    for file in (SEGMENTATION, REPORT):
        object_ = pydicom.dcmread(tmp_path / file)
        assert object_.SpecificCharacterSet == "ISO_IR 192"
        assert str(object_.PatientName) == name


def test_a_file_that_is_gone_or_no_dicom_is_said(classic):
    classic.files[1].write_bytes(b"no image")
    refused(classic.files, "cannot be read: export it again")
    classic.files[1].unlink()
    refused(classic.files, "is not there any more")
