"""DICOM series as archives, discs and careless programs leave them: read right and said, or refused, never guessed."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.quality import dicom_series
from AnomalyDetectionLib.dicom.headers import read_header
from AnomalyDetectionLib.dicom.study import choose_pair, read_studies, row, the_study
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid, apart_mm
from AnomalyDetectionLib.imaging.reading import read_volume
from AnomalyDetectionLib.imaging.volume import Study
from made_dicom import MadeStudy, change, classic_series, drop, duplicate, enhanced_series, mix
from pydicom.uid import generate_uid
from test_dicom_volumes import GRID, IMAGE, VOXELS, assert_same_space, edited, refused

OTHER = GRID.image(np.random.default_rng(5).integers(-4096, 4096, GRID.shape).astype(np.int16))
TWICE = [*range(GRID.size[2])] * 2


def read_right(folder: Path) -> str:
    """What is said of a series that gives exactly the volume it was made from."""
    volume = read_volume(folder, role="FLAIR")
    assert_same_space(volume.image, GRID, VOXELS)
    assert volume.series is not None
    said = "; ".join(volume.series.notes)
    warned = [w.sentence for w in dicom_series.check(Study(volume, volume)) if w.name == "tidied series"]
    assert bool(warned) == bool(said)
    assert all(said in sentence for sentence in warned)
    return said


# Equal copies


@pytest.mark.parametrize("same_instance", [True, False], ids=["same UID", "another UID"])
def test_equal_copies_of_some_images_are_left_out_and_that_is_said(tmp_path, same_instance):
    files = classic_series(tmp_path, IMAGE)
    for k in (0, 2, 5):
        duplicate(files, k, same_instance=same_instance)
    assert read_right(tmp_path) == "equal copies of images left out: 3"
    (series,) = the_study(tmp_path).series
    assert row(series)[3] == "6"
    assert row(series)[-1].endswith("equal copies of images left out: 3")


def test_a_folder_that_was_copied_into_itself_is_read_once(tmp_path):
    for file in classic_series(tmp_path, IMAGE):
        (tmp_path / "backup").mkdir(exist_ok=True)
        shutil.copy(file, tmp_path / "backup")
    assert read_right(tmp_path) == "equal copies of images left out: 6"


def test_equal_copies_of_an_enhanced_object_and_of_its_frames_are_left_out(tmp_path):
    file = enhanced_series(tmp_path / "file", IMAGE)
    shutil.copy(file, tmp_path / "file" / "a copy")
    assert read_right(tmp_path / "file") == "equal copies of images left out: 6"
    enhanced_series(tmp_path / "frames", IMAGE, frame_order=[0, 1, 2, 2, 3, 4, 5])
    assert read_right(tmp_path / "frames") == "equal copies of images left out: 1"


def test_a_whole_series_sent_twice_under_other_uids_is_read_once(tmp_path):
    study = MadeStudy()
    for name in ("first", "second"):
        classic_series(tmp_path / name, IMAGE, study=study)
    said = read_right(tmp_path)
    assert said == "put together from 2 series UIDs; equal copies of images left out: 6"


@pytest.mark.parametrize("digits", [1, 2, 3])
@pytest.mark.parametrize("where", ["A", "Z"], ids=["before", "after"])
def test_copies_whose_numbers_are_rounded_are_left_out(tmp_path, digits, where):
    files = classic_series(tmp_path, IMAGE)
    for k in range(len(files)):
        copied = duplicate(files, k, same_instance=True)
        image = pydicom.dcmread(copied)
        change(
            copied,
            ImagePositionPatient=[f"{v:.{digits}f}" for v in image.ImagePositionPatient],
            ImageOrientationPatient=[f"{v:.{digits + 3}f}" for v in image.ImageOrientationPatient],
        )
        (tmp_path / where).mkdir(exist_ok=True)
        copied.rename(tmp_path / where / copied.name)
    volume = read_volume(tmp_path, role="FLAIR")
    assert_near(volume.image)
    assert volume.series is not None
    assert volume.series.notes == ("equal copies of images left out: 6",)
    assert len({file.parent for file in volume.files}) == 1


def test_a_copy_that_tells_a_scale_of_1_where_the_other_tells_none_is_equal(tmp_path):
    change(duplicate(classic_series(tmp_path, IMAGE), 2), RescaleSlope=1, RescaleIntercept=0)
    assert read_right(tmp_path) == "equal copies of images left out: 1"


def assert_near(image: sitk.Image) -> None:
    """The voxels of `IMAGE`, at most 0.1 mm beside their places."""
    assert np.array_equal(sitk.GetArrayFromImage(image), VOXELS)
    assert apart_mm(GRID.size, Grid.of(image).matrix, GRID.matrix) < 0.1


@pytest.mark.parametrize("attributes", [{"PixelData": VOXELS[0].tobytes()}, {"RescaleSlope": "2"}])
@pytest.mark.parametrize("same_instance", [True, False])
def test_copies_that_are_not_equal_are_refused(tmp_path, attributes, same_instance):
    files = classic_series(tmp_path, IMAGE)
    change(duplicate(files, 2, same_instance=same_instance), **attributes)
    refused(tmp_path, "two different images of one SOPInstanceUID" if same_instance else "of them twice")


def test_a_copy_that_is_damaged_is_refused(tmp_path):
    files = classic_series(tmp_path, IMAGE)
    file = duplicate(files, 2)
    file.write_bytes(file.read_bytes()[:-40])
    refused(tmp_path, "several images of the same slice|damaged")


def test_equal_copies_do_not_hide_that_a_slice_is_missing_at_the_end(tmp_path):
    files = classic_series(tmp_path, IMAGE, ImagesInAcquisition=6)
    duplicate(files, 2)
    drop(files, 5)
    (series,) = the_study(tmp_path).series
    assert series.missing == (5, 6)


# Magnitude among other parts of the complex image

PARTS = [
    (["ORIGINAL", "PRIMARY", "P"], {}, "phase"),
    (["ORIGINAL", "PRIMARY", "P", "ND"], {}, "phase"),
    (["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "SE"], {}, "phase"),
    (["ORIGINAL", "PRIMARY", "R_IR", "R", "IR"], {}, "real part"),
    (["ORIGINAL", "PRIMARY", "IMAGINARY"], {}, "imaginary part"),
    (["ORIGINAL", "PRIMARY", "OTHER"], {"ComplexImageComponent": "PHASE"}, "phase"),
]


@pytest.mark.parametrize(("types", "attributes", "part"), PARTS)
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_the_magnitude_is_taken_out_of_a_classic_series(tmp_path, types, attributes, part, first):
    numbers = {"InstanceNumber": lambda k: k + 1 - 1000 * first}
    magnitude = classic_series(tmp_path, IMAGE, ImageType=["ORIGINAL", "PRIMARY", "M"])
    others = classic_series(tmp_path, OTHER, number=4, ImageType=types, **attributes, **numbers)
    mix(magnitude, others)
    assert read_right(tmp_path) == f"images left out: 6 {part} (the magnitude is taken)"
    (series,) = the_study(tmp_path).series
    assert series.classification.kind == "FLAIR"
    assert series.missing is None


def test_real_and_imaginary_parts_beside_the_magnitude_are_all_left_out(tmp_path):
    files = classic_series(tmp_path, IMAGE, ImageType=["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"])
    for number, part in enumerate("PRI", 4):
        types = ["ORIGINAL", "PRIMARY", f"{part}_SE", part]
        mix(files, classic_series(tmp_path, OTHER, number=number, ImageType=types))
    parts = "6 phase, 6 real part, 6 imaginary part"
    assert read_right(tmp_path) == f"images left out: {parts} (the magnitude is taken)"


def test_the_part_that_only_ge_s_own_attribute_names_is_left_out(tmp_path):
    files = classic_series(tmp_path, IMAGE)
    others = classic_series(tmp_path, OTHER, number=4)
    mix(files, others)
    for part, group in ((0, files), (1, others)):
        for file in group:
            with edited(file) as image:
                image.private_block(0x43, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", part)
    assert read_right(tmp_path) == "images left out: 6 phase (the magnitude is taken)"


def two_parts(
    file: Path, types: list[str], component: str, *, whole: dict, places: range = range(6, 12)
) -> None:
    """Let frames of an enhanced object be of another part, with pixels of their own."""
    with edited(file) as image:
        pixels = np.frombuffer(image.PixelData, "<i2").reshape(len(TWICE), -1).copy()
        for place in places:
            kind = image.PerFrameFunctionalGroupsSequence[place].MRImageFrameTypeSequence[0]
            kind.FrameType = types
            if component:
                kind.ComplexImageComponent = component
            else:
                del kind.ComplexImageComponent
            pixels[place] = np.random.default_rng(place).integers(-4096, 4096, pixels.shape[1])
        image.PixelData = pixels.tobytes()
        for name, value in whole.items():
            setattr(image, name, value)


@pytest.mark.parametrize(
    ("types", "component", "whole"),
    [
        (["ORIGINAL", "PRIMARY", "P", "NONE"], "PHASE", {"ComplexImageComponent": "MIXED"}),
        (["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "PHASE", {"ComplexImageComponent": "MIXED"}),
        (["ORIGINAL", "PRIMARY", "PHASE MAP", "NONE"], "", {"ComplexImageComponent": "PHASE"}),
        (["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "PHASE", {"ImageType": ["ORIGINAL", "PRIMARY", "P", "NONE"]}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("places", [range(6), range(6, 12)], ids=["first", "last"])
def test_the_magnitude_is_taken_out_of_an_enhanced_object(tmp_path, types, component, whole, places):
    file = enhanced_series(tmp_path, IMAGE, frame_order=TWICE)
    two_parts(file, types, component, whole=whole, places=places)
    assert read_right(tmp_path) == "images left out: 6 phase (the magnitude is taken)"
    (series,) = the_study(tmp_path).series
    assert series.classification.kind == "FLAIR"


def test_a_series_of_phase_images_alone_is_no_flair(tmp_path):
    classic_series(tmp_path, IMAGE, ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])
    (series,) = the_study(tmp_path).series
    assert (series.classification.kind, series.notes) == ("other", ())
    assert "shows the phase, not the magnitude" in row(series)[-1]


def test_a_localiser_s_slice_and_a_projection_within_a_series_are_left_out(tmp_path):
    files = classic_series(tmp_path, IMAGE)
    coronal = Grid(GRID.size, GRID.spacing, GRID.origin, tuple(np.eye(3)[:, [0, 2, 1]].ravel()))
    kinds = ["ORIGINAL", "PRIMARY", "LOCALIZER"], ["DERIVED", "SECONDARY", "PROJECTION IMAGE"]
    for number, types in enumerate(kinds, 4):
        beside = classic_series(tmp_path, coronal.image(VOXELS), number=number, ImageType=types)
        mix(files, beside[:1])
        for file in beside[1:]:
            file.unlink()
    assert read_right(tmp_path) == "images left out: 1 localiser, 1 projection"


# Numbers as they were meant, or refused


def raw(file: Path, **texts: bytes) -> None:
    """Put bytes into a data set as they are, under the value representation that is there or as `keyword=VR:bytes`."""
    with edited(file) as image:
        for keyword, value in texts.items():
            kind, _, content = value.partition(b":")
            tag = pydicom.tag.Tag(keyword)
            content += b" " * (len(content) % 2)
            element = tag, kind.decode(), len(content), content, 0, False, True
            image[tag] = pydicom.dataelem.RawDataElement(*element)


def commas(values: object) -> bytes:
    return b"DS:" + "\\".join(str(value) for value in values).replace(".", ",").encode()  # type: ignore[attr-defined]


def test_decimal_commas_are_read(tmp_path):
    for file in classic_series(tmp_path, IMAGE, slopes=[(0.05, -40.5)] * GRID.size[2]):
        image = pydicom.dcmread(file)
        raw(file, RescaleSlope=b"DS:0,05", RescaleIntercept=b"DS:-40,5", EchoTime=b"DS:93,0", InversionTime=b"DS:2500,0",
            **{name: commas(image[name].value) for name in ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient")})  # fmt: skip
    assert b"0,05" in file.read_bytes()
    volume = read_volume(tmp_path, role="FLAIR")
    assert_same_space(volume.image, GRID, VOXELS, within=0.03)
    assert volume.series is not None
    why = "inversion recovery, spin echo: TE 93 ms, TR 9000 ms, TI 2500 ms"
    assert volume.series.classification.why == why


def test_a_number_of_frames_that_cannot_be_read_is_no_single_frame(tmp_path):
    raw(enhanced_series(tmp_path, IMAGE), NumberOfFrames=b"IS:six")
    refused(tmp_path, "holds no images but what is damaged or cannot be read")


@pytest.mark.parametrize("kind", ["FD", "FL", "LO", "UT", "LT", "UN"])
def test_numbers_in_another_value_representation_are_read(tmp_path, kind):
    for file in classic_series(tmp_path, IMAGE, slopes=[(0.25, -40.5)] * GRID.size[2]):
        with edited(file) as image:
            for name in (
                "PixelSpacing",
                "ImagePositionPatient",
                "ImageOrientationPatient",
                "RescaleSlope",
                "EchoTime",
            ):
                value = image[name].value
                numbers = [float(each) for each in (value if hasattr(value, "__iter__") else [value])]
                if kind in ("FD", "FL"):
                    image[name] = pydicom.DataElement(image[name].tag, kind, numbers)
                else:
                    text = "\\".join(map(repr, numbers))
                    image[name] = pydicom.DataElement(
                        image[name].tag, kind, text.encode() if kind == "UN" else text
                    )
    volume = read_volume(tmp_path, role="FLAIR")
    assert_same_space(volume.image, GRID, VOXELS, within=0.13)
    assert volume.series is not None
    assert "TE 93 ms" in volume.series.classification.why


def test_numbers_of_an_enhanced_object_as_text_with_commas_are_read(tmp_path):
    file = enhanced_series(tmp_path, IMAGE)
    with edited(file) as image:
        for frame in image.PerFrameFunctionalGroupsSequence:
            frame.MREchoSequence[0].add_new("EffectiveEchoTime", "LO", "93,0")
            plane = frame.PlanePositionSequence[0]
            plane.add_new(
                "ImagePositionPatient",
                "LO",
                "\\".join(map(str, plane.ImagePositionPatient)).replace(".", ","),
            )
    read_right(tmp_path)
    assert read_header(file).sequence.echo_time == 93.0


SQUARE = Grid(GRID.size, (0.9, 0.9, 4.0), GRID.origin, GRID.direction)


@pytest.mark.parametrize("spacing", ["0.9", "0,9"])
def test_a_single_pixel_spacing_means_square_pixels(tmp_path, spacing):
    for file in classic_series(tmp_path / "classic", SQUARE.image(VOXELS)):
        raw(file, PixelSpacing=b"DS:" + spacing.encode())
    assert_same_space(read_volume(tmp_path / "classic", role="FLAIR").image, SQUARE, VOXELS)
    file = enhanced_series(tmp_path / "enhanced", SQUARE.image(VOXELS))
    with edited(file) as image:
        image.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = "0.9"
    assert_same_space(read_volume(tmp_path / "enhanced", role="FLAIR").image, SQUARE, VOXELS)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("RescaleSlope", b"DS:abc"),
        ("RescaleSlope", b"DS:1.0\\2.0"),
        ("RescaleSlope", b"DS:1,234.5"),
        ("RescaleSlope", b"DS:0"),
        ("RescaleSlope", b"DS:nan"),
        ("RescaleSlope", b"UN:\xcd\xcc\xcc\xcc\xcc\xcc\xf4?"),
        ("RescaleIntercept", b"DS:1e999"),
        ("PixelSpacing", b"DS:0.9 mm\\0.9 mm"),
        ("ImagePositionPatient", b"DS:1\\2"),
    ],
)
def test_what_is_there_and_cannot_be_read_is_refused_with_its_name(tmp_path, keyword, value):
    raw(classic_series(tmp_path, IMAGE)[3], **{keyword: value})
    refused(tmp_path, rf"an attribute that cannot be read \({keyword} is ")


def test_an_unreadable_scale_of_one_frame_is_not_taken_from_the_others(tmp_path):
    file = enhanced_series(tmp_path, IMAGE)
    with edited(file) as image:
        image.PerFrameFunctionalGroupsSequence[2].PixelValueTransformationSequence[0].add_new(
            "RescaleSlope", "LO", "x"
        )
        image.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence = copy.deepcopy(
            image.PerFrameFunctionalGroupsSequence[0].PixelValueTransformationSequence
        )
    refused(tmp_path, r"cannot be read \(RescaleSlope is 'x'")


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
@pytest.mark.parametrize("kind", ["empty", "missing"])
def test_a_scale_that_one_slice_alone_does_not_tell_is_never_silently_1(tmp_path, keyword, enhanced, kind):
    make: Callable = enhanced_series if enhanced else classic_series
    made = make(tmp_path, IMAGE, slopes=[(0.25, -40.0)] * GRID.size[2])
    file = made if enhanced else made[3]
    with edited(file) as image:
        place = (
            image.PerFrameFunctionalGroupsSequence[3].PixelValueTransformationSequence[0]
            if enhanced
            else image
        )
        if kind == "empty":
            setattr(place, keyword, None)
        else:
            delattr(place, keyword)
    refused(tmp_path, rf"{keyword} (has no value|is missing)")


def test_a_scale_of_1_needs_not_be_told_by_every_slice(tmp_path):
    for file in classic_series(tmp_path, IMAGE)[1:]:
        change(file, RescaleSlope=1, RescaleIntercept=0)
    read_right(tmp_path)


def test_a_scale_that_an_enhanced_object_tells_once_for_all_is_used(tmp_path):
    file = enhanced_series(tmp_path, IMAGE, slopes=[(0.25, -40.0)] * GRID.size[2])
    with edited(file) as image:
        for frame in image.PerFrameFunctionalGroupsSequence:
            del frame.PixelValueTransformationSequence
        image.RescaleSlope, image.RescaleIntercept = "0.25", "-40"
    assert_same_space(read_volume(tmp_path, role="FLAIR").image, GRID, VOXELS, within=0.13)


def test_a_look_up_table_for_the_values_is_refused(tmp_path):
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = [256, 0, 16], bytes(512)
    classic_series(tmp_path, IMAGE, ModalityLUTSequence=[table])
    refused(tmp_path, "ModalityLUTSequence")


# Many UIDs


def scattered(files: list[Path], *, also: tuple[str, ...] = (), every: int = 1) -> None:
    """Give images UIDs of their own: each, or each run of `every`."""
    uids = [generate_uid() for _ in files]
    for k, file in enumerate(files):
        change(file, SeriesInstanceUID=uids[k // every], **{name: generate_uid() for name in also})


@pytest.mark.parametrize("every", [1, 2, 3])
def test_a_series_of_many_uids_is_offered_as_one(tmp_path, every):
    study = MadeStudy()
    scattered(classic_series(tmp_path / "f", IMAGE, study=study), every=every)
    classic_series(tmp_path / "t", IMAGE, kind="T1", study=study, number=2)
    found = {series.number: series for series in the_study(tmp_path).series}
    assert set(found) == {"2", "3"}
    assert f"put together from {6 // every} series UIDs" in row(found["3"])[-1]
    pair = choose_pair(the_study(tmp_path))
    assert pair.flair.number == "3"
    assert "put together" in pair.lines[1]
    assert read_right(tmp_path / "f") == f"put together from {6 // every} series UIDs"
    last = found["3"].instances[-1].series
    assert choose_pair(the_study(tmp_path), flair=last).flair.number == "3"


def test_every_uid_lost_the_images_of_t1_and_flair_still_are_one_study(tmp_path):
    study = MadeStudy()
    lost = ("StudyInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID")
    for number, kind in ((2, "T1"), (3, "FLAIR")):
        scattered(classic_series(tmp_path, IMAGE, kind=kind, study=study, number=number), also=lost)
    (found,) = read_studies(tmp_path)
    assert (len(found.series), found.uid) == (2, "")
    pair = choose_pair(found)
    assert_same_space(read_volume(tmp_path, role="FLAIR", series=pair.flair).image, GRID, VOXELS)


def test_odd_and_even_slices_under_two_uids_are_one_stack(tmp_path):
    files = classic_series(tmp_path, IMAGE)
    other = generate_uid()
    for file in files[1::2]:
        change(file, SeriesInstanceUID=other, AcquisitionNumber=2)
    assert read_right(tmp_path) == "put together from 2 series UIDs"


def test_a_gap_in_a_series_of_many_uids_is_said_once(tmp_path):
    files = classic_series(tmp_path, IMAGE)
    scattered(files)
    drop(files, 3)
    (series,) = the_study(tmp_path).series
    assert "has a gap: slices 3 and 4" in row(series)[-1]


@pytest.mark.parametrize("changed", [{"PatientID": "ANON-2"}, {"SeriesNumber": 9}, {"EchoTime": 14.0},
                                     {"SeriesDescription": "again"}, {"StudyDate": "20240201"}])  # fmt: skip
def test_what_says_other_things_is_not_put_together(tmp_path, changed):
    files = classic_series(tmp_path, IMAGE)
    other = generate_uid()
    for file in files[1::2]:
        change(file, SeriesInstanceUID=other, **changed)
    assert sum(len(study.series) for study in read_studies(tmp_path)) == 2


@pytest.mark.parametrize("name", ["EchoTime", "RepetitionTime", "InversionTime"])
@pytest.mark.parametrize("start", [93.0, 93.0485, 2.4985])
def test_times_that_differ_in_the_last_digits_do_not_part_a_series_of_many_uids(tmp_path, name, start):
    files = classic_series(tmp_path, IMAGE, **{name: lambda k: f"{start + 0.001 * k:.4f}"})
    scattered(files)
    assert read_right(tmp_path) == "put together from 6 series UIDs"


def test_two_echoes_of_many_uids_stay_two(tmp_path):
    study = MadeStudy()
    for name, image, echo in (("a", IMAGE, 2.0), ("b", OTHER, 4.0)):
        scattered(classic_series(tmp_path / name, image, study=study, EchoTime=echo))
    assert [len(series.frames) for series in the_study(tmp_path).series] == [6, 6]


def test_two_whole_volumes_of_one_number_stay_two(tmp_path):
    study = MadeStudy()
    classic_series(tmp_path / "a", IMAGE, study=study)
    classic_series(tmp_path / "b", OTHER, study=study)
    assert [series.notes for series in the_study(tmp_path).series] == [(), ()]


def test_the_magnitudes_of_many_uids_come_without_their_phases(tmp_path):
    study = MadeStudy()
    scattered(classic_series(tmp_path / "m", IMAGE, study=study, ImageType=["ORIGINAL", "PRIMARY", "M"]))
    scattered(classic_series(tmp_path / "p", OTHER, study=study, ImageType=["ORIGINAL", "PRIMARY", "P"]))
    kinds = [series.classification.kind for series in the_study(tmp_path).series]
    assert sorted(kinds) == ["FLAIR", "other"]


# What Siemens' XA writes


def xa(file: Path, types: list[str], *, form: str) -> None:
    """The image type that Siemens' XA has for people, where it writes it."""
    with edited(file) as image:
        if form == "classic":
            image.private_block(0x21, "SIEMENS MR SDI 02", create=True).add_new(0x75, "CS", types)
        elif form == "moved":  # as an archive moved the block
            image.add_new(0x00210013, "LO", "SIEMENS MR SDI 02")
            image.add_new(0x00211375, "UN", "\\".join(types).encode())
        elif form == "frame type":
            for frame in image.PerFrameFunctionalGroupsSequence:
                frame.MRImageFrameTypeSequence[0].FrameType = types
        else:
            for frame in image.PerFrameFunctionalGroupsSequence:
                inside = pydicom.Dataset()
                inside.private_block(0x21, "SIEMENS MR SDI 02", create=True).add_new(0x75, "CS", types)
                frame.private_block(0x21, "SIEMENS MR SDI 02", create=True).add_new(0xFE, "SQ", [inside])
        if form == "implicit":
            image.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian


