"""A folder of studies as a worklist: what is found, one after another, after a kill, and the table of the reviews."""

from __future__ import annotations

import bz2
import csv
import errno
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.bids.selection import CohortScan
from AnomalyDetectionLib.cohort.cohort_settings import CohortSettings
from AnomalyDetectionLib.cohort.dataset import Dataset
from AnomalyDetectionLib.cohort.studies import studies_in
from AnomalyDetectionLib.cohort.worklist_run import list_studies, run_worklist
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.reading import read_volume
from AnomalyDetectionLib.reporting.result_folder import find_image, open_folder
from AnomalyDetectionLib.reporting.worklist_file import (
    FILE,
    Worklist,
    WorklistEntry,
    read_worklist,
    review_file,
    reviewed,
    write_reviews,
    write_worklist,
)
from cohort.made_cohort import GRID, add_subject, cut_off, quiet, small_model, wait_for
from conftest import run_command
from made_dicom import MadeStudy, classic_series
from synthetic_head import SyntheticHead


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("model") / "random.safetensors")


def write_study(folder, t1="T1.nii.gz", flair="FLAIR.nii.gz"):
    study = SyntheticHead().study(GRID, GRID)
    folder.mkdir(parents=True)
    sitk.WriteImage(study.t1.image, str(folder / t1))
    sitk.WriteImage(study.flair.image, str(folder / flair))


def found_in(source):
    return dict(studies_in(source))


def test_a_folder_for_each_study_is_found_by_the_names_of_its_files(tmp_path):
    write_study(tmp_path / "Müller, Anna", "sag_t1_mprage.nii.gz", "t2_space_FLAIR.nii.gz")
    write_study(tmp_path / "B2" / "anat", "T1w.nrrd", "flair.nrrd")
    (tmp_path / "B2" / "anat" / "T1_post_gd.nii.gz").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not a study")
    found = found_in(tmp_path)
    assert list(found) == ["B2", "Müller, Anna"]
    assert found["B2"].name == "sub-B2"
    assert found["B2"].t1.name == "T1w.nrrd"
    assert found["Müller, Anna"].flair.name == "t2_space_FLAIR.nii.gz"
    assert found["Müller, Anna"].name.startswith("sub-MllerAnna")


@pytest.mark.parametrize(
    ("written", "ending"),
    [("img", "hdr"), ("nii", "nii.bz2"), ("nrrd", "nrrd"), ("nhdr", "nhdr"), ("mha", "mha"), ("mhd", "mhd")],
)  # fmt: skip
def test_a_study_may_have_every_format_that_detect_reads(written, ending, tmp_path):
    names = {kind: f"{kind}.{ending}" for kind in ("T1", "FLAIR")}
    write_study(tmp_path / "patient", *(f"{kind}.{written}" for kind in names))
    for kind, name in names.items():
        if ending == "nii.bz2":
            plain = tmp_path / "patient" / f"{kind}.nii"
            (tmp_path / "patient" / name).write_bytes(bz2.compress(plain.read_bytes()))
            plain.unlink()
    scan = found_in(tmp_path)["patient"]
    assert (scan.t1.name, scan.flair.name) == tuple(names.values())
    assert read_volume(scan.t1, role="T1").image.GetSize() == GRID.size


@pytest.mark.parametrize("closed", ["b", "b/flair", "b/flair/file", "beside.bin"])
def test_what_cannot_be_read_spoils_its_study_only_and_is_said(tmp_path, monkeypatch, closed):
    head = SyntheticHead().study(GRID, GRID)
    for name in ("a", "b"):
        study = MadeStudy()
        classic_series(tmp_path / name / "t1", head.t1.image, kind="T1", study=study)
        files = classic_series(tmp_path / name / "flair", head.flair.image, study=study)
    (tmp_path / "beside.bin").write_bytes(b"of the drive")
    closed = files[3] if closed.endswith("file") else tmp_path / closed
    scan, opened = os.scandir, Path.open

    def deny(path, of, *rest):
        if closed in (Path(path), *Path(path).parents):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return of(path, *rest)

    monkeypatch.setattr("os.scandir", lambda path=".": deny(path, scan))
    monkeypatch.setattr(Path, "open", lambda path, *rest, **more: deny(path, partial(opened, **more), *rest))
    found = found_in(tmp_path)
    assert list(found) == ["a", "b"]
    assert found["a"].t1 == tmp_path / "a" / "t1"
    if closed.name == "beside.bin":
        assert found["b"].t1 == tmp_path / "b" / "t1"
    else:
        assert str(closed) in found["b"].reason
        assert "read" in found["b"].reason


