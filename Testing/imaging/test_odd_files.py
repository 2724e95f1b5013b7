"""Files that hold a scan in an unusual wrapping, and files that hold something else and are told what they are."""

import bz2
import gzip
import os
import struct
import zipfile

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.reading import read_study, read_volume

GRID = Grid((12, 14, 9), (0.9, 1.1, 4.0), (-31.5, 12.25, 70.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))


def voxels(seed=0):
    return np.random.default_rng(seed).integers(1, 900, GRID.shape).astype(np.int16)


def content(folder, suffix, *, compressed=False):
    path = folder / f"made{suffix}"
    sitk.WriteImage(GRID.image(voxels()), str(path), useCompression=compressed)
    made = path.read_bytes()
    path.unlink()
    return made


def is_the_scan(path):
    volume = read_volume(path, role="FLAIR")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), voxels())
    np.testing.assert_allclose(volume.image.GetSpacing(), GRID.spacing, rtol=1e-6)
    np.testing.assert_allclose(volume.image.GetOrigin(), GRID.origin, rtol=1e-6)
    assert not volume.remarks
    assert len(str(volume.sha256)) == 64


def twice(packed):
    return gzip.compress(gzip.compress(packed))


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, bz2.compress, twice], ids=["plain", "gzip", "bzip2", "twice"]
)
@pytest.mark.parametrize(
    "name", ["a.nii", "a.nii.gz", "A.NII.GZ", "a.nrrd", "a.NRRD", "a.nrrd.gz", "a.mha", "scan", "a.img.bak"]
)
@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
def test_what_a_file_holds_counts_and_not_what_it_is_called(tmp_path, suffix, name, pack):
    (tmp_path / name).write_bytes(pack(content(tmp_path, suffix)))
    is_the_scan(tmp_path / name)


NOT_SAID, NOR = (
    "does not say how the head lies",
    "does not say how the head lies, nor how large its voxels are",
)


@pytest.mark.parametrize(
    ("suffix", "changed", "said"),
    [
        (".nrrd", {b"space: left-posterior-superior": b"space: RAS"}, ""),
        (".nrrd", {b"space: left-posterior-superior": b"space: scanner-xyz"}, NOT_SAID),
        (".nrrd", {b"space: left-posterior-superior": b"space dimension: 3"}, NOT_SAID),
        (".nrrd", {b"space directions": b"#", b"space origin": b"#"}, NOR),
        (".nhdr", {b"space: left-posterior-superior": b"space: 3D-right-handed"}, NOT_SAID),
        (".mha", {b"TransformMatrix": b"Comment"}, NOT_SAID),
        (".mhd", {b"TransformMatrix": b"Comment", b"ElementSpacing": b"Name"}, NOR),
    ],
)
def test_a_text_header_that_does_not_say_how_the_head_lies_is_doubted(tmp_path, suffix, changed, said):
    path = tmp_path / f"scan{suffix}"
    sitk.WriteImage(GRID.image(voxels()), str(path))
    header = path.read_bytes()
    for old, new in changed.items():
        assert old in header
        header = header.replace(old, new)
    path.write_bytes(header)
    remarks = [remark.sentence for remark in read_volume(path, role="FLAIR").remarks]
    assert [f"{said} (" in remark for remark in remarks] == ([True] if said else [])


@pytest.mark.parametrize("suffix", [".NHDR", ".MHD", ".Nii", ".Mha"])
def test_suffixes_may_be_capitals(tmp_path, suffix):
    sitk.WriteImage(GRID.image(voxels()), str(tmp_path / f"scan{suffix.lower()}"))
    (tmp_path / f"scan{suffix.lower()}").rename(tmp_path / f"scan{suffix}")
    is_the_scan(tmp_path / f"scan{suffix}")


@pytest.mark.parametrize(
    "kind", [nibabel.Nifti1Image, nibabel.Nifti2Image, nibabel.Nifti1Pair, nibabel.Nifti2Pair]
)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_every_kind_of_nifti_is_read(tmp_path, kind, shape):
    affine = np.diag([-1, -1, 1, 1.0]) @ GRID.matrix
    pair = kind in (nibabel.Nifti1Pair, nibabel.Nifti2Pair)
    image = kind(voxels().T.reshape(*GRID.size, *shape), affine)
    if len(shape) == 2:
        image.header.set_intent(1007)
    image.to_filename(tmp_path / ("scan.img" if pair else "scan.nii.gz"))
    for name in ("scan.hdr", "scan.img") if pair else ("scan.nii.gz",):
        is_the_scan(tmp_path / name)


