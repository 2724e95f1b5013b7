"""A result compared with an earlier one: by the engine as a process, kept with the scene, the earlier scan beside it."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer.util
from AnomalyDetectionLib.dicom.identity import Identity
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.reporting.result_comparison import compare_folders
from AnomalyDetectionLib.reporting.result_folder import find_image, open_folder, read_image
from AnomalyDetectionLib.scene.comparison_job import ComparisonJob, write_for_comparison
from AnomalyDetectionLib.scene.comparison_nodes import (
    change_of,
    comparison_of,
    earlier_of,
    is_of_these_settings,
    keep_comparison,
    place_earlier,
)
from AnomalyDetectionLib.scene.hierarchy import place_under_patient
from AnomalyDetectionLib.scene.opened_folder import close_result, open_result
from AnomalyDetectionLib.scene.result import rederive, results_in
from AnomalyDetectionLib.scene.three_d import show_in_3d
from AnomalyDetectionLib.scene.volumes import ijk_to_ras, image_of
from conftest import run_command
from made_dicom import MadeStudy
from made_result_folder import FLAIR_GRID, SCORES, result_folder, with_dicom_images
from result_in_scene import a_result, add_study, saved_and_opened, stored_scores
from synthetic_study import ellipsoid, rotated

LATER = {**SCORES, (4, 6, 6): 6.0, (4, 6, 7): 6.0}
del LATER[(6, 12, 14)], LATER[(6, 13, 14)]
"""Without the faint pair, and with another one elsewhere."""

DEGREES = 6.0


def head(grid: Grid, degrees: float = 0.0, seed: int = 1) -> sitk.Image:
    """A brain with folds that a registration can hold on to, in the place of the synthetic study's."""
    points = rotated(grid, -degrees).points(np.argwhere(np.ones(grid.shape, bool))[:, ::-1])
    rng = np.random.default_rng(0)
    folds = np.zeros(len(points))
    for _ in range(14):
        wave = rng.normal(size=3)
        wave *= 2 * np.pi / (rng.uniform(10, 28) * np.linalg.norm(wave))
        folds += np.sin(points @ wave + rng.uniform(0, 6))
    values = 200 + 30 * folds + np.random.default_rng(seed).normal(0, 4, len(points))
    inside = ellipsoid(grid, degrees)
    return grid.image(np.where(inside, np.abs(values.reshape(grid.shape)), 0).astype(np.float32))


def two_results(place: Path) -> tuple[Path, Path]:
    """Folders of two results of one head, which lay otherwise in the scanner the first time."""
    grid = rotated(FLAIR_GRID, DEGREES)
    earlier = {"t1": head(grid, DEGREES, 3), "flair": head(grid, DEGREES, 4)}
    later = {"t1": head(FLAIR_GRID, 0, 5), "flair": head(FLAIR_GRID, 0, 6)}
    # The scores of the earlier study stand in the same place of the turned head.
    return (
        result_folder(place / "2021" / "before", SCORES, images=earlier, degrees=DEGREES),
        result_folder(place / "2024" / "now", LATER, images=later),
    )


@pytest.fixture(scope="module")
def earlier_and_later(tmp_path_factory):
    return two_results(tmp_path_factory.mktemp("two scans"))


def opened_in(made, folder):
    opened = open_folder(folder)
    images = {role: find_image(opened, role) for role in ("t1", "flair")}
    return open_result(made.scene, made.logics, opened, images).result


def statuses(comparison):
    return [(change.later, change.earlier, change.status) for change in comparison.changes]


EXPECTED = [((1,), (1,), "known"), ((2,), (), "new"), ((3,), (2,), "known"), ((), (3,), "gone")]


@pytest.fixture(scope="module")
def compared(earlier_and_later):
    return compare_folders(*earlier_and_later)


def test_findings_of_a_head_that_lay_otherwise_are_found_again(compared):
    assert statuses(compared) == EXPECTED
    truth = np.deg2rad(DEGREES)
    matrix = np.reshape(compared.to_earlier, (4, 4))
    assert np.arctan2(matrix[1, 0], matrix[0, 0]) == pytest.approx(truth, abs=np.deg2rad(1))
    points = FLAIR_GRID.points(np.argwhere(ellipsoid(FLAIR_GRID))[::500, ::-1])
    turn = np.array([[np.cos(truth), -np.sin(truth), 0], [np.sin(truth), np.cos(truth), 0], [0, 0, 1]])
    off = points @ matrix[:3, :3].T + matrix[:3, 3] - points @ turn.T
    assert np.linalg.norm(off, axis=1).mean() < 1.0


def test_the_engine_compares_a_result_of_the_scene_with_a_folder(a_slicer_scene, earlier_and_later, tmp_path):
    result = opened_in(a_slicer_scene, earlier_and_later[1])
    before = a_slicer_scene.scene.GetNumberOfNodes()
    job = ComparisonJob(result, earlier_and_later[0], python=[sys.executable], temporary=tmp_path)
    job.wait()
    assert job.state == "done", job.log
    found = job.finish()
    assert statuses(found) == EXPECTED
    assert a_slicer_scene.scene.GetNumberOfNodes() == before
    assert list(tmp_path.iterdir()) == []
    keep_comparison(result, found, "2021")
    again = saved_and_opened(a_slicer_scene.scene, tmp_path)
    kept, name = comparison_of(results_in(again.scene)[0])
    assert (kept, name) == (found, "2021")


