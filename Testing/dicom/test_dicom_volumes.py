"""Classic and enhanced DICOM series as volumes: right in physical space, or refused with the reason."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.file_hash import sha256_of
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.reading import read_volume
from hypothesis import given, settings
from hypothesis import strategies as st
from made_dicom import (
    KINDS,
    MadeStudy,
    change,
    classic_series,
    drop,
    duplicate,
    enhanced_series,
    mix,
    truncate,
    turn,
)
from pydicom.uid import JPEGLSLossless, RLELossless

TILT = tuple(sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.1, -0.2, 0.15).GetMatrix())
GRID = Grid((8, 7, 6), (0.9, 1.1, 4.0), (-31.5, 12.25, 70.0), TILT)
VOXELS = np.random.default_rng(0).integers(-40, 900, GRID.shape).astype(np.int16)
IMAGE = GRID.image(VOXELS)


@contextmanager
def edited(file: Path) -> Iterator[Any]:
    """The data set of a file, which is written again when the block ends."""
    image = pydicom.dcmread(file)
    yield image
    image.save_as(file)


def assert_same_space(read: sitk.Image, made: Grid, voxels: np.ndarray, *, within: float = 0.0) -> None:
    """Every voxel that was read lies on a voxel that was made, and has its value."""
    places = np.argwhere(np.ones(Grid.of(read).shape))
    points = Grid.of(read).points(places[:, ::-1])
    index = made.indices(points)
    nearest = np.rint(index).astype(int)
    assert np.abs(index - nearest).max() < 1e-3
    assert nearest.min() >= 0
    assert len(np.unique(nearest, axis=0)) == voxels.size
    values = voxels[tuple(nearest[:, ::-1].T)]
    assert np.abs(sitk.GetArrayFromImage(read)[tuple(places.T)] - values).max() <= within


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Any oblique grid: turned, with axes exchanged and mirrored."""
    angles = [draw(st.floats(-1.5, 1.5)) for _ in range(3)]
    turned = np.reshape(sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles).GetMatrix(), (3, 3))
    axes = turned[:, draw(st.permutations(range(3)))] * [draw(st.sampled_from([1, -1])) for _ in range(3)]
    return Grid(
        size=tuple(draw(st.integers(5, 7)) for _ in range(3)),
        spacing=tuple(draw(st.floats(0.3, 6.0)) for _ in range(3)),
        origin=tuple(draw(st.floats(-200, 200)) for _ in range(3)),
        direction=tuple(axes.ravel()),
    )


@settings(max_examples=25, deadline=None)
@given(grid=grids(), enhanced=st.booleans(), shared=st.booleans(), seed=st.integers(0, 99))
def test_every_voxel_of_an_oblique_series_stays_in_its_place(grid, enhanced, shared, seed):
    voxels = np.random.default_rng(seed).integers(-900, 900, grid.shape).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        if enhanced:
            enhanced_series(Path(folder), grid.image(voxels), shared_orientation=shared)
        else:
            classic_series(Path(folder), grid.image(voxels))
        assert_same_space(read_volume(Path(folder), role="FLAIR").image, grid, voxels)


@pytest.mark.parametrize("kind", ["FLAIR", "T1"])
@pytest.mark.parametrize("enhanced", [False, True])
def test_what_the_tests_make_is_valid_dicom(tmp_path, kind, enhanced):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (dicom3tools) is not installed")
    make, agent = enhanced_series if enhanced else classic_series, "Gadovist" if kind == "T1" else None
    made = make(tmp_path, IMAGE, kind=kind, ContrastBolusAgent=agent)
    file = made if enhanced else made[0]
    done = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False)
    assert "Error" not in done.stdout + done.stderr


def test_the_files_of_a_volume_are_told_in_slice_order(tmp_path):
    files = classic_series(tmp_path / "classic", IMAGE)
    assert read_volume(tmp_path / "classic", role="T1").files == tuple(files)
    file = enhanced_series(tmp_path / "enhanced", IMAGE)
    volume = read_volume(tmp_path / "enhanced", role="T1")
    assert volume.files == (file,)
    assert volume.description == KINDS["FLAIR"]["SeriesDescription"]


