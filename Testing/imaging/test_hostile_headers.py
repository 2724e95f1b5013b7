"""Image files of strangers: headers that name other files, promise more than there is, or end ITK's process."""

import gzip
import os
import struct
import zlib

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.reading import read_volume

SIZE = (7, 8, 9)


def voxels():
    return np.random.default_rng(0).integers(1, 900, SIZE[::-1]).astype(np.int16)


@pytest.fixture
def folder(tmp_path):
    """A folder for headers, with voxels in it and above it."""
    place = tmp_path / "given"
    place.mkdir()
    for where in (place / "voxels.raw", tmp_path / "secret.raw"):
        where.write_bytes(voxels().tobytes())
    return place


def nrrd(folder, data_file, name="a.nhdr", **changes):
    fields = {
        "type": "short",
        "dimension": "3",
        "sizes": "7 8 9",
        "space": "left-posterior-superior",
        "space directions": "(1,0,0) (0,1,0) (0,0,4)",
        "endian": "little",
        "encoding": "raw",
    } | {key.replace("_", " "): value for key, value in changes.items()}
    lines = ["NRRD0004", *(f"{key}: {value}" for key, value in fields.items()), f"data file: {data_file}", ""]
    (folder / name).write_text("\n".join(lines))
    return folder / name


def meta(folder, data_file, name="a.mhd", **changes):
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "DimSize": "7 8 9",
        "ElementSpacing": "1 1 4",
        "ElementType": "MET_SHORT",
    } | changes
    lines = [*(f"{key} = {value}" for key, value in fields.items()), f"ElementDataFile = {data_file}", ""]
    (folder / name).write_text("\n".join(lines))
    return folder / name


@pytest.mark.parametrize("make", [nrrd, meta])
def test_voxels_in_a_file_beside_the_header_are_read(folder, make):
    found = read_volume(make(folder, "voxels.raw"), role="T1")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.image), voxels())


@pytest.mark.parametrize(
    ("make", "name"), [(nrrd, "a.nhdr"), (nrrd, "a.nrrd"), (meta, "a.mhd"), (meta, "a.mha")]
)
@pytest.mark.parametrize(
    "elsewhere", ["../secret.raw", "{above}/secret.raw", "./../secret.raw", "x/../../secret.raw", "..\\secret.raw",
                  "/etc/passwd", "/dev/zero", "absent.raw", "file:///etc/passwd"]
)  # fmt: skip
def test_a_header_makes_nobody_read_a_file_from_elsewhere(folder, make, name, elsewhere):
    (folder / "x").mkdir()
    path = make(folder, elsewhere.format(above=folder.parent), name=name)
    with pytest.raises(InputError, match="not in its own folder"):
        read_volume(path, role="T1")


def test_a_second_data_file_cannot_hide_behind_another_end_of_line(folder):
    for path, hidden in (
        (meta(folder, "LOCAL", name="a.mha"), "Comment = x\rElementDataFile = ../secret.raw\n"),
        (nrrd(folder, "voxels.raw"), "# x\rdata file: ../secret.raw\n"),
        (nrrd(folder, "voxels.raw", name="a.nrrd"), "# " + "x" * 500 + "\r\rdata file: ../secret.raw\n"),
    ):
        first, _, rest = path.read_text().partition("\n")
        path.write_text(f"{first}\n{hidden}{rest}", newline="")
        with pytest.raises(InputError, match="not in its own folder"):
            read_volume(path, role="T1")


def test_a_header_without_an_end_is_refused(folder):
    path = nrrd(folder, "voxels.raw")
    path.write_text("NRRD0004\n" + "# x\n" * 300_000 + path.read_text().partition("\n")[2])
    with pytest.raises(InputError, match="damaged"):
        read_volume(path, role="T1")