def test_two_results_of_one_scene_are_compared_as_they_are_now(a_slicer_scene, earlier_and_later, tmp_path):
    scene, logics = a_slicer_scene.scene, a_slicer_scene.logics
    earlier, later = (opened_in(a_slicer_scene, folder) for folder in earlier_and_later)
    later.segmentation.GetSegmentation().RemoveSegment("Segment_2")  # the reader's hand
    rederive(scene, logics, earlier, threshold=4.5, min_patches=1)
    for result, name in ((earlier, "earlier"), (later, "later")):
        write_for_comparison(result, tmp_path / name)
    found = compare_folders(tmp_path / "earlier", tmp_path / "later")
    assert {change.later for change in found.changes} == {(1,), (3,)}
    assert any("threshold" in remark for remark in found.remarks)


def test_the_earlier_scan_lies_on_the_later_ones_tissue(a_slicer_scene, earlier_and_later, compared):
    scene = a_slicer_scene.scene
    result = opened_in(a_slicer_scene, earlier_and_later[1])
    opened = open_folder(earlier_and_later[0])
    image = read_image(find_image(opened, "flair"), "flair")
    before = ijk_to_ras(result.flair)
    node = place_earlier(scene, result, image, dataclasses.replace(compared, dates=("2021-04-07", "")))
    np.testing.assert_array_equal(ijk_to_ras(result.flair), before)
    assert earlier_of(result) is node
    assert node.GetName().startswith("Earlier FLAIR 2021-04-07")
    display = node.GetScalarVolumeDisplayNode()
    brain = sitk.GetArrayFromImage(image)[sitk.GetArrayFromImage(image) > 100]
    assert not display.GetAutoWindowLevel()
    # At its edge the two heads differ a little
    assert 0 <= display.GetWindowLevelMin() < np.percentile(brain, 2)
    assert display.GetWindowLevelMax() == pytest.approx(np.percentile(brain, 99.8), rel=0.1)
    flair = read_image(find_image(open_folder(earlier_and_later[1]), "flair"), "flair")
    onto = sitk.Resample(sitk.Cast(image_of(node), sitk.sitkFloat32), flair)
    inside = ellipsoid(FLAIR_GRID)
    there = slicer.util.arrayFromVolume(result.flair)[inside].astype(float)
    assert np.corrcoef(sitk.GetArrayFromImage(onto)[inside], there)[0, 1] > 0.8
    close_result(scene, result)
    assert node.GetScene() is None


def test_a_finding_that_came_after_the_comparison_has_no_change(a_slicer_scene, earlier_and_later, compared):
    result = opened_in(a_slicer_scene, earlier_and_later[1])
    assert is_of_these_settings(result, compared)
    assert change_of(compared, 2).status == "new"
    assert change_of(compared, 77) is None
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=5.5, min_patches=1)
    assert not is_of_these_settings(result, compared)


@pytest.mark.parametrize("degrees", [0.0, 10.0])
def test_a_comparison_is_not_said_of_the_findings_of_a_later_run(
    degrees, a_slicer_scene, earlier_and_later, compared
):
    """Nor is the earlier scan shown beside it, nor, on another grid, what else was made to show the result."""
    scene, grid = a_slicer_scene.scene, rotated(FLAIR_GRID, degrees)
    result = opened_in(a_slicer_scene, earlier_and_later[1])
    image = read_image(find_image(open_folder(earlier_and_later[0]), "flair"), "flair")
    earlier = place_earlier(scene, result, image, compared)
    surface = show_in_3d(scene, result)
    keep_comparison(result, compared, "before")
    t1, flair = (result.t1, result.flair) if degrees == 0 else add_study(scene, grid)
    stored = stored_scores({(3, 16, 8): 5.0}, flair_grid=grid)
    again = a_result(a_slicer_scene, t1=t1, flair=flair, stored=stored, replace=result)
    assert again.score is result.score
    assert comparison_of(again) is None
    assert earlier_of(again) is None
    assert not scene.IsNodePresent(earlier)
    assert bool(scene.IsNodePresent(surface)) == (degrees == 0)


def test_what_cannot_be_the_same_head_is_refused(a_slicer_scene, earlier_and_later, tmp_path):
    rng = np.random.default_rng(5)
    images = {
        role: FLAIR_GRID.image(rng.uniform(50, 300, FLAIR_GRID.shape).astype(np.float32))
        for role in ("t1", "flair")
    }
    folder = result_folder(tmp_path / "stranger" / "results", images=images)
    with pytest.raises(InputError, match="same head"):
        compare_folders(folder, earlier_and_later[1])


JANE = {"patient_id": "4711", "name": "Doe^Jane", "birth_date": "19500102", "sex": "F"}


