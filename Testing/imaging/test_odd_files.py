"""Files that hold a scan in an unusual wrapping, and files that hold something else and are told what they are."""

from __future__ import annotations

import bz2
import gzip
import os
import struct
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.reading import read_study, read_volume

GRID = Grid((12, 14, 9), (0.9, 1.1, 4.0), (-31.5, 12.25, 70.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))


def voxels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 900, GRID.shape).astype(np.int16)


def content(folder: Path, suffix: str, *, compressed: bool = False) -> bytes:
    path = folder / f"made{suffix}"
    sitk.WriteImage(GRID.image(voxels()), str(path), useCompression=compressed)
    made = path.read_bytes()
    path.unlink()
    return made


def is_the_scan(path: Path) -> None:
    volume = read_volume(path, role="FLAIR")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), voxels())
    np.testing.assert_allclose(volume.image.GetSpacing(), GRID.spacing, rtol=1e-6)
    np.testing.assert_allclose(volume.image.GetOrigin(), GRID.origin, rtol=1e-6)
    assert not volume.remarks
    assert len(str(volume.sha256)) == 64


def twice(packed: bytes) -> bytes:
    return gzip.compress(gzip.compress(packed))


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, bz2.compress, twice], ids=["plain", "gzip", "bzip2", "twice"]
)
@pytest.mark.parametrize(
    "name", ["a.nii", "a.nii.gz", "A.NII.GZ", "a.nrrd", "a.NRRD", "a.nrrd.gz", "a.mha", "scan", "a.img.bak"]
)
@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
def test_what_a_file_holds_counts_and_not_what_it_is_called(
    tmp_path: Path, suffix: str, name: str, pack: object
) -> None:
    (tmp_path / name).write_bytes(pack(content(tmp_path, suffix)))  # type: ignore[operator]
    is_the_scan(tmp_path / name)


@pytest.mark.parametrize("suffix", [".NHDR", ".MHD", ".Nii", ".Mha"])
def test_suffixes_may_be_capitals(tmp_path: Path, suffix: str) -> None:
    sitk.WriteImage(GRID.image(voxels()), str(tmp_path / f"scan{suffix.lower()}"))
    (tmp_path / f"scan{suffix.lower()}").rename(tmp_path / f"scan{suffix}")
    is_the_scan(tmp_path / f"scan{suffix}")


@pytest.mark.parametrize(
    "kind", [nibabel.Nifti1Image, nibabel.Nifti2Image, nibabel.Nifti1Pair, nibabel.Nifti2Pair]
)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_every_kind_of_nifti_is_read(tmp_path: Path, kind: type, shape: tuple[int, ...]) -> None:
    affine = np.diag([-1, -1, 1, 1.0]) @ GRID.matrix
    pair = kind in (nibabel.Nifti1Pair, nibabel.Nifti2Pair)
    image = kind(voxels().T.reshape(*GRID.size, *shape), affine)
    if len(shape) == 2:
        image.header.set_intent(1007)
    image.to_filename(tmp_path / ("scan.img" if pair else "scan.nii.gz"))
    for name in ("scan.hdr", "scan.img") if pair else ("scan.nii.gz",):
        is_the_scan(tmp_path / name)


@pytest.mark.parametrize("further", [(0,), (1, 0), (0, 0, 0, 0), (-1,)])
def test_an_axis_beyond_the_third_that_is_not_used_may_have_no_size(
    tmp_path: Path, further: tuple[int, ...]
) -> None:
    """Programs of the NIfTI library read 0 as 1."""
    made = bytearray(nibabel.Nifti1Image(voxels().T, np.diag([-1, -1, 1, 1.0]) @ GRID.matrix).to_bytes())
    struct.pack_into(f"<{1 + 3 + len(further)}h", made, 40, 3 + len(further), *GRID.size, *further)
    (tmp_path / "a.nii").write_bytes(made)
    is_the_scan(tmp_path / "a.nii")


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize(("said", "gap"), [(0, 0), (0, 4), (1, 4), (-16, 0), (None, 4), (1040, None)])
def test_voxels_are_found_wherever_the_header_says_that_they_begin(
    tmp_path: Path, kind: type, said: int | None, gap: int | None
) -> None:
    made = kind(voxels().T, np.diag([-1, -1, 1, 1.0]) @ GRID.matrix).to_bytes()
    length, place, form = (348, 108, "<f") if kind is nibabel.Nifti1Image else (540, 168, "<q")
    header, data = bytearray(made[:length]), voxels().tobytes()
    struct.pack_into(form, header, place, length + 4 if said is None else said)
    before = 1040 - length if gap is None else gap
    (tmp_path / "a.nii").write_bytes(bytes(header) + bytes(before) + data)
    is_the_scan(tmp_path / "a.nii")


def test_a_pair_may_be_compressed_and_one_half_alone_says_what_is_missing(tmp_path: Path) -> None:
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


def nrrd(
    path: Path,
    *,
    sizes: str,
    kinds: str,
    directions: str,
    encoding: str = "raw",
    data: bytes = b"",
    more: str = "",
) -> Path:
    header = (
        f"NRRD0004\ntype: short\nendian: little\nspace: left-posterior-superior\nspace origin: (-31.5,12.25,70)\n"
        f"dimension: {len(sizes.split())}\nsizes: {sizes}\nkinds: {kinds}\nspace directions: {directions}\n"
        f"encoding: {encoding}\n{more}\n"
    )
    path.write_bytes(header.encode() + data)
    return path


