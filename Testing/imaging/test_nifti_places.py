"""Where a NIfTI header places an image: two places that disagree, sizes that fit neither, no place at all."""

import gzip
import re
import struct
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.findings import Findings
from AnomalyDetectionLib.detection.quality import files
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid, apart_mm
from AnomalyDetectionLib.imaging.brain_mask import given_brain
from AnomalyDetectionLib.imaging.nifti import nifti_bytes
from AnomalyDetectionLib.imaging.reading import read_volume
from AnomalyDetectionLib.imaging.volume import Study
from AnomalyDetectionLib.imaging.write_image import write_image
from AnomalyDetectionLib.reporting.segmentation_file import write_segmentation

SHAPE = (40, 44, 12)
TURN = np.array(sitk.Euler3DTransform((0, 0, 0), 0.1, -0.2, 0.15).GetMatrix()).reshape(3, 3)
AFFINE = np.eye(4)  # RAS
AFFINE[:3, :3] = TURN * (-0.9, 1.1, 4.0)
AFFINE[:3, 3] = (20.0, -30.0, 12.0)
RIGHT_HANDED = AFFINE * (-1, 1, 1, 1)
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

PIXDIM, CODES, UNITS, QUATERNION, QOFFSET, SROW = 76, 252, 123, 256, 268, 280


def voxels():
    return np.random.default_rng(0).integers(1, 900, SHAPE).astype(np.int16)


def shifted(mm):
    moved = AFFINE.copy()
    moved[2, 3] += mm
    return moved


def sheared(by):
    shear = np.eye(4)
    shear[0, 2] = by
    return shear @ AFFINE


def nifti(path, sform=AFFINE, qform=AFFINE, codes=(1, 1), *changes, array=None):
    """A file with these places; `codes` are the qform's and the sform's; changes: offset, struct format, values."""
    image = nibabel.Nifti1Image(voxels() if array is None else array, None)
    image.header.set_xyzt_units("mm")
    image.header["pixdim"][1:4] = 0.9, 1.1, 4.0
    if qform is not None:
        image.set_qform(qform, codes[0])
    if sform is not None:
        image.set_sform(sform, codes[1])
    content = bytearray(image.to_bytes())
    struct.pack_into("<hh", content, CODES, *codes)
    for offset, form, *values in changes:
        struct.pack_into("<" + form, content, offset, *values)
    path.write_bytes(gzip.compress(bytes(content), 1) if path.name.endswith(".gz") else bytes(content))
    return path


BESIDE_SFORM = r"cannot be read \(.*qform\): the sform was followed"

#: By name: the file's places, which of them is right (RAS), and what is said.
PLACES = {
    "as usual": ((), AFFINE, ""),
    "sform alone": ((AFFINE, None, (0, 1)), AFFINE, ""),
    "qform alone": ((None, AFFINE, (1, 0)), AFFINE, ""),
    "25 mm apart": ((shifted(25), AFFINE, (1, 2)), shifted(25), r"disagree by up to 25\.0 mm .* the sform was followed"),
    "0.4 mm apart": ((shifted(0.4), AFFINE, (1, 2)), shifted(0.4), ""),
    "sheared beside a good one": ((sheared(0.1), AFFINE), AFFINE, r"disagree by up to \d\.\d mm .* the qform was followed"),
    "sform of zeros": ((np.diag([0.0, 0, 0, 1]), AFFINE, (1, 1)), AFFINE, ""),
    "pixdim of 1 mm slices": (
        (AFFINE, AFFINE, (0, 1), (PIXDIM + 12, "f", 1.0)), AFFINE, r"0\.9 x 1\.1 x 1 mm \(pixdim\) and 0\.9 x 1\.1 x 4 mm",
    ),
    "pixdim permuted": ((AFFINE, AFFINE, (0, 1), (PIXDIM + 4, "3f", 4.0, 0.9, 1.1)), AFFINE, "two sizes of a voxel"),
    "pixdim zero": ((AFFINE, AFFINE, (0, 1), (PIXDIM + 4, "3f", 0.0, 0.0, 0.0)), AFFINE, "two sizes of a voxel"),
    "pixdim negative": ((AFFINE, AFFINE, (1, 1), (PIXDIM + 4, "f", -0.9)), AFFINE, "3D Slicer shows"),
    "pixdim negative, qform alone": ((None, AFFINE, (1, 0), (PIXDIM + 8, "f", -1.1)), AFFINE, "3D Slicer shows"),
    "handedness zero": ((None, RIGHT_HANDED, (1, 0), (PIXDIM, "f", 0.0)), RIGHT_HANDED, ""),
    "metres": (
        (AFFINE / [[1000], [1000], [1000], [1]], None, (0, 1), (UNITS, "b", 1), (PIXDIM + 4, "3f", 9e-4, 1.1e-3, 4e-3)),
        AFFINE,
        "",
    ),
    "micrometres that are millimetres": ((AFFINE, AFFINE, (1, 1), (UNITS, "b", 3)), AFFINE, "3D Slicer shows"),
}  # fmt: skip

