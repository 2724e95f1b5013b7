"""A cohort of simulated subjects on disk: complete, repeatable, and readable as BIDS."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from anomaly_research.evaluation.truth_files import CONFOUNDERS, INFARCT_COLUMNS, read_bids
from anomaly_research.simulation import simulated_cohort as module
from anomaly_research.simulation.simulated_cohort import SimulatedCohortSettings, simulate_cohort
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.atomic_folder import locked_folder
from made_up_host import MadeUpHeads, made_up_host

SETTINGS = SimulatedCohortSettings(subjects=3, lesion_free=1, seed=4, most=2, artefacts=0.5)


def quiet(stage: str, fraction: float, message: str) -> None:
    pass


@pytest.fixture(scope="module")
def host():
    return made_up_host((2.0, 2.0, 4.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, host):
    output = tmp_path_factory.mktemp("cohorts") / "a cohort"
    assert simulate(output, host) == (4, 0)
    return output


def simulate(output, host, report=quiet, **changes):
    """How many subjects were made, and how many were there."""
    return simulate_cohort(output, MadeUpHeads(host), replace(SETTINGS, **changes), report)


def contents(folder):
    """Bytes by path."""
    return {
        path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def about(image):
    """What the file beside an image says."""
    return json.loads(image.with_name(image.name.replace(".nii.gz", ".json")).read_text())


def rows(path):
    with path.open(newline="", encoding="utf-8") as content:
        return list(csv.DictReader(content, delimiter="\t"))


def test_it_is_read_back_as_a_cohort_with_truth(folder):
    scans, problems = read_bids(folder)
    assert problems == ()
    assert [scan.subject for scan in scans] == ["sub-001", "sub-002", "sub-003", "sub-free01"]
    assert [scan.patient for scan in scans] == ["person 0", "person 1", "person 0", "person 0"]
    assert [scan.lesion_free for scan in scans] == [False, False, False, True]
    for scan in scans:
        assert None not in (scan.infarcts, scan.infarct_table, scan.confounders, scan.brain_mask)
        assert scan.participant["anatomy"] == "real"


def test_the_table_of_infarcts_tells_what_the_label_map_holds(folder):
    for scan in read_bids(folder)[0]:
        labels = nibabel.load(scan.infarcts)
        flair = nibabel.load(scan.flair)
        assert labels.get_data_dtype() == np.uint16
        assert labels.shape == flair.shape
        assert np.allclose(labels.affine, flair.affine)
        table = rows(scan.infarct_table)
        array = np.asarray(labels.dataobj)
        assert sorted({*np.unique(array)} - {0}) == [int(row["index"]) for row in table]
        assert len(table) == int(scan.participant["infarcts"])
        assert (len(table) == 0) == scan.lesion_free
        for row in table:
            assert {*INFARCT_COLUMNS, "shape"} == {*row}
            voxels = (array == int(row["index"])).sum() * 2 * 2 * 4 / 1000
            assert voxels == pytest.approx(float(row["voxel_volume_ml"]), abs=1e-4)
        assert np.asarray(nibabel.load(scan.confounders).dataobj).max() in {0, *CONFOUNDERS}


def test_a_lesion_free_real_scan_is_as_it_was_given(folder, host):
    scan = read_bids(folder)[0][-1]
    for path, image in ((scan.t1, host.t1), (scan.flair, host.flair)):
        assert path.read_bytes() == image.scan.to_bytes()
        assert about(path)["Simulated"].startswith("nothing")


def test_every_image_says_that_it_is_simulated(folder):
    for scan in read_bids(folder)[0][:-1]:
        assert "infarcts" in about(scan.t1)["Simulated"]
        assert about(scan.t1)["Seed"] == 4
    assert "simulated" in (folder / "README").read_text()


def test_the_same_seed_gives_the_same_bytes(folder, host, tmp_path):
    simulate(tmp_path / "again", host)
    assert contents(tmp_path / "again") == contents(folder)


def test_a_subject_depends_on_the_seed_and_its_number_alone(folder, host, tmp_path):
    simulate(tmp_path / "two", host, subjects=2, lesion_free=0)
    before = contents(folder)
    images = {path: content for path, content in contents(tmp_path / "two").items() if "sub-" in str(path)}
    assert len(images) == 2 * 10
    assert all(before[path] == content for path, content in images.items())


def test_another_seed_gives_other_infarcts(folder, host, tmp_path):
    simulate(tmp_path / "other", host, subjects=1, lesion_free=0, seed=5)
    first, other = (
        read_bids(place)[0][0].infarct_table.read_bytes() for place in (folder, tmp_path / "other")
    )
    assert first != other


def test_the_same_command_goes_on_where_it_was_left_off(folder, host, tmp_path):
    output, heads = tmp_path / "cohort", MadeUpHeads(host)
    assert simulate_cohort(output, heads, replace(SETTINGS, subjects=1, lesion_free=0), quiet) == (1, 0)
    assert simulate_cohort(output, heads, SETTINGS, quiet) == (3, 1)
    assert simulate_cohort(output, heads, SETTINGS, quiet) == (0, 4)
    assert heads.asked == ["sub-001", "sub-003", "sub-free01", "sub-002"]
    assert contents(output) == contents(folder)


def test_an_error_in_the_middle_leaves_whole_subjects_and_nothing_else(folder, host, tmp_path, monkeypatch):
    output, made = tmp_path / "cohort", []

    def failing(*arguments, **options):
        made.append(module_make(*arguments, **options))
        if len(made) == 2:
            raise OSError(28, "No space left on device", str(output / "x"))
        return made[-1]

    module_make = module.make_subject
    monkeypatch.setattr(module, "make_subject", failing)
    with pytest.raises(OSError, match="No space"):
        simulate(output, host)
    scans, problems = read_bids(output)
    assert problems == ()
    assert [scan.subject for scan in scans] == ["sub-001"]
    assert not [path for path in output.iterdir() if path.name.startswith(".")]
    monkeypatch.undo()
    simulate(output, host)
    assert contents(output) == contents(folder)


class _Lost(MadeUpHeads):
    """Heads some of which are gone."""

    batches = (1,)

    def head(self, number, subject, seed):
        if self.batch(number) in self.batches:
            raise InputError(f"The T1 of person {number} is gone; give it again.")
        return super().head(number, subject, seed)


def test_a_scan_that_cannot_be_used_is_a_row_and_the_other_subjects_are_made(folder, host, tmp_path):
    output = tmp_path / "cohort"
    assert simulate_cohort(output, _Lost(host), SETTINGS, quiet) == (3, 0)
    assert [scan.subject for scan in read_bids(output)[0]] == ["sub-001", "sub-003", "sub-free01"]
    errors = output / "derivatives" / "truth" / "errors.csv"
    assert errors.read_text().splitlines() == [
        "subject,reason",
        "sub-002,The T1 of person 1 is gone; give it again.",
    ]
    assert simulate(output, host) == (1, 3)
    assert contents(output) == contents(folder)


def test_of_a_cohort_without_any_usable_scan_the_reasons_are_a_table(host, tmp_path, monkeypatch):
    monkeypatch.setattr(_Lost, "batches", (0, 1))
    with pytest.raises(
        InputError, match=r"None of the 4 scans can be used \(see .*errors\.csv\); the first: The T1"
    ):
        simulate_cohort(tmp_path, _Lost(host), SETTINGS, quiet)
    errors = tmp_path / "derivatives" / "truth" / "errors.csv"
    assert len(errors.read_text().splitlines()) == 5


def test_a_folder_with_something_else_in_it_is_left_alone(host, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="something else"):
        simulate(tmp_path, host)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_cohort_of_other_settings_is_not_mixed_with(folder, host):
    before = contents(folder)
    with pytest.raises(InputError, match="other settings"):
        simulate(folder, host, seed=9)
    assert contents(folder) == before


def test_more_lesion_free_subjects_than_scans_are_refused(host, tmp_path):
    with pytest.raises(InputError, match="only 2 scans"):
        simulate(tmp_path / "cohort", host, lesion_free=3)
    assert not (tmp_path / "cohort").exists()


def test_progress_goes_from_nothing_to_nearly_all(host, tmp_path):
    told = []
    simulate(tmp_path / "cohort", host, lambda *line: told.append(line), subjects=2)
    assert [fraction for _, fraction, _ in told] == pytest.approx([0, 1 / 3, 2 / 3])
    assert {name for _, _, name in told} == {"sub-001", "sub-002", "sub-free01"}


def test_a_folder_that_the_command_holds_for_itself_counts_as_new(tmp_path, host):
    output = tmp_path / "cohort"
    with locked_folder(output):
        assert simulate(output, host, subjects=1, lesion_free=0) == (1, 0)
    assert [row["participant_id"] for row in rows(output / "participants.tsv")] == ["sub-001"]