def test_a_folder_that_can_be_listed_but_not_entered_is_said(tmp_path, monkeypatch):
    write_study(tmp_path / "a")
    closed = tmp_path / "b" / "flair"
    classic_series(closed, SyntheticHead().study(GRID, GRID).flair.image)
    access = os.access
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != closed and access(path, mode))
    assert str(closed) in found_in(tmp_path)["b"].reason


def test_studies_whose_content_was_not_fetched_are_said(tmp_path):
    for name in ("files/T1.nii.gz", "files/FLAIR.nii.gz", "dicom/IM1.dcm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(tmp_path / ".git" / "annex" / "absent")
    found = found_in(tmp_path)
    assert found["files"].t1.name == "T1.nii.gz"
    assert "fetch it first" in found["dicom"].reason
    with pytest.raises(InputError, match="fetch it first"):
        read_volume(found["files"].t1, role="T1")


def test_names_that_differ_only_in_signs_are_two_studies_the_same_every_time(tmp_path):
    for name in ("a_b", "a-b", "ab", "AB"):
        write_study(tmp_path / name)
    names = {study: scan.name for study, scan in found_in(tmp_path).items()}
    assert len({name.lower() for name in names.values()}) == 4
    assert names == {study: scan.name for study, scan in found_in(tmp_path).items()}


def test_a_long_name_of_a_study_leaves_room_for_the_names_of_its_files(tmp_path):
    for end in "ab":
        write_study(tmp_path / (240 * "n" + end))
    names = {scan.name for scan in found_in(tmp_path).values()}
    assert len(names) == 2
    assert max(map(len, names)) < 255 - 100


def test_dicom_studies_are_found_by_what_their_headers_say(tmp_path):
    head = SyntheticHead().study(GRID, GRID)
    study = MadeStudy()
    folder = tmp_path / "DICOM" / "patient"
    classic_series(folder / "a", head.t1.image, kind="T1", study=study, number=3)
    classic_series(folder / "b", head.flair.image, kind="FLAIR", study=study, number=4)
    scan = found_in(tmp_path / "DICOM")["patient"]
    assert (scan.t1, scan.flair) == (folder / "a", folder / "b")
    assert scan.flair_series
    listed = tmp_path / "studies.json"
    listed.write_text(json.dumps([{"name": "Doe, Jane", "folder": str(folder), "study_uid": ""}]))
    assert found_in(listed)["Doe, Jane"].flair == folder / "b"


def test_the_folder_of_one_study_may_have_a_folder_for_each_series(tmp_path):
    head, study = SyntheticHead().study(GRID, GRID), MadeStudy()
    classic_series(tmp_path / "p" / "SE1", head.t1.image, kind="T1", study=study, number=2)
    assert len(found_in(tmp_path / "p")) == 1
    assert "no series that is certainly a FLAIR" in found_in(tmp_path / "p")["SE1"].reason
    classic_series(tmp_path / "p" / "SE2", head.flair.image, kind="FLAIR", study=study)
    ((name, scan),) = studies_in(tmp_path / "p")
    assert (name, scan.t1.name, scan.flair.name) == ("p", "SE1", "SE2")


def test_a_study_that_is_added_takes_no_result_of_another_patient(tmp_path):
    head = SyntheticHead().study(GRID, GRID)
    names = []
    for number in ("2", "3", "1"):  # the last comes first by its UID
        study = MadeStudy(patient_id=f"P{number}", patient_name="Anonymous", uid=f"1.2.{number}")
        for place, (image, kind) in enumerate(((head.t1.image, "T1"), (head.flair.image, "FLAIR"))):
            classic_series(
                tmp_path / "disc" / f"{number}{place}", image, kind=kind, study=study, number=place
            )
        names.append({scan.t1.name[0]: (name, scan.name) for name, scan in studies_in(tmp_path)})
    two, three = names[1], names[2]
    assert {number: three[number] for number in two} == two
    assert [name for name, _ in three.values()] == [f"disc P{number} 20240131" for number in "123"]
    assert len({scan for _, scan in three.values()}) == 3


def test_series_and_images_in_linked_folders_are_found(tmp_path):
    head, study = SyntheticHead().study(GRID, GRID), MadeStudy()
    studies, store = tmp_path / "studies", tmp_path / "store"
    classic_series(store / "t1", head.t1.image, kind="T1", study=study, number=3)
    classic_series(studies / "dicom" / "flair", head.flair.image, kind="FLAIR", study=study, number=4)
    write_study(store / "nifti")
    (studies / "files").mkdir()
    links = {"dicom/t1": "t1", "files/anat": "nifti", "files/anat/again": ".", "dicom/everything": ".."}
    for link, target in links.items():
        (studies / link).symlink_to(store / target, target_is_directory=True)
    found = found_in(studies)
    assert found["dicom"].t1 == studies / "dicom" / "t1"
    assert found["files"].t1 == studies / "files" / "anat" / "T1.nii.gz"


def test_a_dicom_series_that_is_spread_over_folders_is_taken_whole(tmp_path):
    head = SyntheticHead().study(GRID, GRID)
    study, folder = MadeStudy(), tmp_path / "DICOM" / "patient"
    classic_series(folder / "a", head.t1.image, kind="T1", study=study, number=3)
    files = classic_series(folder / "b", head.flair.image, kind="FLAIR", study=study, number=4)
    (folder / "c").mkdir()
    for file in files[len(files) // 2 :]:
        file.rename(folder / "c" / file.name)
    scan = found_in(tmp_path / "DICOM")["patient"]
    read = read_volume(scan.flair, role="FLAIR", series=scan.flair_series)
    assert read.image.GetSize() == head.flair.image.GetSize()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (["T1.nii.gz"], "no file is called FLAIR"),
        (["T1.nii.gz", "FLAIR.nii.gz", "flair_2.nii.gz"], "several files could be the FLAIR"),
    ],
)
def test_a_study_that_is_not_clear_is_there_with_the_reason(tmp_path, files, reason):
    (tmp_path / "one").mkdir()
    for name in files:
        (tmp_path / "one" / name).write_bytes(b"")
    listed, scans = list_studies(tmp_path, tmp_path / "out", quiet)
    assert scans == {}
    assert (listed.entries[0].state, reason in listed.entries[0].reason) == ("failed", True)