def of_somebody(folder: Path, place: Path, **identity: str) -> Path:
    """A copy of a result that says whose it is, as one that was written from a scene does."""
    shutil.copytree(folder, place)
    record = json.loads((place / "findings.json").read_text("utf-8"))
    record["identity"] = identity
    (place / "findings.json").write_text(json.dumps(record), encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("PatientID", {"patient_id": "4712"}),
        ("name", {"name": "Roe^Richard"}),
        ("birth date", {"birth_date": "19500103"}),
        ("sex", {"sex": "M"}),
    ],
)
def test_another_patient_is_refused_in_a_sentence(what, other, earlier_and_later, tmp_path):
    earlier, later = earlier_and_later
    then = of_somebody(earlier, tmp_path / "then", **{**JANE, **other})
    now = of_somebody(later, tmp_path / "now", **JANE)
    with pytest.raises(InputError, match=f"different patients .*{what}"):
        compare_folders(then, now)


def test_the_dates_say_which_of_the_two_is_the_earlier_one(earlier_and_later, tmp_path):
    earlier, later = earlier_and_later
    then = of_somebody(earlier, tmp_path / "then", **JANE, study_date="20240131")
    now = of_somebody(later, tmp_path / "now", patient_id="4711", study_date="20210407")
    found = compare_folders(then, now)
    assert found.dates == ("2024-01-31", "2021-04-07")
    assert "is later than the other" in found.remarks[0]
    assert not any("do not identify the patient" in remark for remark in found.remarks)


def test_two_whose_patient_nobody_knows_are_compared_and_it_is_said(compared):
    assert "do not identify the patient" in compared.remarks[-1]
    assert compared.dates == ("", "")


def test_dicom_images_say_whose_they_are(earlier_and_later, tmp_path):
    folders = []
    for number, (folder, name) in enumerate(zip(earlier_and_later, ("Doe^Jane", "Roe^Jane"), strict=True)):
        place = tmp_path / str(number) / folder.name
        shutil.copytree(folder.parent, place.parent)
        record = json.loads((place / "findings.json").read_text("utf-8"))
        for role, file in (("t1", "T1w"), ("flair", "FLAIR")):
            record["inputs"][role]["path"] = str(place.parent / f"{file}.nii.gz")
        (place / "findings.json").write_text(json.dumps(record), encoding="utf-8")
        folders.append(with_dicom_images(place, place.parent / "DICOM", MadeStudy(patient_name=name)))
    with pytest.raises(InputError, match=r"different patients \(name 'Doe\^Jane' and 'Roe\^Jane'\)"):
        compare_folders(*folders)


def test_a_result_of_the_scene_is_compared_as_its_patients(a_slicer_scene, earlier_and_later, tmp_path):
    result = opened_in(a_slicer_scene, earlier_and_later[1])
    place_under_patient(a_slicer_scene.scene, [result.flair], Identity(**JANE, study_date="20240131"))
    write_for_comparison(result, tmp_path / "now")
    then = of_somebody(earlier_and_later[0], tmp_path / "then", **{**JANE, "patient_id": "4712"})
    with pytest.raises(InputError, match="PatientID '4712' and '4711'"):
        compare_folders(then, tmp_path / "now")


def test_a_model_that_is_another_is_said(earlier_and_later, tmp_path):
    other = result_folder(
        tmp_path / "x" / "results",
        images={"t1": head(FLAIR_GRID, 0, 7), "flair": head(FLAIR_GRID, 0, 8)},
        model="context",
    )
    assert "different models" in compare_folders(other, earlier_and_later[1]).remarks[0]


def test_a_comparison_that_is_cancelled_leaves_nothing(a_slicer_scene, earlier_and_later, tmp_path):
    result = opened_in(a_slicer_scene, earlier_and_later[1])
    waiting = [sys.executable, "-c", "import time; time.sleep(600)"]
    job = ComparisonJob(result, earlier_and_later[0], python=waiting, temporary=tmp_path)
    assert job.state == "running"
    job.cancel()
    assert job.state == "cancelled"
    assert list(Path(tmp_path).iterdir()) == []


def test_the_command_writes_a_table(earlier_and_later, compared, tmp_path):
    earlier, later = earlier_and_later
    table = tmp_path / "changes.csv"
    run = run_command("compare", "--earlier", earlier, "--later", later, "--output", table, output=tmp_path)
    assert run.code == 0, run.stderr
    assert "1 new, 2 known, 1 gone" in run.stdout
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["later"], row["earlier"], row["status"]) for row in rows] == [
        ("1", "1", "known"),
        ("2", "", "new"),
        ("3", "2", "known"),
        ("", "3", "gone"),
    ]
    assert float(rows[0]["later_ml"]) == pytest.approx(compared.changes[0].later_ml, abs=1e-3)
    wrong = run_command(
        "compare", "--earlier", earlier, "--later", later, "--output", tmp_path / "x.txt", output=tmp_path
    )
    assert (wrong.code, "neither a .csv" in wrong.stderr) == (2, True)
