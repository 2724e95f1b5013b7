"""The two DICOM objects read back by other means: voxels in physical space, what refers to what, validators."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.reviewed_findings import CATEGORIES
from AnomalyDetectionLib.dicom.series import choose, read
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.reporting.colours import finding_colour
from AnomalyDetectionLib.reporting.dicom_algorithm import Algorithm
from AnomalyDetectionLib.reporting.dicom_objects import (
    REPORT,
    SEGMENTATION,
    dicom_source,
    source_of_flair,
    write_dicom,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from made_dicom import MadeStudy, classic_series
from made_findings import ALGORITHM, finding, flair_on, labels_on, made, oblique, points, points_of

hd = pytest.importorskip("highdicom", reason="highdicom is not installed")
import pydicom  # noqa: E402
from AnomalyDetectionLib.imaging.voxels import voxels_of  # noqa: E402
from pydicom.uid import UID  # noqa: E402

KINDS = ("classic", "enhanced")


@pytest.fixture(scope="module", params=KINDS)
def written(request, tmp_path_factory):
    """Both objects of findings 1 and 3, the first one reviewed."""
    folder = tmp_path_factory.mktemp(request.param)
    these = made(folder / "source", request.param, oblique())
    reviewed = finding(1, category=4, decision="accepted", note="Größer als 2019,\nЗдравствуйте 结果")
    other = finding(3, side="midline", per_normal_scan=None, hint="unknown")
    these = replace(these, findings=[reviewed, other])
    more = {"remarks": ["The T1 does not reach 3 % of the brain"], "left_out": 2}
    write_dicom(dicom_source(these.files), these.labels, these.findings, ALGORITHM, folder, **more)
    return folder, these


@pytest.fixture
def write(written, tmp_path):
    """Writes findings on the images of `written` into `tmp_path`, or another folder."""
    source, labels = dicom_source(written[1].files), written[1].labels

    def wrote(*findings, folder=tmp_path, **options):
        folder.mkdir(exist_ok=True)
        return write_dicom(source, labels, findings, ALGORITHM, folder, **options)

    return wrote


def segmentation(folder):
    return hd.seg.segread(folder / SEGMENTATION)


def report(folder):
    return hd.sr.srread(folder / REPORT)


def groups(folder):
    """The groups of measurements of the report, one a finding."""
    return report(folder).content.get_volumetric_roi_measurement_groups()


def items(container, meaning):
    """The values of the items of a container that are called so."""
    named = ((item, item.ConceptNameCodeSequence[0].CodeMeaning) for item in container.ContentSequence)
    return [getattr(item, "value", item) for item, name in named if name == meaning]


def same_voxels(folder, labels, numbers):
    volume = segmentation(folder).get_volume(combine_segments=False)
    for place, number in enumerate(numbers):
        here, there = points(volume.array[..., place], volume.affine), points_of(labels, number)
        if here.shape != there.shape or not np.allclose(here, there, atol=1e-3):
            return False
    return True


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    kind=st.sampled_from(KINDS),
    # highdicom errs below 8 pixels a slice
    size=st.tuples(st.integers(3, 7), st.integers(3, 7), st.integers(2, 5)),
    spacing=st.tuples(*[st.floats(0.3, 6.0)] * 3),
    origin=st.tuples(*[st.floats(-300, 300)] * 3),
    turns=st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    seed=st.integers(0, 999),
)
def test_every_voxel_keeps_its_place_in_space(kind, size, spacing, origin, turns, seed):
    grid = oblique(size, spacing, origin, turns)
    numbers = (2, 300)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        these = made(folder / "source", kind, grid, numbers=numbers, seed=seed)
        write_dicom(dicom_source(these.files), these.labels, these.findings, ALGORITHM, folder)
        assert same_voxels(folder, these.labels, numbers)


@pytest.mark.parametrize(
    ("kind", "axes", "flips"),
    [
        ("classic", (0, 1, 2), (False, True, False)),
        ("classic", (2, 0, 1), (True, False, True)),
        ("classic", (1, 0, 2), (False, False, False)),
        ("enhanced", (1, 2, 0), (True, True, True)),
    ],
)
def test_labels_whose_axes_run_another_way_are_brought_to_the_images(kind, axes, flips, tmp_path):
    """As those of a NIfTI file that was made from the series."""
    these = made(tmp_path / "source", kind, oblique())
    turned = sitk.Flip(sitk.PermuteAxes(these.labels, axes), flips)
    write_dicom(dicom_source(these.files), turned, these.findings, ALGORITHM, tmp_path)
    assert same_voxels(tmp_path, these.labels, (1, 3))


def test_only_frames_with_a_voxel_are_there_and_each_names_its_source(written):
    folder, these = written
    object_ = pydicom.dcmread(folder / SEGMENTATION)
    voxels = voxels_of(these.labels)
    frames = sum(int((plane == number).any()) for plane in voxels for number in (1, 3))
    assert object_.NumberOfFrames == frames < 2 * len(voxels)
    assert object_.SegmentationType == "BINARY"
    sources = {str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in these.files}
    first = pydicom.dcmread(these.files[0], stop_before_pixels=True)
    assert object_.FrameOfReferenceUID == first.FrameOfReferenceUID
    assert object_.StudyInstanceUID == first.StudyInstanceUID
    for group in object_.PerFrameFunctionalGroupsSequence:
        item = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert item.ReferencedSOPInstanceUID in sources
        if len(these.files) == 1:
            source = first.PerFrameFunctionalGroupsSequence[int(item.ReferencedFrameNumber) - 1]
            there, here = source.PlanePositionSequence[0], group.PlanePositionSequence[0]
            assert there.ImagePositionPatient == here.ImagePositionPatient


def test_a_segment_says_what_it_is_and_that_it_is_suspected(written):
    folder, _ = written
    object_ = segmentation(folder)
    first, second = object_.SegmentSequence
    assert (first.SegmentLabel, second.SegmentLabel) == ("Suspected anomaly 1", "Suspected anomaly 3")
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeValue == "55641003"  # infarct, by the reader
    assert second.SegmentedPropertyTypeCodeSequence[0].CodeValue == "52988006"  # lesion
    assert second.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    region = first.AnatomicRegionSequence[0]
    assert region.CodeValue == "12738006"
    modifiers = [item.CodeMeaning for item in region.AnatomicRegionModifierSequence]
    assert modifiers == ["Left", "Anterior", "Superior"]
    assert "infarct, not known before" in first.SegmentDescription
    assert first.SegmentDescription.startswith("Research use only")
    assert "Suspected, research use only" in second.SegmentDescription
    algorithm = second.SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeMeaning == "Artificial Intelligence"
    assert ALGORITHM.fingerprint in algorithm.AlgorithmParameters
    for segment in (first, second):
        colour = hd.color.CIELabColor.from_dicom_value(list(segment.RecommendedDisplayCIELabValue)).to_rgb()
        number = int(segment.SegmentLabel.split()[-1])
        assert np.allclose(colour, [255 * part for part in finding_colour(number)], atol=12)


def test_the_objects_say_that_they_are_for_research(written):
    folder, _ = written
    for name in (SEGMENTATION, REPORT):
        object_ = pydicom.dcmread(folder / name)
        assert object_.ContentQualification == "RESEARCH"
        assert "research use only" in object_.SeriesDescription
    comments = items(report(folder).content[0], "Comment")
    assert comments[0] == "Research use only. Not a medical device; not for diagnosis."
    assert "The T1 does not reach 3 % of the brain." in comments
    assert "2 findings of this scan were left out." in comments


def test_the_report_has_a_group_of_measurements_a_finding(written):
    folder, these = written
    group, other = groups(folder)
    assert group.tracking_identifier == "Suspected anomaly 1"
    assert group.finding_sites[0].value.meaning == "Brain"
    assert group.finding_sites[0].laterality.meaning == "Left"
    measured = {m.name.meaning: (m.value, m.unit.value) for m in group.get_measurements()}
    voxels = np.count_nonzero(voxels_of(these.labels) == 1)
    assert measured["Volume"] == (pytest.approx(voxels * these.grid.voxel_ml, rel=1e-3), "mL")
    assert measured["Peak anomaly score"] == (5.432, "1")
    assert measured["Findings like it in a normal scan"] == (0.25, "{findings}/{scan}")
    assert "Findings like it in a normal scan" not in {m.name.meaning for m in other.get_measurements()}
    said = {e.name.meaning: e.value.meaning for e in group.get_qualitative_evaluations()}
    assert "Certainty of the finding" not in said  # the reader's word stands in its place
    unread = {e.name.meaning: e.value.meaning for e in other.get_qualitative_evaluations()}
    assert unread["Certainty of the finding"] == "Suspected"
    assert said["Reader's category"] == "Infarct"
    assert said["Known before this reading"] == "No"
    assert said["Reader's decision"] == "accepted"
    assert items(group[0], "Comment") == ["Größer als 2019,\r\nЗдравствуйте 结果"]
    assert other.finding_sites[0].laterality is None
    point = next(item for item in group[0].ContentSequence if item.ValueType == "SCOORD3D")
    assert np.allclose(point.value[0], points_of(these.labels, 1).mean(axis=0), atol=1e-3)
    assert point.ReferencedFrameOfReferenceUID == segmentation(folder).FrameOfReferenceUID


def test_the_report_refers_to_the_segments_and_both_share_their_identifiers(written):
    folder, these = written
    object_, document = segmentation(folder), report(folder)
    for place, group in enumerate(groups(folder), start=1):
        segment = object_.SegmentSequence[place - 1]
        item = group.referenced_segment
        reference = item[0].ReferencedSOPSequence[0]
        assert reference.ReferencedSOPInstanceUID == object_.SOPInstanceUID
        assert reference.ReferencedSegmentNumber == segment.SegmentNumber == place
        assert group.tracking_uid == segment.TrackingUID
        assert UID(segment.TrackingUID).is_valid
        series = object_.ReferencedSeriesSequence[0].SeriesInstanceUID
        assert item.source_series_for_segmentation.value == series
    evidence = {instance for _, _, instance, _ in document.get_evidence()}
    assert evidence >= {object_.SOPInstanceUID}
    assert len(evidence) == 1 + len(these.files)
    assert document.CompletionFlag == "PARTIAL"  # findings were left out, and one is unreviewed
    assert (document.VerificationFlag, document.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert document.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99ANODET"


def test_the_same_run_gives_the_same_tracking_identifiers_and_another_run_others(written, tmp_path):
    folder, these = written
    source = dicom_source(these.files)

    def identifiers(algorithm):
        write_dicom(source, these.labels, these.findings, algorithm, tmp_path)
        return [segment.TrackingUID for segment in segmentation(tmp_path).SegmentSequence]

    before = [segment.TrackingUID for segment in segmentation(folder).SegmentSequence]
    assert len(set(before)) == 2
    assert identifiers(ALGORITHM) == before
    assert segmentation(tmp_path).SOPInstanceUID != segmentation(folder).SOPInstanceUID
    for other in (replace(ALGORITHM, fingerprint="0" * 64), replace(ALGORITHM, run="another run")):
        assert not set(identifiers(other)) & set(before)


def test_a_run_is_known_by_model_settings_and_t1_and_not_by_its_date():
    record = {
        "model": {"name": "paper", "sha256": "a" * 64},
        "settings": {"scoring": {"threshold": 3.0, "min_patches": 2}},
        "inputs": {"t1": {"sha256": "b" * 64, "path": "somewhere"}},
        "run": {"finished_utc": "2026"},
    }
    same = Algorithm.of({**record, "run": {"finished_utc": "2027"}})
    assert Algorithm.of(record) == same
    assert same.parameters == {"threshold": "3.0", "min_patches": "2"}
    for other in (
        {**record, "settings": {"scoring": {"threshold": 4.0, "min_patches": 2}}},
        {**record, "inputs": {"t1": {"sha256": "c" * 64}}},
    ):
        assert Algorithm.of(other).tracking_uid("1.2", 1) != same.tracking_uid("1.2", 1)
    moved = Algorithm.of(record, threshold=4.5, min_patches=7)
    assert moved.parameters == {"threshold": "4.5", "min_patches": "7"}
    assert moved.tracking_uid("1.2", 1) == same.tracking_uid("1.2", 1)
    assert Algorithm.of({"model": "none"}).tracking_uid("1.2", 1).startswith("2.25.")


def test_every_category_and_decision_can_be_written(tmp_path):
    these = made(tmp_path / "source", "classic", oblique())
    source = dicom_source(these.files)
    for category in range(len(CATEGORIES) + 1):
        decision = ("", "accepted")[category % 2]
        chosen = finding(1, category=category, decision=decision, hint="normal tissue or artefact")
        write_dicom(source, these.labels, [chosen], ALGORITHM, tmp_path)
        (group,) = groups(tmp_path)
        said = [evaluation.name.meaning for evaluation in group.get_qualitative_evaluations()]
        assert ("Reader's category" in said) == (category > 0)
        assert ("Known before this reading" in said) == (category in (3, 4))
        assert ("Certainty of the finding" in said) == (category == 0 and not decision)
        assert segmentation(tmp_path).SegmentSequence[0].SegmentLabel == "Suspected anomaly 1"
        assert report(tmp_path).CompletionFlag == ("COMPLETE" if category or decision else "PARTIAL")


def test_codes_of_the_standard_are_those_of_its_dictionary():
    from AnomalyDetectionLib.reporting import dicom_codes
    from pydicom.sr._concepts_dict import concepts
    from pydicom.sr.coding import Code

    known = {
        scheme: {code for named in names.values() for code in named} for scheme, names in concepts.items()
    }
    kinds = [code for kind in dicom_codes._KINDS.values() for code in kind]
    named = [value for value in vars(dicom_codes).values() if isinstance(value, Code)]
    for code in [*kinds, *named, *dicom_codes._LATERALITY.values(), *dicom_codes._THIRDS.values()]:
        own_ways = code.scheme_designator == "UCUM" or code.value in ("55641003", "C0034375")
        assert own_ways or code.value in known[code.scheme_designator], code


def test_without_findings_there_is_a_report_that_says_so_and_no_segmentation(write, tmp_path):
    made_ = write()
    assert [file.name for file in made_.files] == [REPORT]
    assert "no finding" in made_.remarks[-1]
    (evaluations,) = items(report(tmp_path).content[0], "Qualitative Evaluations")
    assert items(evaluations, "Suspected anomalies")[0].meaning == "None"
    assert report(tmp_path).CompletionFlag == "COMPLETE"


def test_a_finding_without_a_voxel_is_left_out_and_that_is_said(write, tmp_path):
    write(finding(1), finding(9))
    assert len(segmentation(tmp_path).SegmentSequence) == 1
    sentence = "1 finding without a voxel in the images is not in the DICOM objects."
    assert sentence in items(report(tmp_path).content[0], "Comment")


def test_a_segment_that_a_reader_has_corrected_is_no_longer_automatic(write, tmp_path):
    write(finding(1), finding(3, corrected=True, note="too large"))
    first, second = segmentation(tmp_path).SegmentSequence
    assert (first.SegmentAlgorithmType, second.SegmentAlgorithmType) == ("AUTOMATIC", "SEMIAUTOMATIC")
    modifiers = second.AnatomicRegionSequence[0].AnatomicRegionModifierSequence
    assert [item.CodeMeaning for item in modifiers] == ["Left"]
    said = [items(group[0], "Comment") for group in groups(tmp_path)]
    corrected = "Outline corrected by hand; scores, hint and region are those of the detection."
    assert said == [[], [corrected, "too large"]]


def test_a_finding_that_a_reader_has_added_is_not_said_to_be_the_detections(write, tmp_path):
    write(finding(1), finding(3, added=True))
    second = segmentation(tmp_path).SegmentSequence[1]
    assert second.SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert "added by the reader" in second.SegmentDescription
    assert "corrected" not in second.SegmentDescription
    (said,) = items(groups(tmp_path)[1][0], "Comment")
    assert said.startswith("Added by the reader, not by the detection")


def observers(folder):
    """The kinds of those who say something in the report, and the name of the person."""
    contexts = report(folder).content.get_observer_contexts()
    kinds = [context.observer_type.meaning for context in contexts]
    names = [str(context.observer_identifying_attributes.name) for context in contexts]
    return kinds, [name for kind, name in zip(kinds, names, strict=True) if kind == "Person"]


@pytest.mark.parametrize(
    "word",
    [{"category": 2}, {"decision": "accepted"}, {"note": "look"}, {"corrected": True}, {"added": True}],
)
@pytest.mark.parametrize(
    ("reader", "name"), [("Doe^John", "Doe^John"), ("", "Reader^not identified"), ("Ann Ö\\", "Ann Ö^")]
)
def test_what_a_person_said_is_not_the_models_word(word, reader, name, write, tmp_path):
    write(finding(1), finding(3, **word), reader=reader)
    assert observers(tmp_path) == (["Person", "Device"], [name])


def test_where_nobody_said_anything_there_is_no_person(write, tmp_path):
    write(finding(1), finding(3, note=" "), reader="Doe^John")
    assert observers(tmp_path) == (["Device"], [])


def test_what_the_reader_rejected_is_left_out_and_that_is_said(write, written, tmp_path):
    both = finding(1, decision="accepted"), finding(3, decision="rejected", category=2)
    made_ = write(*both)
    (segment,) = segmentation(tmp_path).SegmentSequence
    assert segment.SegmentLabel == "Suspected anomaly 1"
    assert same_voxels(tmp_path, written[1].labels, (1,))
    assert len(groups(tmp_path)) == 1
    remark = "1 finding that the reader rejected was left out of the DICOM objects"
    assert remark in made_.remarks
    assert f"{remark}." in items(report(tmp_path).content[0], "Comment")
    assert report(tmp_path).CompletionFlag == "PARTIAL"
    none = write(*(replace(one, decision="rejected") for one in both), folder=tmp_path / "none")
    assert [file.name for file in none.files] == [REPORT]
    assert observers(tmp_path / "none")[0] == ["Person", "Device"]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
def test_a_validator_finds_no_error(write, written, tmp_path):
    folder, unread, by_hand = written[0], tmp_path / "unread", tmp_path / "by_hand"
    write()
    write(finding(3), folder=unread, reader="Ann Reader")
    write(finding(3, corrected=True, note="drawn anew"), folder=by_hand, reader="Ann Reader")
    both = [place / name for place in (folder, unread, by_hand) for name in (SEGMENTATION, REPORT)]
    for file in (*both, tmp_path / REPORT):
        done = subprocess.run(["dciodvfy", "-new", file], capture_output=True, text=True, check=False)
        said = [line for line in (done.stdout + done.stderr).splitlines() if "99ANODET" not in line]
        assert said in (["Segmentation"], ["Comprehensive3DSR"]), said


@pytest.mark.skipif(shutil.which("dsrdump") is None, reason="dsrdump (dcmtk) is not installed")
def test_the_report_can_be_printed(written):
    folder, _ = written
    done = subprocess.run(["dsrdump", "+Pl", folder / REPORT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in ('"Volume")=', '"Finding")=(55641003,SCT,"Infarct")', "Größer als 2019", "UNVERIFIED"):
        assert line in done.stdout


# -- which DICOM images a FLAIR is from


def nifti_of(folder):
    """The series as a program for NIfTI files would convert it: rows the other way round, in floating point."""
    image, *_ = read(choose(folder, role="FLAIR", series=None), role="FLAIR")
    path = folder.parent / "flair.nii.gz"
    sitk.WriteImage(sitk.Flip(image, (False, True, False)), str(path))
    return path


def test_a_file_made_from_the_series_is_referred_to_it(tmp_path):
    these = made(tmp_path / "source", "classic", oblique((9, 7, 6)))
    source = source_of_flair(nifti_of(tmp_path / "source"), reference=tmp_path / "source")
    flipped = sitk.Flip(these.labels, (False, True, False))
    write_dicom(source, flipped, [finding(1), finding(3)], ALGORITHM, tmp_path)
    assert same_voxels(tmp_path, labels_on(these.grid), (1, 3))


def test_a_file_without_a_reference_is_refused(tmp_path):
    made(tmp_path / "source", "classic", oblique((9, 7, 6)))
    with pytest.raises(InputError, match="is not DICOM") as caught:
        source_of_flair(nifti_of(tmp_path / "source"))
    assert caught.value.see == ("dicom_reference", "dicom")


def test_a_reference_on_another_grid_or_of_other_images_is_refused(tmp_path):
    study, grid = MadeStudy(), oblique((9, 7, 6))
    made(tmp_path / "source", "classic", grid, study=study)
    path = nifti_of(tmp_path / "source")
    shifted = replace(grid, origin=(-12.0, 45.6, 7.8))
    made(tmp_path / "shifted", "classic", shifted, study=study)
    with pytest.raises(InputError, match="do not have the same voxels"):
        source_of_flair(path, reference=tmp_path / "shifted")
    noise = np.random.default_rng(7).integers(0, 1000, grid.shape).astype(np.int16)
    classic_series(tmp_path / "t1", grid.image(noise), kind="T1", study=study)
    with pytest.raises(InputError, match="show different images"):
        source_of_flair(path, reference=tmp_path / "t1")
    with pytest.raises(InputError, match="does not exist"):
        source_of_flair(path, reference=tmp_path / "nowhere")


def test_a_reference_of_another_patient_than_the_t1_is_refused(tmp_path):
    grid = oblique((9, 7, 6))
    made(tmp_path / "source", "classic", grid, study=MadeStudy())
    path = nifti_of(tmp_path / "source")
    for name, patient in (("same", "ANON-1"), ("other", "ANON-2")):
        study = MadeStudy(patient_id=patient)
        classic_series(tmp_path / name, flair_on(grid), kind="T1", study=study)
    source_of_flair(path, reference=tmp_path / "source", t1=tmp_path / "same")
    with pytest.raises(InputError, match=r"are of different patients.*ANON-1.*ANON-2"):
        source_of_flair(path, reference=tmp_path / "source", t1=tmp_path / "other")


def test_labels_that_lie_elsewhere_are_refused(tmp_path):
    these = made(tmp_path / "source", "enhanced", oblique())
    source = dicom_source(these.files)
    elsewhere = {"origin": (-12.3, 46.6, 7.8)}, {"size": (9, 8, 5)}, {"turns": (0.3, -0.2, 0.6)}
    for other in (oblique(**changes) for changes in elsewhere):
        with pytest.raises(InputError, match=r"The FLAIR and the DICOM series.*do not have the same voxels"):
            write_dicom(source, labels_on(other), these.findings, ALGORITHM, tmp_path)
    assert flair_on(these.grid).GetSize() == these.grid.size
    assert not (tmp_path / REPORT).exists()


def test_a_missing_package_is_said_in_plain_words(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(InputError, match="need the Python package highdicom, which is not installed"):
        dicom_source([tmp_path / "any"])