@pytest.mark.parametrize(
    ("files", "studies"),
    [
        ("v1/T1 v1/FLAIR v2/T1 v2/FLAIR", {"p v1": "v1/T1 v1/FLAIR", "p v2": "v2/T1 v2/FLAIR"}),
        ("x/v1/anat/T1 x/v1/anat/FLAIR x/v1/swi/SWI", {"p": "x/v1/anat/T1 x/v1/anat/FLAIR"}),
        ("v1/T1 v1/FLAIR v2/FLAIR", {"p v1": "v1/T1 v1/FLAIR", "p v2": "no file is called T1"}),
        ("T1 FLAIR reg/FLAIR_to_T1", {"p": "T1 FLAIR"}),
        ("T1 FLAIR 2019/T1 2019/FLAIR", {"p": "T1 FLAIR", "p 2019": "2019/T1 2019/FLAIR"}),
        ("v1/T1 v2/FLAIR", {"p": "of two visits: put the T1 and the FLAIR of one visit into one folder"}),
        ("T1/v1/FLAIR T1/v1/T2 T2/v2/T1", {"p": "may be of two visits"}),
        ("3_t1/T1 9/FLAIR", {"p": "3_t1/T1 9/FLAIR"}),
        ("T1 9/FLAIR", {"p": "T1 9/FLAIR"}),
    ],
)
def test_no_t1_of_one_visit_meets_the_flair_of_another(tmp_path, files, studies):
    for name in files.split():
        path = tmp_path / "all" / "p" / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = found_in(tmp_path / "all")
    assert list(found) == list(studies)
    for name, expected in studies.items():
        if isinstance(scan := found[name], CohortScan):
            pair = (path.relative_to(tmp_path / "all" / "p") for path in (scan.t1, scan.flair))
            assert " ".join(map(str, pair)).replace(".nii.gz", "") == expected
        else:
            assert expected in scan.reason