def head(seed: int) -> sitk.Image:
    grid = Grid((9, 8, 14), (16.0, 16.0, 10.0), (-80.0, -70.0, -60.0), tuple(np.eye(3).ravel()))
    return grid.image(np.random.default_rng(seed).integers(0, 900, grid.shape).astype(np.int16))


@pytest.mark.parametrize("form", ["enhanced", "implicit", "frame type", "classic", "moved"])
@pytest.mark.parametrize("better", [3, 4])
def test_of_one_xa_acquisition_the_normalised_images_are_taken(tmp_path, form, better):
    study = MadeStudy()
    make: Callable = classic_series if form in ("classic", "moved") else enhanced_series
    make(tmp_path / "2", head(2), kind="T1", study=study, number=2)
    for number in (3, 4):
        plain = ["ORIGINAL", "PRIMARY", "M", "NONE"]
        made = make(tmp_path / str(number), head(number), study=study, number=number, ImageType=plain)
        types = ["ORIGINAL", "PRIMARY", "M", *(["NORM", "DIS2D"] if number == better else ["ND"])]
        for file in made if isinstance(made, list) else [made]:
            xa(file, types, form=form)
    flair = choose_pair(the_study(tmp_path)).flair
    assert flair.number == str(better)
    assert "corrected (DIS2D, NORM)" in flair.chosen