def test_each_file_is_read_once_for_its_header_and_once_for_its_pixels(tmp_path):
    files = classic_series(tmp_path, IMAGE)
    opened: Counter[str] = Counter()
    noting = True

    def note(event: str, args: tuple) -> None:  # no hook can be taken away again
        if noting and event == "open" and str(args[0]).startswith(str(tmp_path)):
            opened[str(args[0])] += 1

    sys.addaudithook(note)
    try:
        volume = read_volume(tmp_path, role="FLAIR")
    finally:
        noting = False
    assert opened == {str(file): 2 for file in files}
    assert volume.sha256 == sha256_of(*volume.files)


@pytest.mark.parametrize("enhanced", [False, True])
def test_each_slice_has_a_scale_of_its_own(tmp_path, enhanced):
    slopes = [(0.05 + 0.01 * k, -3.0 * k) for k in range(GRID.size[2])]
    make = enhanced_series if enhanced else classic_series
    make(tmp_path, IMAGE, slopes=slopes)
    assert_same_space(read_volume(tmp_path, role="T1").image, GRID, VOXELS, within=0.06)


@pytest.mark.parametrize("enhanced", [False, True])
def test_a_scale_that_only_the_real_world_values_tell_is_used(tmp_path, enhanced):
    slopes = [(0.05 + 0.01 * k, -3.0 * k) for k in range(GRID.size[2])]
    made = (enhanced_series if enhanced else classic_series)(tmp_path, IMAGE, slopes=slopes)
    for file in [made] if enhanced else made:
        with edited(file) as image:
            for one in image.PerFrameFunctionalGroupsSequence if enhanced else [image]:
                told = one.PixelValueTransformationSequence[0] if enhanced else one
                real = pydicom.Dataset()
                real.RealWorldValueSlope = float(told.get("RescaleSlope", 1))
                real.RealWorldValueIntercept = float(told.get("RescaleIntercept", 0))
                one.RealWorldValueMappingSequence = [real]
                for keyword in ("RescaleSlope", "RescaleIntercept", "PixelValueTransformationSequence"):
                    if keyword in one:
                        delattr(one, keyword)
    assert_same_space(read_volume(tmp_path, role="T1").image, GRID, VOXELS, within=0.06)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
@pytest.mark.parametrize("enhanced", [False, True])
def test_compressed_images_are_read_with_each_slices_own_scale(tmp_path, syntax, enhanced):
    slopes = [(0.05 + 0.01 * k, -40.0 - k) for k in range(GRID.size[2])]
    made = (enhanced_series if enhanced else classic_series)(tmp_path, IMAGE, slopes=slopes)
    files = [made] if enhanced else made
    for file in files:
        with edited(file) as image:
            try:
                image.compress(syntax)
            except RuntimeError as error:
                pytest.skip(f"nothing here can compress: {error}")
    assert_same_space(read_volume(tmp_path, role="T1").image, GRID, VOXELS, within=0.06)


def test_lossless_jpeg_is_read(tmp_path):
    if shutil.which("dcmcjpeg") is None:
        pytest.skip("dcmcjpeg (dcmtk) is not installed")
    for file in classic_series(tmp_path, IMAGE):
        subprocess.run(["dcmcjpeg", "+e1", str(file), str(file)], check=True)
    assert_same_space(read_volume(tmp_path, role="T1").image, GRID, VOXELS)


def test_pixels_in_the_highest_bits_keep_their_values(tmp_path):
    for file in classic_series(tmp_path, IMAGE):
        with edited(file) as image:
            image.PixelData = (image.pixel_array << 4).tobytes()
            image.BitsStored = 12  # and the high bit is still 15, as ACR-NEMA allowed
    assert_same_space(read_volume(tmp_path, role="T1").image, GRID, VOXELS)