@pytest.mark.parametrize("beside", ["lesion_seg.nii.gz", "FLAIR.nii.gz", "results/anomaly_score.nii.gz"])
def test_image_files_that_are_no_pair_do_not_hide_the_dicom_images_of_a_study(tmp_path, beside):
    head, study = SyntheticHead().study(GRID, GRID), MadeStudy()
    classic_series(tmp_path / "p" / "dicom" / "a", head.t1.image, kind="T1", study=study, number=2)
    classic_series(tmp_path / "p" / "dicom" / "b", head.flair.image, kind="FLAIR", study=study)
    (tmp_path / "p" / beside).parent.mkdir(exist_ok=True)
    (tmp_path / "p" / beside).touch()
    scan = found_in(tmp_path)["p"]
    assert (scan.t1.name, scan.flair.name) == ("a", "b")


def test_a_study_that_is_still_packed_is_not_passed_over(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "study.ZIP").write_bytes(b"PK\x03\x04" + bytes(300))
    packed = tmp_path / "p" / "study.ZIP"
    assert f"holds an archive ({packed}): unpack it" in found_in(tmp_path)["p"].reason
    assert f"{packed} has to be unpacked" in found_in(tmp_path / "p")["study.ZIP"].reason


def test_a_link_that_may_not_be_followed_spoils_its_study_only_and_is_said(tmp_path, monkeypatch):
    write_study(tmp_path / "b")
    for name in ("a", "c.1"):
        (tmp_path / name).symlink_to(tmp_path / "elsewhere" / "patient")
    stat = os.stat

    def deny(path, *rest, **more):
        if not isinstance(path, int) and Path(path) == tmp_path / "c.1" and more.get("follow_symlinks", True):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, *rest, **more)

    monkeypatch.setattr("os.stat", deny)
    found = found_in(tmp_path)
    assert list(found) == ["a", "b", "c.1"]
    assert found["a"].reason.startswith(f"The study {tmp_path / 'a'} is a link to what is not here")
    assert found["b"].t1.parent == tmp_path / "b"
    assert found["c.1"].reason.startswith(f"The study {tmp_path / 'c.1'} cannot be read (Permission denied)")


def test_archives_that_lie_beside_other_studies_are_said_unless_they_are_unpacked(tmp_path):
    for name in ("b", "c"):
        write_study(tmp_path / name)
    for name in ("a.zip", "c.tar.gz", "d.tar"):
        (tmp_path / name).write_bytes(b"PK\x03\x04" + bytes(300))
    found = found_in(tmp_path)
    assert list(found) == ["a.zip", "b", "c", "d.tar"]
    for name in ("a.zip", "d.tar"):
        assert found[name].reason.startswith(f"The study {tmp_path / name} has to be unpacked")


def test_of_several_images_in_bids_what_is_advised_can_be_done(tmp_path):
    for name in ("T1w", "rec-norm_T1w", "FLAIR"):
        path = tmp_path / "sub-1" / "anat" / f"sub-1_{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    reason = found_in(tmp_path)["sub-1"].reason
    assert reason.endswith(
        "keep one, or begin the results with `anomaly-detection bids` and its --bids-filter-file or --runs"
    )


def test_a_folder_without_studies_is_said(tmp_path):
    with pytest.raises(InputError, match="holds no study"):
        list_studies(tmp_path, tmp_path / "out", quiet)


RECORD_OF_ONE = "sub-one/anat/sub-one_space-FLAIR_desc-anomaly_dseg.json"