AXES = "(0.9,0,0) (0,1.1,0) (0,0,4)"


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", ["a.seq.nrrd", "a.nrrd"])
@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
def test_a_sequence_of_one_frame_is_that_frame(tmp_path: Path, name: str, encoding: str, last: bool) -> None:
    pack = {"raw": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}[encoding]
    sizes, kinds, directions = ("12 14 9 1", "domain domain domain list", f"{AXES} none") if last else ("1 12 14 9", "list domain domain domain", f"none {AXES}")  # fmt: skip
    is_the_scan(
        nrrd(
            tmp_path / name,
            sizes=sizes,
            kinds=kinds,
            directions=directions,
            encoding=encoding,
            data=pack(voxels().tobytes()),
        )
    )


@pytest.mark.parametrize("last", [False, True])
def test_a_sequence_of_several_frames_says_how_many(tmp_path: Path, last: bool) -> None:
    sizes, kinds, directions = ("12 14 9 3", "domain domain domain list", f"{AXES} none") if last else ("3 12 14 9", "list domain domain domain", f"none {AXES}")  # fmt: skip
    path = nrrd(
        tmp_path / "a.seq.nrrd", sizes=sizes, kinds=kinds, directions=directions, data=voxels().tobytes() * 3
    )
    with pytest.raises(InputError, match=r"(series of 3 volumes|several values per voxel)"):
        read_volume(path, role="T1")


@pytest.mark.parametrize("encoding", ["bz2", "bzip2", "BZip2"])
def test_bzip2_voxels_in_a_file_of_their_own_are_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.raw.bz2").write_bytes(bz2.compress(voxels().tobytes()))
    is_the_scan(
        nrrd(
            tmp_path / "a.nhdr",
            sizes="12 14 9",
            kinds="domain domain domain",
            directions=AXES,
            encoding=encoding,
            more="data file: a.raw.bz2\n",
        )
    )


def bzip2_nrrd(path: Path, data: bytes) -> Path:
    """An NRRD file of 12 x 14 x 9 voxels with these compressed bytes."""
    return nrrd(
        path, sizes="12 14 9", kinds="domain domain domain", directions=AXES, encoding="bzip2", data=data
    )


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-9], lambda c: c[:40], lambda c: b"", lambda c: c[:60] + b"x" + c[61:]]
)
def test_damaged_bzip2_voxels_are_refused(tmp_path: Path, damage: object) -> None:
    data = damage(bz2.compress(voxels().tobytes()))  # type: ignore[operator]
    path = bzip2_nrrd(tmp_path / "a.nrrd", data)
    with pytest.raises(InputError, match="damaged or incomplete"):
        read_volume(path, role="T1")


def test_more_is_not_unpacked_than_the_header_says(tmp_path: Path) -> None:
    bomb = bz2.compress(bytes(1 << 24)) * 40
    for data in (bz2.compress(voxels().tobytes()) + bomb, bomb):
        path = bzip2_nrrd(tmp_path / "a.nrrd", data)
        with pytest.raises(InputError, match="damaged"):
            read_volume(path, role="T1")


@pytest.mark.parametrize("layers", [1, 2])
def test_a_segmentation_is_a_mask_unless_its_segments_overlap_and_never_a_scan(
    tmp_path: Path, layers: int
) -> None:
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


def test_a_link_whose_content_was_not_fetched_says_so(tmp_path: Path) -> None:
    try:
        (tmp_path / "T1.nii.gz").symlink_to(tmp_path / ".git" / "annex" / "objects" / "absent")
    except OSError:
        return  # this system makes no links for everybody
    with pytest.raises(InputError, match="is a link whose content is not here: fetch it first"):
        read_volume(tmp_path / "T1.nii.gz", role="T1")


@pytest.mark.parametrize(("given", "gone"), [("a.hdr", "a.img"), ("a.img", "a.hdr"), ("a.hdr", "a.img.gz"), ("a.mhd", "a.raw"),
                                             ("a.nhdr", "a.raw")])  # fmt: skip
def test_voxels_or_a_header_that_were_not_fetched_say_so(tmp_path: Path, given: str, gone: str) -> None:
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
def test_a_pointer_to_what_was_not_fetched_says_so(tmp_path: Path, pointer: str, name: str) -> None:
    (tmp_path / name).write_text(pointer)
    with pytest.raises(InputError, match="pointer to a file that was not fetched"):
        read_volume(tmp_path / name, role="T1")


def test_an_archive_says_that_it_has_to_be_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scan.nii.gz", "w") as archive:
        archive.writestr("scan.nii", content(tmp_path, ".nii"))
    with pytest.raises(InputError, match=r"archive \(zip\): unpack it"):
        read_volume(tmp_path / "scan.nii.gz", role="T1")


def test_one_image_in_two_wrappings_is_still_two_files_of_a_study(tmp_path: Path) -> None:
    """Their bytes differ; the contrasts tell that they are one image."""
    made = content(tmp_path, ".nii")
    (tmp_path / "a.nii").write_bytes(made)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(made))
    study = read_study(tmp_path / "a.nii", tmp_path / "b.nii.gz")
    assert study.t1.sha256 != study.flair.sha256


def test_reading_leaves_nothing_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", os.fspath(place))
    (tmp_path / "a.nrrd.gz").write_bytes(gzip.compress(content(tmp_path, ".nrrd")))
    is_the_scan(tmp_path / "a.nrrd.gz")
    assert not list(place.iterdir())