@pytest.mark.parametrize("further", [(0,), (1, 0), (0, 0, 0, 0), (-1,)])
def test_an_axis_beyond_the_third_that_is_not_used_may_have_no_size(tmp_path, further):
    """Programs of the NIfTI library read 0 as 1."""
    made = bytearray(nibabel.Nifti1Image(voxels().T, np.diag([-1, -1, 1, 1.0]) @ GRID.matrix).to_bytes())
    struct.pack_into(f"<{1 + 3 + len(further)}h", made, 40, 3 + len(further), *GRID.size, *further)
    (tmp_path / "a.nii").write_bytes(made)
    is_the_scan(tmp_path / "a.nii")


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize(("said", "gap"), [(0, 0), (0, 4), (1, 4), (-16, 0), (None, 4), (1040, None)])
def test_voxels_are_found_wherever_the_header_says_that_they_begin(tmp_path, kind, said, gap):
    made = kind(voxels().T, np.diag([-1, -1, 1, 1.0]) @ GRID.matrix).to_bytes()
    length, place, form = (348, 108, "<f") if kind is nibabel.Nifti1Image else (540, 168, "<q")
    header, data = bytearray(made[:length]), voxels().tobytes()
    struct.pack_into(form, header, place, length + 4 if said is None else said)
    before = 1040 - length if gap is None else gap
    (tmp_path / "a.nii").write_bytes(bytes(header) + bytes(before) + data)
    is_the_scan(tmp_path / "a.nii")


def test_a_pair_may_be_compressed_and_one_half_alone_says_what_is_missing(tmp_path):
    nibabel.Nifti1Pair(voxels().T, np.diag([-1, -1, 1, 1.0]) @ GRID.matrix).to_filename(tmp_path / "scan.img")
    one = read_volume(tmp_path / "scan.hdr", role="T1")
    for half in ("hdr", "img"):
        (tmp_path / f"scan.{half}.gz").write_bytes(gzip.compress((tmp_path / f"scan.{half}").read_bytes()))
        (tmp_path / f"scan.{half}").unlink()
    is_the_scan(tmp_path / "scan.img.gz")
    (tmp_path / "scan.hdr.gz").unlink()
    with pytest.raises(InputError, match=r"half of an image: put its \.hdr file"):
        read_volume(tmp_path / "scan.img.gz", role="T1")
    assert one.sha256 is not None


def nrrd(path, *, encoding="raw", data=b"", more="", frames=0, at=0):
    """An NRRD file of 12 x 14 x 9 voxels, or of so many frames that are counted before (0) or behind (1) the others."""
    parts = [["12 14 9"], ["domain domain domain"], ["(0.9,0,0) (0,1.1,0) (0,0,4)"]]
    for part, of_frames in zip(parts, (str(frames), "list", "none"), strict=True):
        part.insert(at, of_frames) if frames else None
    sizes, kinds, directions = map(" ".join, parts)
    header = (
        f"NRRD0004\ntype: short\nendian: little\nspace: left-posterior-superior\nspace origin: (-31.5,12.25,70)\n"
        f"dimension: {len(sizes.split())}\nsizes: {sizes}\nkinds: {kinds}\nspace directions: {directions}\n"
        f"encoding: {encoding}\n{more}\n"
    )
    path.write_bytes(header.encode() + data)
    return path


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("name", ["a.seq.nrrd", "a.nrrd"])
@pytest.mark.parametrize(
    ("encoding", "pack"), [("raw", bytes), ("gzip", gzip.compress), ("bzip2", bz2.compress)]
)
def test_a_sequence_of_one_frame_is_that_frame(tmp_path, name, encoding, pack, at):
    is_the_scan(nrrd(tmp_path / name, encoding=encoding, data=pack(voxels().tobytes()), frames=1, at=at))


@pytest.mark.parametrize("at", [0, 1])
def test_a_sequence_of_several_frames_says_how_many(tmp_path, at):
    path = nrrd(tmp_path / "a.seq.nrrd", data=voxels().tobytes() * 3, frames=3, at=at)
    with pytest.raises(InputError, match=r"(series of 3 volumes|several values per voxel)"):
        read_volume(path, role="T1")


@pytest.mark.parametrize("encoding", ["bz2", "bzip2", "BZip2"])
def test_bzip2_voxels_in_a_file_of_their_own_are_read(tmp_path, encoding):
    (tmp_path / "a.raw.bz2").write_bytes(bz2.compress(voxels().tobytes()))
    is_the_scan(nrrd(tmp_path / "a.nhdr", encoding=encoding, more="data file: a.raw.bz2\n"))


PACKED = bz2.compress(voxels().tobytes())
BOMB = bz2.compress(bytes(1 << 24)) * 40