# Everyday folders


def test_a_localiser_and_a_captured_screen_in_the_folder_do_not_stand_in_the_way(tmp_path):
    study = MadeStudy()
    files = classic_series(tmp_path, IMAGE, study=study)
    classic_series(tmp_path, IMAGE, kind="localiser", study=study, number=1)
    shot = pydicom.dcmread(files[0])
    shot.SOPClassUID = shot.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    shot.SOPInstanceUID = shot.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    shot.save_as(tmp_path / "shot.dcm")  # in the same series
    read_right(tmp_path)
    assert read_volume(tmp_path, role="FLAIR").chosen.startswith("the only series that is no localiser")


@pytest.mark.parametrize("gone", [range(6), (2, 3), (5,)], ids=["all", "some", "the last"])
@pytest.mark.parametrize("suffix", [".dcm", "", ".1.2.840.7"])
def test_images_that_are_links_whose_content_is_not_here_say_so(tmp_path, gone, suffix):
    for k, file in enumerate(classic_series(tmp_path, IMAGE)):
        file.rename(tmp_path / f"IM{k}{suffix}{k if suffix.startswith('.1') else ''}")
    try:
        for k in gone:
            file = next(tmp_path.glob(f"IM{k}*"))
            file.unlink()
            file.symlink_to(tmp_path / ".git" / "annex" / "objects" / "absent")
    except OSError:
        return  # this system makes no links for everybody
    refused(tmp_path, r"links whose content is not here \(.*IM.*\): fetch it first")
    if len(gone) == 6:
        with pytest.raises(InputError, match="links whose content is not here"):
            the_study(tmp_path)
    else:
        (series,) = the_study(tmp_path).series
        assert "content is not here" in row(series)[-1]