@pytest.mark.parametrize(
    ("make", "names"), [(nrrd, "LIST"), (nrrd, "s%03d.raw 1 9 1"), (meta, "LIST"), (meta, "s%d.raw 1 9 1")]
)
def test_voxels_in_many_files_are_refused(folder, make, names):
    with pytest.raises(InputError, match="several files"):
        read_volume(make(folder, names), role="T1")


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (meta, "NDims", "2147483647"),  # ends ITK's process
        (meta, "NDims", "-1"),
        (meta, "NDims", "٣"),
        (meta, "DimSize", "2147483648 2147483648 9"),
        (meta, "DimSize", "40000 40000 4000"),
        (meta, "DimSize", "7 8"),
        (meta, "ElementSpacing", "1 nan 4"),
        (meta, "TransformMatrix", "1 0 0"),
        (meta, "ElementNumberOfChannels", "1000000"),
        (meta, "HeaderSize", "99999999999"),
        (meta, "ElementType", "MET_STRING"),
        (nrrd, "dimension", "16"),
        (nrrd, "sizes", "2147483648 2147483648 9"),
        (nrrd, "sizes", "40000 40000 4000"),
        (nrrd, "byte_skip", "9223372036854775807"),
        (nrrd, "line_skip", "4294967295"),
        (nrrd, "type", "block"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused_before_itk_sees_it(folder, make, field, value):
    with pytest.raises(InputError, match=r"a\.(mhd|nhdr) is damaged"):
        read_volume(make(folder, "voxels.raw", **{field: value}), role="T1")


def nifti(folder, *changes, name="a.nii.gz", more=b""):
    """Changes: offset in the header, type, value."""
    image = sitk.GetImageFromArray(voxels())
    sitk.WriteImage(image, str(folder / "made.nii"))
    content = bytearray((folder / "made.nii").read_bytes())
    for offset, kind, value in changes:
        struct.pack_into(kind, content, offset, value)
    (folder / name).write_bytes(gzip.compress(bytes(content), 1) + more)
    return folder / name


@pytest.mark.parametrize(
    "changes",
    [
        [(108, "<f", np.inf)],  # vox_offset
        [(70, "<h", 130)],  # datatype
        [(42, "<h", -5)],  # dim[1]
        [(42, "<h", 32767)],
        [(42, "<h", 30000), (44, "<h", 30000), (46, "<h", 30000)],  # before memory is taken
    ],
    ids=str,
)
def test_a_nifti_header_that_makes_no_sense_is_refused(folder, changes):
    with pytest.raises(InputError):
        read_volume(nifti(folder, *changes), role="T1")


@pytest.mark.parametrize("spacing", [1e-6, 4e5])
def test_voxels_that_no_scan_has_are_refused(folder, spacing):
    image = sitk.GetImageFromArray(voxels())
    image.SetSpacing((spacing, 1.0, 1.0))
    sitk.WriteImage(image, str(folder / "b.nrrd"))
    with pytest.raises(InputError, match="which no scan has"):
        read_volume(folder / "b.nrrd", role="T1")


def test_what_follows_the_voxels_is_not_unpacked_however_long_it_is(folder):
    # Whoever unpacks it finds that its checksum is wrong.
    bomb = gzip.compress(bytes(1 << 24), 9)[:-8] + bytes(8)
    found = read_volume(nifti(folder, more=bomb), role="T1")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.image), voxels())


def test_what_is_no_file_is_not_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    os.mkfifo(tmp_path / "pipe.nii")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        read_volume(tmp_path / "pipe.nii", role="T1")


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("compressed", [True, False])
def test_every_type_of_voxels_that_itk_writes_is_read(folder, name, compressed):
    for kind in [
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float32",
        "float64",
    ]:
        values = (voxels() % 100).astype(kind)
        sitk.WriteImage(sitk.GetImageFromArray(values), str(folder / name), useCompression=compressed)
        found = read_volume(folder / name, role="T1")
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found.image), values)


@pytest.mark.parametrize("more", [1, 1000, 1 << 26])
def test_more_compressed_voxels_than_the_header_says_are_refused(folder, more):
    packed = zlib.compress(voxels().tobytes() + bytes(more), 1)
    path = meta(folder, "LOCAL", name="a.mha", CompressedData="True")
    path.write_bytes(path.read_bytes() + packed)
    with pytest.raises(InputError, match="damaged"):
        read_volume(path, role="T1")


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.mha"])
@pytest.mark.parametrize("compressed", [True, False])
def test_damaged_voxels_are_never_read_as_others(folder, name, compressed):
    image = sitk.GetImageFromArray(voxels())
    sitk.WriteImage(image, str(folder / name), useCompression=compressed)
    content = (folder / name).read_bytes()
    checked = name.endswith(".gz") or (compressed and not name.endswith(".nii"))  # has a checksum
    start = 352 if name == "a.nii" else 20 if name.endswith(".gz") else len(content) - 400
    rng = np.random.default_rng(1)
    damaged = [content[: int(end)] for end in rng.integers(start, len(content) - (8 if checked else 0), 25)]
    for place in rng.integers(start, len(content), 40) if checked else ():
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    refused = 0
    for number, bad in enumerate(damaged):
        path = folder / f"{number}{name}"
        path.write_bytes(bad)
        try:
            found = read_volume(path, role="T1")
        except InputError:
            refused += 1
        else:
            np.testing.assert_array_equal(sitk.GetArrayFromImage(found.image), voxels(), err_msg=str(number))
    assert refused >= 25


@pytest.mark.parametrize(("make", "name"), [(nrrd, "a.nhdr"), (meta, "a.mhd")])
def test_a_link_out_of_the_headers_folder_is_not_followed(folder, make, name):
    try:
        (folder / "link.raw").symlink_to(folder.parent / "secret.raw")
        (folder / "inside.raw").symlink_to("voxels.raw")
        (folder / "away").symlink_to(folder.parent)
        (folder / "round.raw").symlink_to("round.raw")
    except OSError:
        pytest.skip("this system makes no links for everybody")
    for link in ("link.raw", "away/secret.raw", "round.raw"):
        with pytest.raises(InputError, match="not in its own folder"):
            read_volume(make(folder, link, name=name), role="T1")
    read_volume(make(folder, "inside.raw", name=name), role="T1")
