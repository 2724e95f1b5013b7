"""T1 and FLAIR of a DICOM study: found by their attributes, and never guessed silently."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.dicom.study import Pair, choose_pair, read_studies, row, the_study
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.reading import read_volume
from made_dicom import MadeStudy, change, classic_series, drop, enhanced_series, truncate
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid


def image(spacing: float = 10.0, slices: int = 14) -> sitk.Image:
    grid = Grid((9, 8, slices), (16.0, 16.0, spacing), (-80.0, -70.0, -60.0), tuple(np.eye(3).ravel()))
    return grid.image(np.random.default_rng(slices).integers(0, 900, grid.shape).astype(np.int16))


THICK, FINE, SLAB = image(), image(6.0, 23), image(slices=5)


@pytest.fixture
def study() -> MadeStudy:
    return MadeStudy()


def taken(folder: Path, **named: str) -> Pair:
    return choose_pair(the_study(folder), **named)


@pytest.mark.parametrize("make", [classic_series, enhanced_series])
def test_t1_and_flair_are_found_among_all_the_others(tmp_path, study, make):
    for number, kind in enumerate(("localiser", "T2", "FLAIR", "PD", "DWI", "T1", "SWI"), 1):
        scan = SLAB if kind == "localiser" else THICK
        make(tmp_path / str(number), scan, kind=kind, study=study, number=number)
    pair = taken(tmp_path)
    assert (pair.t1.number, pair.flair.number) == ("6", "3")
    assert "the only T1" in pair.t1.chosen
    assert "TI 2500 ms" in pair.flair.chosen
    assert pair.lines[1].startswith("FLAIR: series 3 't2_tirm_tra_dark-fluid', 14 images (")
    kinds = [series.classification.kind for series in the_study(tmp_path).series]
    assert kinds == ["localiser", "T2", "FLAIR", "PD", "DWI/ADC", "T1", "SWI"]


def test_the_description_does_not_decide(tmp_path, study):
    for number, kind in enumerate(("T1", "FLAIR", "T2"), 1):
        names = dict.fromkeys(("SeriesDescription", "ProtocolName"), f"Serie {number}")
        classic_series(tmp_path, THICK, kind=kind, study=study, number=number, **names)
    assert [s.number for s in (taken(tmp_path).t1, taken(tmp_path).flair)] == ["1", "2"]


@pytest.mark.parametrize(
    ("worse", "reason"),
    [
        ({"ContrastBolusAgent": "Gadovist"}, "no contrast medium named"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "original"),
        ({"EchoTime": None, "ScanningSequence": ""}, "its attributes say it"),
    ],
)
def test_the_better_t1_is_taken_and_the_reason_told(tmp_path, study, worse, reason):
    classic_series(tmp_path, FINE, kind="T1", study=study, number=2, **worse)
    classic_series(tmp_path, THICK, kind="T1 spin echo", study=study, number=3)
    classic_series(tmp_path, THICK, study=study, number=4)
    t1 = taken(tmp_path).t1
    assert t1.number == "3"
    assert f"preferred to the other T1: {reason}" in t1.chosen


def test_more_of_the_brain_goes_before_finer_and_finer_before_coarser(tmp_path, study):
    classic_series(tmp_path, SLAB, kind="T1", study=study, number=2)
    classic_series(tmp_path, THICK, kind="T1 spin echo", study=study, number=3)
    classic_series(tmp_path, THICK, study=study, number=4)
    classic_series(tmp_path, FINE, study=study, number=5)
    pair = taken(tmp_path)
    assert (pair.t1.number, pair.flair.number) == ("3", "5")
    assert "covers more of the brain (128 mm against 50 mm)" in pair.t1.chosen
    assert "finer" in pair.flair.chosen


@pytest.mark.parametrize("of_neck", [{"BodyPartExamined": "NECK"}, {"SeriesDescription": "t1_tse_tra_Hals"}])
def test_a_finer_t1_of_the_neck_is_not_taken_for_the_heads(tmp_path, study, of_neck):
    classic_series(tmp_path, FINE, kind="T1 spin echo", study=study, number=2, **of_neck)
    classic_series(tmp_path, THICK, kind="T1 spin echo", study=study, number=3)
    classic_series(tmp_path, THICK, study=study, number=4)
    t1 = taken(tmp_path).t1
    assert (t1.number, "not of the neck" in t1.chosen) == ("3", True)


def test_two_that_are_equally_good_are_listed_and_none_is_taken(tmp_path, study):
    for number in (2, 3):
        classic_series(tmp_path, THICK, kind="T1", study=study, number=number)
    classic_series(tmp_path, THICK, study=study, number=4)
    with pytest.raises(InputError, match="2 equally good T1 series: choose one by its number") as error:
        taken(tmp_path)
    assert error.value.see == ("t1_series",)
    assert "\n  2  t1_mprage_sag_p2_iso  (T1, 14 images" in str(error.value)
    assert taken(tmp_path, t1="3").t1.number == "3"
    assert taken(tmp_path, t1="3").t1.chosen == "named by the user"


def test_a_study_without_a_flair_says_so_and_lists_all(tmp_path, study):
    classic_series(tmp_path, THICK, kind="T1", study=study, number=2)
    classic_series(tmp_path, THICK, kind="T2", study=study, number=3)
    with pytest.raises(InputError, match="no series that is certainly a FLAIR") as error:
        taken(tmp_path)
    assert error.value.see == ("flair_series",)
    assert "3  t2_tse_tra  (T2, 14 images: spin echo: TE 100 ms, TR 5000 ms)" in str(error.value)
    assert taken(tmp_path, flair="3").flair.number == "3"
    with pytest.raises(InputError, match="none of its series called '9'"):
        taken(tmp_path, flair="9")
    with pytest.raises(InputError, match="are the same series"):
        taken(tmp_path, flair="2")


def test_a_series_that_is_no_volume_is_not_taken_and_that_is_told(tmp_path, study):
    classic_series(tmp_path, THICK, kind="T1", study=study, number=2)
    files = classic_series(tmp_path, FINE, study=study, number=3)
    drop(files, 9)
    said = r"no FLAIR can be used.*has a gap: slices 9 and 10 are 12\.0 mm apart"
    with pytest.raises(InputError, match=said):
        taken(tmp_path)
    classic_series(tmp_path, THICK, study=study, number=4)
    assert taken(tmp_path).flair.number == "4"
    assert "series 3 cannot be used" in taken(tmp_path).flair.chosen


def test_several_studies_are_listed_and_one_can_be_chosen(tmp_path):
    dates = ("20190102", "20230304")
    made = [MadeStudy(date=date) for date in dates]
    for number, each in enumerate(made):
        for kind in ("T1", "FLAIR"):
            classic_series(tmp_path / str(number) / kind, THICK, kind=kind, study=each)
    with pytest.raises(InputError, match="holds 2 studies: choose one by its UID") as error:
        the_study(tmp_path)
    assert error.value.see == ("study_uid",)
    assert f"  {made[1].uid}  2023-03-04, Head, patient ANON-1" in str(error.value)
    assert the_study(tmp_path, made[1].uid).date == "20230304"
    with pytest.raises(InputError, match="holds no study 1"):
        the_study(tmp_path, "1.2.3")
    assert [study.date for study in read_studies(tmp_path)] == list(dates)


def test_objects_without_images_and_captured_screens_are_no_candidates(tmp_path, study):
    files = classic_series(tmp_path, THICK, kind="T1", study=study, number=2)
    classic_series(tmp_path, THICK, study=study, number=4)
    shot = pydicom.dcmread(files[0])
    shot.SOPClassUID = shot.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    shot.SeriesInstanceUID, shot.SeriesNumber, shot.Modality = generate_uid(), 99, "OT"
    shot.SeriesDescription = "FLAIR screenshot"
    shot.save_as(tmp_path / "shot.dcm")
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(shot, keyword)
    shot.SOPClassUID = shot.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.22"
    shot.SeriesInstanceUID, shot.Modality = generate_uid(), "SR"
    shot.save_as(tmp_path / "report.dcm")
    found = the_study(tmp_path)
    assert [(s.number, s.is_mr) for s in found.series] == [("2", True), ("4", True), ("99", False)]
    assert found.no_images == ("1 SR",)
    assert taken(tmp_path).flair.number == "4"


def test_a_truncated_header_spoils_its_series_only(tmp_path, study):
    files = classic_series(tmp_path, THICK, kind="T1", study=study, number=2)
    classic_series(tmp_path, THICK, study=study, number=4)
    truncate(files[3], keep=0.6)
    found = {series.number: series for series in the_study(tmp_path).series}
    assert not found["4"].problem
    assert found["2"].problem


@pytest.mark.parametrize("name", ["absent", "empty", "file.txt"])
def test_a_folder_without_mr_images_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("no DICOM")
    with pytest.raises(InputError, match=r"does not exist|holds no MR images|is no folder"):
        the_study(tmp_path / name)


@pytest.mark.parametrize("whole", [True, False], ids=["folder", "file"])
def test_a_study_that_is_still_packed_is_told_to_be_unpacked(tmp_path, whole):
    (tmp_path / "study.zip").write_bytes(b"PK\x03\x04" + bytes(300))
    with pytest.raises(InputError, match=r"study\.zip\): unpack it|study\.zip has to be unpacked"):
        the_study(tmp_path if whole else tmp_path / "study.zip")


def test_a_study_of_captured_screens_alone_says_what_it_holds(tmp_path, study):
    for file in classic_series(tmp_path, THICK, study=study):
        change(file, SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    with pytest.raises(InputError, match=rf"but others \({THICK.GetDepth()} Secondary Capture Image\): give"):
        the_study(tmp_path)


def test_a_folder_that_cannot_be_read_is_not_called_empty(tmp_path, monkeypatch):
    def gone(path):
        raise OSError(errno.EHOSTDOWN, "Host is down", str(path))

    monkeypatch.setattr("os.scandir", gone)
    with pytest.raises(InputError, match=r"cannot be read \(Host is down\)"):
        read_studies(tmp_path)


def close(monkeypatch, folder):
    """Deny the reading of a folder, whoever runs the tests."""
    scan = os.scandir

    def scandir(path="."):
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("os.scandir", scandir)


def test_a_sub_folder_that_cannot_be_read_is_said_of_each_series(tmp_path, study, monkeypatch):
    classic_series(tmp_path / "t1", THICK, kind="T1", study=study, number=2)
    files = classic_series(tmp_path / "flair", THICK, study=study, number=4)
    (tmp_path / "flair" / "rest").mkdir()
    for file in files[9:]:
        file.rename(tmp_path / "flair" / "rest" / file.name)
    close(monkeypatch, tmp_path / "flair" / "rest")
    pair = taken(tmp_path)
    assert len(pair.flair.frames) == 9
    assert all("sub-folders that cannot be read left out: 1" in line for line in pair.lines)


def test_what_could_not_be_read_is_named_where_a_series_is_missing(tmp_path, study, monkeypatch):
    classic_series(tmp_path / "t1", THICK, kind="T1", study=study, number=2)
    classic_series(tmp_path / "flair", THICK, study=study, number=4)
    close(monkeypatch, tmp_path / "flair")
    with pytest.raises(InputError, match=r"certainly a FLAIR \(cannot be read: .*flair\)"):
        taken(tmp_path)
    close(monkeypatch, tmp_path / "t1")
    with pytest.raises(InputError, match=r"damaged or cannot be read \(.*\): check"):
        taken(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", bytes(100), bytes(5000), b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a"]
)
def test_images_without_content_are_said_of_their_series_only(tmp_path, study, content):
    classic_series(tmp_path / "t1", THICK, kind="T1", study=study, number=2)
    files = classic_series(tmp_path / "flair", THICK, study=study, number=4)
    (tmp_path / "t1" / "lockfile").write_bytes(b"")
    for file in files[12:]:
        file.write_bytes(content)
    pair = taken(tmp_path)
    assert len(pair.flair.frames) == 12
    assert "without content" not in pair.lines[0]
    assert "files without content left out: 2" in pair.lines[1]
    for file in files:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"certainly a FLAIR \(cannot be read: .*\.dcm and 13 more\)"):
        taken(tmp_path)


@pytest.mark.parametrize("named", ["4", "UID", "T2_tirm_tra_dark-fluid"])
def test_a_captured_screen_of_the_same_series_does_not_stand_in_the_way_of_its_name(tmp_path, study, named):
    classic_series(tmp_path / "t1", THICK, kind="T1", study=study, number=2)
    files = classic_series(tmp_path / "flair", THICK, study=study, number=4)
    shot = pydicom.dcmread(files[0])
    shot.SOPClassUID = shot.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    shot.SOPInstanceUID = shot.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    shot.save_as(tmp_path / "flair" / "screen.dcm")
    named = shot.SeriesInstanceUID if named == "UID" else named
    assert len(taken(tmp_path, flair=named).flair.frames) == len(files)
    assert read_volume(tmp_path, role="FLAIR", series=named).image.GetSize()[2] == len(files)


def test_the_directory_of_a_disc_stands_for_its_folder(tmp_path, study):
    for number, kind in ((2, "T1"), (4, "FLAIR")):
        classic_series(tmp_path / "IMAGES", THICK, kind=kind, study=study, number=number)
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 40)
    assert len(the_study(tmp_path / "DICOMDIR").series) == 2
    read = read_volume(tmp_path / "DICOMDIR", role="T1", series="2")
    assert read.image.GetSize() == THICK.GetSize()
    with pytest.raises(InputError, match="holds 2 series: choose one"):
        read_volume(tmp_path / "DICOMDIR", role="T1")


def test_the_table_keeps_the_whole_reason_why_a_series_is_no_volume(tmp_path, study):
    drop(classic_series(tmp_path, FINE, study=study, SeriesDescription="FLAIR: a b c"), 9)
    (series,) = the_study(tmp_path).series
    reason = "; cannot be used: it has a gap: slices 9 and 10 are 12.0 mm apart, the others 6.0 mm"
    assert reason in row(series)[-1]


@pytest.mark.parametrize(
    "types", [("M", "NORM", "DIS2D"), ("M", "DIS3D"), ("M", "NORM")], ids=["both", "distortion", "coil"]
)
def test_of_one_acquisition_the_corrected_images_are_taken(tmp_path, study, types):
    classic_series(tmp_path, THICK, kind="T1", study=study, number=2)
    classic_series(tmp_path, THICK, study=study, number=3, ImageType=["ORIGINAL", "PRIMARY", *types])
    classic_series(tmp_path, THICK, study=study, number=4, ImageType=["ORIGINAL", "PRIMARY", "M", "ND"])
    flair = taken(tmp_path).flair
    assert flair.number == "3"
    assert f"corrected ({', '.join(sorted(types[1:]))})" in flair.chosen


def test_a_series_of_two_kinds_is_neither(tmp_path, study):
    files = classic_series(tmp_path, THICK, study=study)
    for file in files[5:]:
        change(file, EchoTime=9.0, InversionTime=800.0)
    (series,) = the_study(tmp_path).series
    assert series.classification.kind == "other"
    assert "images of different kinds" in series.classification.why


def test_a_missing_series_uid_is_named(tmp_path, study):
    for file in classic_series(tmp_path, THICK, study=study):
        change(file, SeriesInstanceUID=None)
    with pytest.raises(InputError, match="without the attribute SeriesInstanceUID"):
        read_volume(tmp_path, role="FLAIR")


def test_the_table_tells_where_images_may_be_missing_at_an_end(tmp_path, study):
    drop(classic_series(tmp_path, THICK, study=study, ImagesInAcquisition=14), 0)
    (series,) = the_study(tmp_path).series
    assert row(series)[-1].endswith("; may be incomplete: 13 of 14 images")


@pytest.mark.parametrize("told_mm", [10.0, 20.0, None])
def test_that_every_second_image_is_missing_is_said_where_the_distance_of_the_slices_shows_it(
    tmp_path, study, told_mm
):
    files = classic_series(tmp_path, THICK, study=study, SpacingBetweenSlices=told_mm)
    for k in range(1, len(files), 2):
        drop(files, k)
    (series,) = the_study(tmp_path).series
    assert series.missing == ((7, 13) if told_mm == 10 else None)