def test_a_compression_that_cannot_be_read_is_named(tmp_path):
    for file in classic_series(tmp_path, IMAGE):
        with edited(file) as image:
            image.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f" + b"\0" * 64])
            image["PixelData"].is_undefined_length = True
            image.file_meta.TransferSyntaxUID = pydicom.uid.HTJ2KLossless
    refused(tmp_path, r"compressed in a way that cannot be read here \(High-Throughput JPEG 2000")


def refused(folder: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as error:
        read_volume(folder, role="FLAIR")
    assert "\n" not in str(error.value)


def test_a_missing_slice_is_refused(tmp_path):
    drop(classic_series(tmp_path / "classic", IMAGE), 3)
    refused(tmp_path / "classic", r"has a gap: slices 3 and 4 are 8\.0 mm apart, the others 4\.0 mm")
    enhanced_series(tmp_path / "enhanced", IMAGE, frame_order=[5, 0, 1, 2, 4])
    refused(tmp_path / "enhanced", r"has a gap: slices 3 and 4 are 8\.0 mm apart")


def test_two_different_images_of_one_slice_are_refused(tmp_path):
    copy = duplicate(classic_series(tmp_path / "other", IMAGE), 2)
    change(copy, PixelData=VOXELS[0].tobytes())
    refused(tmp_path / "other", f"several images of the same slice.*{copy.name}")
    files = classic_series(tmp_path / "below", IMAGE)
    (tmp_path / "below" / "backup").mkdir()
    change(Path(shutil.copy(files[2], tmp_path / "below" / "backup")), PixelData=VOXELS[0].tobytes())
    refused(tmp_path / "below", f"two different images of one SOPInstanceUID: .*backup/{files[2].name}")
    file = enhanced_series(tmp_path / "enhanced", IMAGE, frame_order=[0, 1, 2, 2, 3, 4, 5])
    change(file, PixelData=VOXELS[[0, 1, 2, 0, 3, 4, 5]].tobytes())
    refused(tmp_path / "enhanced", "several images of the same slice .frames 3 and 4")


def test_several_echoes_and_time_points_are_told_apart_in_the_reason(tmp_path):
    first = classic_series(tmp_path / "echoes", IMAGE, EchoTime=14.0)
    mix(first, classic_series(tmp_path / "echoes", IMAGE, number=4, EchoTime=100.0))
    refused(tmp_path / "echoes", "2 echo times: 14.0, 100.0 ms")
    twice = [*range(6), *range(6)]
    enhanced_series(tmp_path / "times", IMAGE, frame_order=twice, temporal_positions=[1] * 6 + [2] * 6)
    refused(tmp_path / "times", "2 time points: 1, 2")
    enhanced_series(tmp_path / "echo", IMAGE, frame_order=twice, echo_times=[14.0] * 6 + [100.0] * 6)
    refused(tmp_path / "echo", "2 echo times: 14.0, 100.0 ms")


def test_mixed_orientations_are_refused(tmp_path):
    turn(classic_series(tmp_path / "one", IMAGE), 2)
    refused(tmp_path / "one", "different orientations")
    coronal = Grid(GRID.size, GRID.spacing, GRID.origin, tuple(np.eye(3)[:, [0, 2, 1]].ravel()))
    first = classic_series(tmp_path / "stacks", IMAGE, kind="localiser")
    mix(first, classic_series(tmp_path / "stacks", coronal.image(VOXELS), number=4, kind="localiser"))
    refused(tmp_path / "stacks", "different orientations")


def test_a_tilted_gantry_is_refused(tmp_path):
    files = classic_series(tmp_path, IMAGE)
    row = np.array(TILT).reshape(3, 3)[:, 0]
    for k, file in enumerate(files):
        position = np.array(pydicom.dcmread(file).ImagePositionPatient, float) + 1.2 * k * row
        change(file, ImagePositionPatient=[f"{v:.6f}" for v in position])
    refused(tmp_path, "gantry tilt")


def test_next_to_nothing_in_the_direction_does_no_harm(tmp_path):
    classic_series(tmp_path, IMAGE, ImageOrientationPatient=["-1", "2.2e-313", "0", "-2.2e-313", "-1", "0"],
                   ImagePositionPatient=lambda k: [0, 0, 4 * k])  # fmt: skip
    image = read_volume(tmp_path, role="T1").image
    point = image.TransformIndexToPhysicalPoint((1, 2, 3))
    assert np.allclose(image.TransformPhysicalPointToContinuousIndex(point), (1, 2, 3))


def test_slices_that_differ_in_size_or_spacing_are_refused(tmp_path):
    files = classic_series(tmp_path / "size", IMAGE)
    change(files[1], Rows=6, PixelData=VOXELS[1, :6].tobytes())
    refused(tmp_path / "size", "slices of different sizes .8 x 6, 8 x 7 pixels")
    files = classic_series(tmp_path / "spacing", IMAGE)
    change(files[1], PixelSpacing=[1.3, 0.9])
    refused(tmp_path / "spacing", "different pixel spacings")


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_slices_that_do_not_say_where_they_lie_are_refused(tmp_path, keyword):
    for file in classic_series(tmp_path, IMAGE):
        change(file, **{keyword: None})
    refused(tmp_path, "does not say where its slices lie")


def test_damaged_images_are_refused(tmp_path):
    files = classic_series(tmp_path / "pixels", IMAGE)
    truncate(files[2], keep=0.97)
    refused(tmp_path / "pixels", f"damaged.*{files[2].name}")
    truncate(enhanced_series(tmp_path / "enhanced", IMAGE), keep=0.99)
    refused(tmp_path / "enhanced", "damaged")
    classic_series(tmp_path / "colours", IMAGE, PhotometricInterpretation="MONOCHROME1")
    refused(tmp_path / "colours", "inverted grey values")


def test_what_is_no_image_does_not_stand_in_the_way(tmp_path):
    files = classic_series(tmp_path, IMAGE)
    for number, sop_class in enumerate(
        ("1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.88.59")
    ):
        report = pydicom.dcmread(files[0])
        for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "ImagePositionPatient"):
            delattr(report, keyword)
        report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = sop_class
        report.save_as(tmp_path / f"report{number}.dcm")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 40)
    (tmp_path / "notes.txt").write_text("no DICOM at all")
    assert_same_space(read_volume(tmp_path, role="FLAIR").image, GRID, VOXELS)