@pytest.mark.parametrize(
    "data", [PACKED[:-9], PACKED[:40], b"", PACKED[:60] + b"x" + PACKED[61:], PACKED + BOMB, BOMB],
    ids=["cut", "cut short", "none", "changed", "more than the header says", "other and more"],
)  # fmt: skip
def test_bzip2_voxels_that_are_damaged_or_too_many_are_refused(tmp_path, data):
    path = nrrd(tmp_path / "a.nrrd", encoding="bzip2", data=data)
    with pytest.raises(InputError, match="damaged or incomplete"):
        read_volume(path, role="T1")


@pytest.mark.parametrize("layers", [1, 2])
def test_a_segmentation_is_a_mask_unless_its_segments_overlap_and_never_a_scan(tmp_path, layers):
    mask = (voxels() > 400).astype(np.uint8)
    image = GRID.image(mask) if layers == 1 else sitk.Compose(GRID.image(mask), GRID.image(mask))
    for number in range(layers):
        image.SetMetaData(f"Segment{number}_ID", f"Segment_{number}")
        image.SetMetaData(f"Segment{number}_Layer", str(number))
    path = tmp_path / "brain.seg.nrrd"
    sitk.WriteImage(image, str(path), useCompression=True)
    with pytest.raises(InputError, match="is a segmentation, not a scan"):
        read_volume(path, role="T1")
    if layers == 1:
        read = read_volume(path, role="brain mask", mask=True)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(read.image), mask)
    else:
        with pytest.raises(InputError, match=r"segments overlap \(in 2 layers\)"):
            read_volume(path, role="brain mask", mask=True)


def test_a_link_whose_content_was_not_fetched_says_so(tmp_path):
    try:
        (tmp_path / "T1.nii.gz").symlink_to(tmp_path / ".git" / "annex" / "objects" / "absent")
    except OSError:
        return  # this system makes no links for everybody
    with pytest.raises(InputError, match="is a link whose content is not here: fetch it first"):
        read_volume(tmp_path / "T1.nii.gz", role="T1")


@pytest.mark.parametrize(("given", "gone"), [("a.hdr", "a.img"), ("a.img", "a.hdr"), ("a.hdr", "a.img.gz"), ("a.mhd", "a.raw"),
                                             ("a.nhdr", "a.raw")])  # fmt: skip
def test_voxels_or_a_header_that_were_not_fetched_say_so(tmp_path, given, gone):
    kind = given[1:] if given[1:] in (".mhd", ".nhdr") else ".hdr"
    sitk.WriteImage(GRID.image(voxels()), str(tmp_path / f"a{kind}"))
    (tmp_path / gone).unlink(missing_ok=True)
    (tmp_path / "a.img").unlink(missing_ok=True) if given == "a.hdr" else None
    try:
        (tmp_path / gone).symlink_to(tmp_path / ".git" / "annex" / "objects" / "absent")
    except OSError:
        return  # this system makes no links for everybody
    with pytest.raises(InputError, match=rf"{gone} is a link whose content is not here: fetch it first"):
        read_volume(tmp_path / given, role="T1")


@pytest.mark.parametrize(
    "pointer",
    [
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "/annex/objects/SHA256E-s9--0.nii.gz\n",
    ],
)
@pytest.mark.parametrize("name", ["T1.nii.gz", "T1.nrrd"])
def test_a_pointer_to_what_was_not_fetched_says_so(tmp_path, pointer, name):
    (tmp_path / name).write_text(pointer)
    with pytest.raises(InputError, match="pointer to a file that was not fetched"):
        read_volume(tmp_path / name, role="T1")


def test_an_archive_says_that_it_has_to_be_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "scan.nii.gz", "w") as archive:
        archive.writestr("scan.nii", content(tmp_path, ".nii"))
    with pytest.raises(InputError, match=r"archive \(zip\): unpack it"):
        read_volume(tmp_path / "scan.nii.gz", role="T1")


def test_one_image_in_two_wrappings_is_still_two_files_of_a_study(tmp_path):
    """Their bytes differ; the contrasts tell that they are one image."""
    made = content(tmp_path, ".nii")
    (tmp_path / "a.nii").write_bytes(made)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(made))
    study = read_study(tmp_path / "a.nii", tmp_path / "b.nii.gz")
    assert study.t1.sha256 != study.flair.sha256


def test_reading_leaves_nothing_in_the_temporary_folder(tmp_path, monkeypatch):
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", os.fspath(place))
    (tmp_path / "a.nrrd.gz").write_bytes(gzip.compress(content(tmp_path, ".nrrd")))
    is_the_scan(tmp_path / "a.nrrd.gz")
    assert not list(place.iterdir())