@pytest.fixture(scope="module")
def analysed(tmp_path_factory, model):
    """Two studies, one of them broken, by the command; and what the list said on the way."""
    source = tmp_path_factory.mktemp("worklist") / "studies"
    for name in ("one", "two"):
        write_study(source / name)
    cut_off(source / "two" / "FLAIR.nii.gz")
    results = source / "anomaly-detection"
    arguments = ["worklist", source, results, "--model", model, "--device", "cpu", "--progress", "json"]
    return run_command(*arguments, output=results), source, results


def test_the_studies_are_analysed_and_a_broken_one_has_its_reason(analysed):
    run, _, results = analysed
    assert run.code == 3, run.stderr
    entries = {entry.name: entry for entry in read_worklist(results).entries}
    assert {name: entry.state for name, entry in entries.items()} == {"one": "done", "two": "failed"}
    assert "damaged" in entries["two"].reason
    record = json.loads((results / RECORD_OF_ONE).read_text("utf-8"))
    assert entries["one"].findings == record["count"]


def test_a_result_of_the_list_opens_with_its_images(analysed):
    _, source, results = analysed
    opened = open_folder(results / "sub-one")
    assert find_image(opened, "flair").path == source / "one" / "FLAIR.nii.gz"
    assert opened.score_map is not None
    assert review_file(results, read_worklist(results).entries[0]) == opened.review


def test_it_goes_on_where_it_was_and_does_nothing_twice(analysed, model):
    _, source, results = analysed
    record = results / RECORD_OF_ONE
    before = record.stat().st_mtime_ns
    killed = WorklistEntry("one", "sub-one", "sub-one", state="running")
    write_worklist(Worklist((killed,)), results)
    run_worklist(source, results, quiet, model=str(model), device="cpu")
    assert record.stat().st_mtime_ns == before
    assert [entry.state for entry in read_worklist(results).entries] == ["done", "failed"]


def test_what_was_made_is_known_from_the_results_alone(analysed):
    _, source, results = analysed
    (results / FILE).unlink()
    listed, _ = list_studies(source, results, quiet)
    assert [(entry.name, entry.state) for entry in listed.entries] == [("one", "done"), ("two", "failed")]
    assert read_worklist(results) == listed


def test_a_review_outlives_a_scan_that_is_analysed_anew(tmp_path):
    dataset = Dataset.begin(tmp_path / "results", tmp_path / "source", CohortSettings())
    scan = CohortScan("sub-one", "", tmp_path / "T1.nii.gz", tmp_path / "FLAIR.nii.gz")
    for run in ("first", "second"):
        working = dataset.work / run
        (working / "anat").mkdir(parents=True)
        (working / "anat" / "result.txt").write_text(run)
        dataset.publish(working, scan)
        if run == "first":
            (dataset.place(scan) / "sub-one_review.json").write_text("the reader's")
    assert (dataset.place(scan) / "anat" / "result.txt").read_text() == "second"
    assert (dataset.place(scan) / "sub-one_review.json").read_text() == "the reader's"


def test_what_is_put_beside_the_images_of_a_dicom_study_does_not_make_its_result_old(tmp_path):
    head, study = SyntheticHead().study(GRID, GRID), MadeStudy()
    files = classic_series(tmp_path / "p", head.t1.image, kind="T1", study=study, number=2)
    classic_series(tmp_path / "p", head.flair.image, kind="FLAIR", study=study)
    dataset = Dataset.begin(tmp_path / "results", tmp_path, CohortSettings())
    scan = found_in(tmp_path)["p"]
    inputs = dataset.inputs(scan)
    for role, folder, uid in (("t1", scan.t1, scan.t1_series), ("flair", scan.flair, scan.flair_series)):
        inputs[role]["sha256"] = read_volume(folder, role=role, series=uid).sha256
    dataset.record(scan).parent.mkdir(parents=True)
    cohort = {"inputs": inputs, "settings": dataset.settings.fingerprint}
    dataset.record(scan).write_text(json.dumps({"cohort": cohort}), "utf-8")
    assert dataset.is_finished(scan)
    (tmp_path / "p" / "results").mkdir()
    (tmp_path / "p" / "Thumbs.db").touch()
    os.utime(tmp_path / "p", (1, 1))
    assert dataset.is_finished(scan)
    shutil.copytree(tmp_path / "p", tmp_path / "copy")
    shutil.rmtree(tmp_path / "p")
    (tmp_path / "copy").rename(tmp_path / "p")
    assert dataset.is_finished(scan)
    files[0].unlink()
    assert not dataset.is_finished(scan)