def test_a_link_to_something_else_that_is_not_here_does_not_stand_in_the_way(tmp_path):
    classic_series(tmp_path, IMAGE)
    try:
        (tmp_path / "report.pdf").symlink_to(tmp_path / "absent")
    except OSError:
        return  # this system makes no links for everybody
    assert read_right(tmp_path) == ""
    assert not the_study(tmp_path).unread


def test_two_scans_in_the_folder_are_still_asked_about(tmp_path):
    for number, kind in ((1, "localiser"), (2, "T1"), (3, "FLAIR")):
        classic_series(tmp_path, IMAGE, kind=kind, number=number)
    with pytest.raises(InputError, match="holds 3 series: choose one by its number") as error:
        read_volume(tmp_path, role="FLAIR")
    assert error.value.see == ("flair_series",)


def test_names_tell_nothing_and_neither_do_instance_numbers_and_slice_thickness(tmp_path):
    files = classic_series(tmp_path, IMAGE, InstanceNumber=1, SliceThickness=None, SpacingBetweenSlices=None)
    for k, file in enumerate(files):
        file.rename(tmp_path / f"IM{k}")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 40)
    others = {"Thumbs.db": b"\xd0\xcf", ".DS_Store": b"", "viewer.exe": b"MZ" * 99, "x.dcm": b"no"}
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
    assert read_right(tmp_path) == ""


def test_a_single_phase_image_or_copy_stands_for_its_series(tmp_path):
    files = classic_series(tmp_path, IMAGE, ImageType=["ORIGINAL", "PRIMARY", "M"])
    phases = classic_series(tmp_path, OTHER, number=4, ImageType=["ORIGINAL", "PRIMARY", "P"])
    mix(files, phases)
    double = duplicate(files, 1)
    for file in (phases[0], double, files[0]):
        assert_same_space(read_volume(file, role="FLAIR").image, GRID, VOXELS)