#: The same of headers of which one place is broken; ITK would look for a rotation in the first for ever.
BROKEN = {
    "quaternion too long": ((shifted(25), AFFINE, (1, 1), (QUATERNION, "f", 1e30)), shifted(25), BESIDE_SFORM),
    "quaternion no number": ((AFFINE, AFFINE, (1, 1), (QUATERNION + 8, "f", np.nan)), AFFINE, BESIDE_SFORM),
    "qform nowhere": ((AFFINE, AFFINE, (1, 2), (QOFFSET, "f", np.inf)), AFFINE, BESIDE_SFORM),
    "sform no number": ((shifted(25), AFFINE, (1, 1), (SROW + 20, "f", np.nan)), AFFINE, r"cannot be read \(sform\): the qform was followed"),
    "sizes no numbers": ((AFFINE, AFFINE, (1, 1), (PIXDIM + 4, "f", np.nan)), AFFINE, BESIDE_SFORM),
    "sizes no numbers, sform alone": ((AFFINE, None, (0, 1), (PIXDIM + 8, "f", np.inf)), AFFINE, r"cannot be read \(pixdim\): the sform"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_place_is_left_out_of_the_results_and_other_programs_open_them(tmp_path, name):
    arguments, right, _ = BROKEN[name]
    flair = read_volume(nifti(tmp_path / "flair.nii.gz", *arguments), role="FLAIR")
    findings = found_on(flair)
    write_image(findings.labels, tmp_path / "labels.nii.gz", on=flair)
    write_segmentation(findings, tmp_path / "a.seg.nrrd", on=flair)
    for file in ("labels.nii.gz", "a.seg.nrrd"):
        result = _as_matrix(sitk.ReadImage(str(tmp_path / file)))
        assert apart_mm(SHAPE, result, TO_LPS @ right) < 1e-3
    written = nibabel.load(tmp_path / "labels.nii.gz").header
    assert [int(written[f"{form}_code"]) > 0 for form in ("qform", "sform")] == [
        name == "sform no number",
        name != "sform no number",
    ]
    np.testing.assert_allclose(written["pixdim"][1:4], (0.9, 1.1, 4.0), rtol=1e-5)


@pytest.mark.parametrize(
    ("codes", "change", "what"),
    [
        ((1, 0), (QUATERNION, "f", 1e30), "qform"),
        ((0, 1), (SROW, "f", np.nan), "sform"),
        ((1, 0), (PIXDIM + 4, "f", np.nan), "pixdim and qform"),
        ((0, 0), (PIXDIM + 4, "f", np.nan), "pixdim"),
    ],
)
def test_a_header_without_a_place_that_can_be_read_is_refused_for_that_reason(tmp_path, codes, change, what):
    path = nifti(tmp_path / "flair.nii", AFFINE, AFFINE, codes, change)
    with pytest.raises(
        InputError, match=rf"FLAIR .*flair\.nii has .* cannot be read \({what}\): convert it from DICOM"
    ):
        read_volume(path, role="FLAIR")


@pytest.mark.parametrize("name", [*PLACES, *BROKEN])
def test_an_image_lies_where_most_programs_show_it_and_a_doubt_is_said(tmp_path, name):
    arguments, right, sentence = (PLACES | BROKEN)[name]
    volume = read_volume(nifti(tmp_path / "flair.nii", *arguments), role="FLAIR")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image).T, voxels())
    assert apart_mm(SHAPE, Grid.of(volume.image).matrix, TO_LPS @ right) < 0.01
    np.testing.assert_allclose(volume.image.GetSpacing(), (0.9, 1.1, 4.0), rtol=1e-5)
    said = " ".join(remark.sentence for remark in volume.remarks)
    if sentence:
        assert re.search(sentence, said)
    else:
        assert not said