def test_files_without_the_preamble_are_read(tmp_path):
    for file in classic_series(tmp_path, IMAGE):
        image = pydicom.dcmread(file)
        del image.file_meta, image.preamble
        image.save_as(file, implicit_vr=True, little_endian=True, overwrite=True, enforce_file_format=False)
        assert file.read_bytes()[128:132] != b"DICM"
    assert_same_space(read_volume(tmp_path, role="FLAIR").image, GRID, VOXELS)


@pytest.mark.parametrize("partly", [False, True], ids=["all below", "half below"])
def test_a_series_that_lies_in_many_folders_is_one(tmp_path, partly):
    files = classic_series(tmp_path, IMAGE, study=MadeStudy())
    for number, file in enumerate(files[2:] if partly else files):
        folder = tmp_path / "deep" / str(number)
        folder.mkdir(parents=True)
        file.rename(folder / file.name)
    assert_same_space(read_volume(tmp_path, role="FLAIR").image, GRID, VOXELS)


def test_other_series_in_sub_folders_do_not_stand_in_the_way_unless_they_are_named(tmp_path):
    classic_series(tmp_path, IMAGE, number=3)
    classic_series(tmp_path / "more", IMAGE, kind="T1", number=4)
    assert read_volume(tmp_path, role="FLAIR").description == "t2_tirm_tra_dark-fluid"
    assert read_volume(tmp_path, role="T1", series="4").description == "t1_mprage_sag_p2_iso"