@pytest.mark.slow  # a killed run of several scans that goes on stays in the quick run (test_participants)
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_after_a_kill_the_same_command_goes_on(tmp_path, model):
    source, results = tmp_path / "bids", tmp_path / "out"
    for subject in ("sub-01", "sub-02"):
        add_subject(source, subject)
    command = [sys.executable, "-m", "AnomalyDetectionLib", "worklist", str(source), str(results)]
    command += ["--model", str(model), "--device", "cpu", "--progress", "json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: any(e.state == "running" for e in (read_worklist(results) or Worklist()).entries), 120)
    process.kill()
    process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [entry.state for entry in read_worklist(results).entries] == ["done", "done"]


def test_the_table_of_all_reviews_has_a_row_a_finding_and_one_for_what_has_none(tmp_path):
    done = [
        WorklistEntry(name, f"sub-{name}", f"sub-{name}", state="done", findings=count)
        for name, count in (("one", 2), ("two", 1), ("four", 0))
    ]
    failed = WorklistEntry("three", "sub-three", "sub-three", state="failed", reason="no FLAIR")
    entries = (*done[:2], failed, done[2])
    for name, content, table in (
        ("one", {"reviewed": 1, "findings": 2}, "number,category,note\n1,bone,é\n2,unreviewed,\n"),
        ("four", {"reviewed": 0, "findings": 0}, "number,category,note\n"),
    ):
        folder = tmp_path / f"sub-{name}"
        folder.mkdir()
        (folder / f"sub-{name}_review.json").write_text(json.dumps(content))
        (folder / f"sub-{name}_review.csv").write_text(table, encoding="utf-8-sig")
    write_reviews(Worklist(entries, True), tmp_path, tmp_path / "all.csv")
    rows = list(csv.DictReader((tmp_path / "all.csv").open(encoding="utf-8-sig", newline="")))
    assert [(row["study"], row["status"], row["number"], row["category"], row["note"]) for row in rows] == [
        ("one", "partly reviewed", "1", "bone", "é"),
        ("one", "partly reviewed", "2", "unreviewed", ""),
        ("two", "not reviewed", "", "", ""),
        ("three", "failed", "", "", ""),
        ("four", "reviewed", "", "", ""),
    ]
    assert rows[3]["reason"] == "no FLAIR"
    assert reviewed(tmp_path, entries[1]) is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"format": "AnomalyDetection worklist", "version": 1, "entries": [{}], "complete": 1}'],
)
def test_a_damaged_list_is_none(tmp_path, text):
    (tmp_path / ".work").mkdir()
    (tmp_path / FILE).write_text(text)
    assert read_worklist(tmp_path) is None


def test_two_programs_can_write_one_list_at_a_time(tmp_path):
    """Such as Detect all in two Slicers: each study is analysed by one of them, and both write the list."""
    code = f"""
from pathlib import Path
from AnomalyDetectionLib.reporting.worklist_file import Worklist, WorklistEntry, write_worklist
for number in range(200):
    write_worklist(Worklist((WorklistEntry("a", "sub-01", "sub-01"),) * 20), Path({str(tmp_path)!r}))
"""
    path = os.pathsep.join(sys.path)
    writers = [
        subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path})
        for _program in range(2)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(read_worklist(tmp_path).entries) == 20


def test_a_list_does_not_lead_out_of_its_folder(tmp_path):
    write_worklist(Worklist((WorklistEntry("x", "sub-x", "../../etc"),), True), tmp_path)
    assert read_worklist(tmp_path) is None