@pytest.mark.parametrize("sizes", [(0.9, 1.1, 4.0), (0.0, 0.0, 0.0)])
def test_that_a_header_knows_no_directions_is_said_loudly(tmp_path, sizes):
    path = nifti(tmp_path / "t1.nii.gz", AFFINE, AFFINE, (0, 0), (PIXDIM + 4, "3f", *sizes))
    (remark,) = read_volume(path, role="T1").remarks
    assert "left and right, front and back, up and down are unknown" in remark.sentence
    assert ("how large its voxels are" in remark.sentence) == (sizes[0] == 0)


def test_a_sheared_grid_alone_is_straightened_and_by_how_much_is_measured(tmp_path):
    volume = read_volume(nifti(tmp_path / "a.nii", sheared(0.1), None, (0, 1)), role="FLAIR")
    (remark,) = volume.remarks
    off = apart_mm(SHAPE, Grid.of(volume.image).matrix, TO_LPS @ sheared(0.1))
    assert remark.measured["mm"] == pytest.approx(off, abs=0.01)
    assert f"moves it by up to {off:.1f} mm" in remark.sentence
    centre = np.array([*(np.array(SHAPE) - 1) / 2, 1])
    np.testing.assert_allclose(
        Grid.of(volume.image).matrix @ centre, TO_LPS @ sheared(0.1) @ centre, atol=1e-3
    )
    with pytest.raises(InputError, match="right angles"):
        read_volume(nifti(tmp_path / "b.nii", sheared(3.0), None, (0, 1)), role="FLAIR")


def test_axes_that_are_not_at_right_angles_are_said_of_other_formats_too(tmp_path):
    directions = " ".join(f"({a},{b},{c})" for a, b, c in ((0.9, 0, 0), (0, 1.1, 0), (0.6, 0, 4)))
    header = f"NRRD0004\ntype: short\ndimension: 3\nsizes: 40 44 12\nspace: left-posterior-superior\nspace directions: {directions}\n"
    content = header + "space origin: (0,0,0)\nkinds: domain domain domain\nendian: little\nencoding: raw\n\n"
    (tmp_path / "a.nrrd").write_bytes(content.encode() + voxels().tobytes("F"))
    (remark,) = read_volume(tmp_path / "a.nrrd", role="T1").remarks
    assert "not at right angles" in remark.sentence


def found_on(volume):
    labels = sitk.GetArrayFromImage(volume.image) > 800
    return Findings((), Grid.of(volume.image).image(labels.astype(np.uint16)), 3.0, 2)


KINDS = [*PLACES, "no place"]


@pytest.mark.parametrize("name", KINDS)
def test_every_result_lies_on_its_input_in_every_program(tmp_path, name):
    arguments = (AFFINE, AFFINE, (0, 0)) if name == "no place" else PLACES[name][0]
    source = nifti(tmp_path / "flair.nii.gz", *arguments)
    flair = read_volume(source, role="FLAIR")
    findings = found_on(flair)
    score = Grid.of(flair.image).image(np.random.default_rng(1).random(SHAPE[::-1]).astype(np.float32))
    write_image(score, tmp_path / "score.nii.gz", on=flair)
    write_image(findings.labels, tmp_path / "labels.nii.gz", on=flair)
    write_segmentation(findings, tmp_path / "a.seg.nrrd", on=flair)
    given = nibabel.load(source)
    for file, made in (("score", score), ("labels", findings.labels)):
        written = nibabel.load(tmp_path / f"{file}.nii.gz")
        np.testing.assert_array_equal(written.affine, given.affine)
        for place in ("get_sform", "get_qform"):
            if "negative" not in name:  # which nibabel does not take from a header in memory
                ours, theirs = (getattr(image.header, place)(coded=True) for image in (written, given))
                assert ours[1] == theirs[1]
                assert (ours[0] is None) == (theirs[0] is None)
                np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(np.asarray(written.dataobj).T, sitk.GetArrayFromImage(made))
    seen = sitk.ReadImage(str(source))
    for file in ("score.nii.gz", "labels.nii.gz", "a.seg.nrrd"):
        result = sitk.ReadImage(str(tmp_path / file))
        assert result.GetSize() == seen.GetSize()
        ours, theirs = (_as_matrix(image) for image in (result, seen))
        assert apart_mm(SHAPE, ours, theirs) < 1e-3
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.seg.nrrd")))
    np.testing.assert_array_equal(labels, sitk.GetArrayFromImage(findings.labels))


def _as_matrix(image):
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return matrix


@pytest.mark.parametrize("kind", ["nifti2", "pair", "analyze"])
def test_a_result_on_another_kind_of_header_is_a_file_that_all_programs_open(tmp_path, kind):
    made = {"nifti2": nibabel.Nifti2Image, "pair": nibabel.Nifti1Pair, "analyze": nibabel.Spm99AnalyzeImage}[
        kind
    ]
    image = made(voxels(), np.diag([-0.9, 1.1, 4.0, 1.0]) if kind == "analyze" else AFFINE)
    path = tmp_path / ("scan.nii" if kind == "nifti2" else "scan.img")
    image.to_filename(path)
    flair = read_volume(path, role="FLAIR")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(flair.image).T, voxels())
    assert (kind == "analyze") == bool(flair.remarks)
    out = tmp_path / "labels.nii.gz"
    out.write_bytes(nifti_bytes(found_on(flair).labels, flair.header))
    read = sitk.ReadImage(str(out))
    np.testing.assert_allclose(read.GetSpacing(), (0.9, 1.1, 4.0), rtol=1e-5)
    if kind != "analyze":
        np.testing.assert_allclose(nibabel.load(out).affine, AFFINE, atol=1e-4)


def a_head(place, path, *rest):
    """A ball of tissue of 1.2 litres in air."""
    shape = (150, 150, 45)
    centre = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij"), -1) * (
        0.9,
        1.1,
        4.0,
    )
    inside = (np.linalg.norm(centre, axis=-1) < 65).astype(np.int16)
    return nifti(path, place, *rest, array=inside * 500 + 3)


@pytest.mark.parametrize(
    ("flair_codes", "written_by"),
    [
        *(((1, 2), by) for by in ("sform", "qform", "nibabel", "ITK")),
        *(((0, 0), by) for by in ("nibabel", "ITK", "no place")),
    ],
)
def test_a_mask_on_the_same_voxels_is_taken_voxel_for_voxel(tmp_path, flair_codes, written_by):
    source = a_head(shifted(25), tmp_path / "flair.nii.gz", AFFINE, flair_codes)
    flair = read_volume(source, role="FLAIR")
    brain = np.asarray(nibabel.load(source).dataobj) > 100
    brain[90:] = False
    path = tmp_path / "mask.nii.gz"
    mask = brain.astype(np.uint8)
    if written_by == "ITK":
        path = tmp_path / "mask.nrrd"
        image = sitk.GetImageFromArray(mask.T)
        image.CopyInformation(sitk.ReadImage(str(source)))
        sitk.WriteImage(image, str(path))
    elif written_by == "nibabel":
        nibabel.Nifti1Image(mask, nibabel.load(source).affine).to_filename(path)
    elif written_by == "no place":
        nifti(path, None, None, (0, 0), array=mask)
    else:
        place = shifted(25) if written_by == "sform" else AFFINE
        nifti(path, place, place, (1, 0) if written_by == "qform" else (0, 1), array=mask)
    given = read_volume(path, role="brain mask", mask=True)
    np.testing.assert_array_equal(given_brain(given, flair), brain.T)


def test_a_mask_that_lies_elsewhere_is_not_taken_for_one_on_the_same_voxels(tmp_path):
    flair = read_volume(a_head(AFFINE, tmp_path / "flair.nii.gz"), role="FLAIR")
    mask = read_volume(
        a_head(shifted(12), tmp_path / "mask.nii.gz", shifted(12)), role="brain mask", mask=True
    )
    mask = replace(mask, image=sitk.Cast(mask.image > 100, sitk.sitkFloat32))
    moved = given_brain(mask, flair)  # by 12 mm, three slices
    at = np.flatnonzero(moved.any(axis=(1, 2)))
    own = np.flatnonzero((sitk.GetArrayFromImage(mask.image) > 0).any(axis=(1, 2)))
    assert at[0] - own[0] in (2, 3)


def test_what_reading_doubts_is_a_warning_of_the_run_that_names_no_file(tmp_path):
    t1, flair = (
        read_volume(nifti(tmp_path / f"Jane Doe {role}.nii.gz", place, AFFINE, (1, 2)), role=role)
        for role, place in (("T1", AFFINE), ("FLAIR", shifted(9)))
    )
    warnings = files.check(Study(t1, flair))
    assert [warning.name for warning in warnings] == ["header geometry"] * 2
    assert warnings[0].measured == {"image": "FLAIR", "mm": 9.0, "followed": "sform"}
    assert not any("Jane" in warning.sentence for warning in warnings)
