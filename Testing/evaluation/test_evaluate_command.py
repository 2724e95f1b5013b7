"""`evaluate` on a cohort written by hand: three small heads, and all that can be wrong with others."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from anomaly_research.evaluation.csv_rows import read_rows
from anomaly_research.evaluation.store import Store
from anomaly_research.evaluation.truth_files import INFARCTS, image_path, truth_path
from AnomalyDetectionLib import cli
from AnomalyDetectionLib.detection.hints import HINTS
from AnomalyDetectionLib.model.model_file import load_model, save_model
from conftest import run_command
from made_truth import HEAD, boxes, write_subject

BROKEN = {
    "sub-04": "no FLAIR",
    "sub-05": "damaged",
    "sub-06": "no truth",
    "sub-07": "label map of infarcts",
}
TABLES = (
    "candidates", "categories", "differences", "errors", "findings", "kinds", "lesion_free", "lesions", "methods", "rates", "scans",
    "sensitivity", "strata",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Three subjects of two people: two with infarcts, one without."""
    cohort = tmp_path_factory.mktemp("cohort") / "köhörte 队列"
    write_subject(cohort, "sub-01", boxes((3, 30, 40), (7, 60, 50)), wmh=boxes((4, 70, 30)), seed=1)
    write_subject(cohort, "sub-02", boxes((5, 50, 60)), seed=2)
    write_subject(cohort, "sub-03", boxes(), seed=3)
    truth_path(cohort, "sub-03", INFARCTS).unlink()
    (cohort / "participants.tsv").write_text(
        "participant_id\tpatient\tanatomy\tsource\tlesion_free\n"
        "sub-01\tAda\treal\tclinic\tno\nsub-02\tBob\treal\tclinic\tno\nsub-03\tAda\treal\tclinic\tyes\n",
        encoding="utf-8",
    )
    return cohort


@pytest.fixture(scope="module")
def broken(whole, tmp_path_factory):
    """The same, and four more that cannot be used, each for a reason of its own."""
    cohort = tmp_path_factory.mktemp("broken") / "cohort"
    shutil.copytree(whole, cohort)
    for name in BROKEN:
        write_subject(cohort, name, boxes((5, 50, 60)), seed=9)
    image_path(cohort, "sub-04", "FLAIR").unlink()
    flair = image_path(cohort, "sub-05", "FLAIR")
    flair.write_bytes(flair.read_bytes()[:5000])
    truth_path(cohort, "sub-06", INFARCTS).unlink()
    truth_path(cohort, "sub-07", INFARCTS).write_bytes(b"nothing")
    return cohort


@pytest.fixture(scope="module")
def done(broken, a_random_model, tmp_path_factory):
    """The command on it, as a user runs it."""
    output = tmp_path_factory.mktemp("evaluated") / "résultats"
    arguments = ["evaluate", broken, "--output", output, "--model", a_random_model, "--device", "cpu"]
    return run_command(*arguments, "--percentiles", "40,60", "--progress", "json", output=output)


def evaluate(*arguments):
    """In this process; returns the exit code."""
    with pytest.raises(SystemExit) as left:
        cli.main(["evaluate", *map(str, arguments), "--progress", "none", "--device", "cpu"])
    return left.value.code


@pytest.fixture
def again(done, broken, a_random_model, tmp_path):
    """The command once more, with other options, on a copy of what it left; returns the copy."""

    def run(*options, cohort=broken, damaged=None):
        output = shutil.copytree(done.output, tmp_path / "out")
        if damaged is not None:
            (output / damaged).write_bytes((output / damaged).read_bytes()[:1000])
        assert evaluate(cohort, "--output", output, "--model", a_random_model, *options) == 0
        return output

    return run


def rows(folder, name, **wanted):
    every = read_rows(folder / "tables" / f"{name}.csv", ())
    return [row for row in every if all(row[column] == value for column, value in wanted.items())]


def tables(folder):
    return {name: (folder / "tables" / f"{name}.csv").read_bytes() for name in TABLES}


def test_what_cannot_be_used_is_a_row_in_the_errors_and_the_rest_goes_on(done):
    assert done.code == 0, done.stderr
    errors = {row["subject"]: row["reason"] for row in rows(done.output, "errors")}
    assert set(errors) == set(BROKEN)
    for subject, reason in BROKEN.items():
        assert reason in errors[subject]
    assert {row["subject"] for row in rows(done.output, "scans")} == {"sub-01", "sub-02", "sub-03"}


def test_a_program_can_follow_the_progress(done):
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    fractions = [line["fraction"] for line in lines]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert "3 scans evaluated; 4 could not be" in lines[-1]["message"]


def test_every_table_says_of_how_many_patients_it_is(done):
    assert sorted(path.stem for path in (done.output / "tables").iterdir()) == sorted(TABLES)
    for name in ("methods", "sensitivity", "differences"):
        assert {row["patients"] for row in rows(done.output, name)} == {"2"}, name
    page = (done.output / "summary.md").read_text("utf-8")
    assert page.startswith("**Simulated infarcts in 3 scans of 2 people")
    assert page.count("2 patients") >= 5


def test_the_baselines_stand_in_the_same_table_and_find_bright_infarcts(done):
    methods = rows(done.output, "methods")
    assert next(row["method"] for row in methods) == "random"
    assert {row["method"] for row in methods} == {"random", "bright FLAIR", "dark FLAIR"}
    wanted = {"method": "bright FLAIR", "criterion": "one-to-one", "wmh": "counted", "false_positives": "0.5"}
    (bright,) = rows(done.output, "sensitivity", **wanted)
    # all three infarcts are found; the only false positive in three scans is the hyperintensity
    assert float(bright["sensitivity"]) == 1
    assert all(row["lesions"] == "3" for row in rows(done.output, "sensitivity", wmh="ignored"))


def test_what_bright_flair_finds_has_the_category_that_it_is(done):
    found = rows(done.output, "findings", method="bright FLAIR")
    categories = {(row["subject"], row["category"]) for row in found}
    assert {("sub-01", "infarct"), ("sub-02", "infarct")} <= categories
    counts = rows(done.output, "categories", method="bright FLAIR")
    assert sum(int(row["findings"]) for row in counts) == len(found)


def test_every_lesion_is_listed_for_every_method(done):
    for method in ("random", "bright FLAIR", "dark FLAIR"):
        own = rows(done.output, "lesions", method=method)
        assert [(row["subject"], row["lesion"], row["kind"]) for row in own] == [
            ("sub-01", "1", "lacunar"),
            ("sub-01", "2", "cortical"),
            ("sub-02", "1", "lacunar"),
        ]
    volumes = {float(row["volume_ml"]) for row in rows(done.output, "lesions")}
    assert list(volumes) == pytest.approx([128 * HEAD.voxel_ml], rel=1e-4)


def test_false_positives_on_scans_without_lesions_and_those_on_known_lesions_are_counted_apart(done):
    free = rows(done.output, "lesion_free", scans_are="without infarct")
    assert {(row["scans"], row["patients"], row["lesions"]) for row in free} == {("1", "1", "0")}
    assert all(row["false_positives"] == row["findings"] for row in free)
    for row in rows(done.output, "lesion_free"):
        apart = float(row["false_positives_no_wmh"]) + float(row["on_known_lesions"])
        assert apart == pytest.approx(float(row["false_positives"]))
    with_wmh, *_ = rows(done.output, "lesion_free", method="bright FLAIR", scans_are="with infarct")
    assert float(with_wmh["on_known_lesions"]) > 0


def test_one_and_two_false_positives_a_scan_have_all_figures_with_wmh_ignored_and_counted(done):
    found = rows(done.output, "rates", method="bright FLAIR")
    assert [(row["wmh"], row["rate"]) for row in found] == [
        ("ignored", "1"), ("ignored", "2"), ("counted", "1"), ("counted", "2"),
    ]  # fmt: skip
    for row in found:
        assert row["sensitivity"] == "1"  # all three infarcts are as bright as can be
        assert float(row["volume_share"]) == 1
        assert 0.3 < float(row["voxel_share"]) <= 1
        assert 0 < float(row["dice"]) <= 1
        assert float(row["flagged_ml"]) > 0
        assert {row["patients"], row["lesions"]} == {"2", "3"}
    page = (done.output / "summary.md").read_text("utf-8")
    assert "### At 1 and 2 false positives a scan" in page
    assert page.count("| size: over 1 ml |") == 2  # at the operating points, and at these rates
    assert page.count("WMH ignored: a finding that touches no infarct but a known lesion") == 1
    assert "No method says what its findings may be." in page


def test_the_figures_are_there(done):
    for name in ("froc.png", "strata.png"):
        image = sitk.ReadImage(str(done.output / name))
        assert min(image.GetSize()) > 300


def test_all_percentiles_are_kept(done):
    scores = Store(done.output).read_scores("random", "sub-01")
    assert scores.percentiles.tolist() == [40, 50, 60]
    assert np.isfinite(scores.scores).all()
    assert (scores.scores[0] <= scores.scores[1]).all()
    assert not np.array_equal(scores.lattice(40), scores.lattice(60), equal_nan=True)
    with pytest.raises(ValueError, match="was not scored"):
        scores.lattice(45)


def test_a_second_run_computes_nothing_again_and_gives_the_same_tables(done, broken, a_random_model):
    before = tables(done.output)
    stored = {path: path.stat().st_mtime_ns for path in done.output.rglob("*.npz")}
    assert len(stored) >= 3 * 5  # truth, images, scores and two baselines of each
    assert evaluate(broken, "--output", done.output, "--model", a_random_model) == 0
    assert {path: path.stat().st_mtime_ns for path in done.output.rglob("*.npz")} == stored
    assert tables(done.output) == before


def test_another_seed_gives_other_intervals_and_the_same_figures(done, again):
    output = again("--seed", 5)

    def figures(folder):
        return [
            {name: value for name, value in row.items() if not name.endswith(("_low", "_high"))}
            for row in rows(folder, "sensitivity")
        ]

    assert figures(output) == figures(done.output)


def test_what_changed_or_was_damaged_is_made_anew(done, broken, again, tmp_path):
    cohort = shutil.copytree(broken, tmp_path / "cohort")
    labels = boxes((3, 30, 40), (7, 60, 50))
    labels[labels == 2] = 0
    sitk.WriteImage(HEAD.image(labels), str(truth_path(cohort, "sub-01", INFARCTS)))
    truth_path(cohort, "sub-01", INFARCTS, ".tsv").unlink()
    output = again("--subjects", "sub-01,02", cohort=cohort, damaged="scores/random/sub-02.npz")
    untouched = [folder / "scores" / "random" / "sub-01.npz" for folder in (done.output, output)]
    assert len({path.stat().st_mtime_ns for path in untouched}) == 1
    assert [row["subject"] for row in rows(output, "lesions", method="random")] == ["sub-01", "sub-02"]
    assert not rows(output, "errors")


def test_one_patient_has_no_interval(again):
    output = again("--subjects", "sub-01")
    for row in rows(output, "methods"):
        assert row["patients"] == "1"
        assert row["sensitivity"] != ""
        assert row["sensitivity_low"] == row["findings_high"] == ""
    assert "1 patient, 1 scan, 2 infarcts. No intervals" in (output / "summary.md").read_text("utf-8")


def test_a_cohort_without_any_lesion_has_false_positives_and_no_sensitivity(again):
    output = again("--subjects", "sub-03")
    assert {(row["lesions"], row["sensitivity"]) for row in rows(output, "methods")} == {("0", "")}
    assert all(row["false_positives"] == row["findings"] != "" for row in rows(output, "methods"))
    assert rows(output, "lesions") == []


def test_where_no_scan_can_be_evaluated_the_command_fails_and_says_why(
    broken, a_random_model, tmp_path, capfd
):
    output = tmp_path / "out"
    subjects = ("--subjects", "sub-04", "--subjects", "06")
    assert evaluate(broken, "--output", output, "--model", a_random_model, *subjects) == 2
    said = capfd.readouterr().err
    assert "No scan of" in said
    assert "sub-04: no FLAIR" in said
    assert [row["subject"] for row in rows(output, "errors")] == ["sub-04", "sub-06"]
    assert not (output / "summary.md").exists()


@pytest.mark.parametrize(
    ("what", "message"),
    [("missing", "does not exist"), ("empty", "holds no subject"), ("file", "is a file")],
)
def test_a_wrong_cohort_is_told_in_one_sentence(what, message, tmp_path, a_random_model, capfd):
    cohort = tmp_path / "cohort"
    if what == "empty":
        cohort.mkdir()
    elif what == "file":
        cohort.write_text("no cohort")
    assert evaluate(cohort, "--output", tmp_path / "out", "--model", a_random_model) == 2
    said = capfd.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_options_that_make_no_sense_are_told(whole, a_random_model, tmp_path, capfd):
    given = [whole, "--output", tmp_path / "out", "--model", a_random_model]
    assert evaluate(*given, "--percentiles", "40,many") == 2
    assert "numbers from 0 to 100" in capfd.readouterr().err
    assert evaluate(*given, "--subjects", "sub-01,sub-77") == 2
    assert "no subject sub-77" in capfd.readouterr().err
    assert evaluate(*given, "--model", a_random_model) == 2
    assert "given twice" in capfd.readouterr().err


@pytest.fixture(scope="module")
def both(whole, a_random_model, a_context_model, tmp_path_factory):
    """An evaluation of a model of either kind."""
    output = tmp_path_factory.mktemp("evaluated") / "both"
    models = ["--model", a_random_model, "--model", a_context_model]
    assert evaluate(whole, "--output", output, *models, "--percentiles", "40") == 0
    return output


@pytest.mark.slow
def test_models_of_either_kind_are_compared_on_one_store(both):
    paper, context = (Store(both).read_scores(name, "sub-01") for name in ("random", "surroundings"))
    assert paper.percentiles.tolist() == [40, 50]
    assert (context.percentiles.tolist(), context.scoring.stride) == ([50], 1)
    assert context.scores.shape[1] > 3 * paper.scores.shape[1]
    assert paper.candidates is None
    assert len(context.candidates.probabilities) == context.candidates.labels.max() > 0
    assert {row["method"] for row in rows(both, "methods")} == {
        "random", "surroundings", "bright FLAIR", "dark FLAIR",
    }  # fmt: skip
    assert {row["less"] for row in rows(both, "differences") if row["method"] == "surroundings"} == {
        "random", "bright FLAIR",
    }  # fmt: skip


@pytest.mark.slow
def test_what_a_context_model_calls_its_findings_stands_beside_what_they_are(both):
    called = rows(both, "findings", method="surroundings")
    assert called
    assert {row["hint"] for row in called} <= set(HINTS)
    assert {row["hint"] for row in rows(both, "findings") if row["method"] != "surroundings"} == {""}
    kinds = rows(both, "kinds")
    assert {row["method"] for row in kinds} == {"surroundings"}
    whole = {row["of"]: int(row["findings"]) for row in rows(both, "kinds", truth="all of them")}
    assert whole == {"findings": len(called), "candidates": len(rows(both, "candidates"))}
    assert whole["candidates"] >= whole["findings"]
    assert f"of {len(called)} findings were called what they are" in (both / "summary.md").read_text("utf-8")


@pytest.mark.slow
def test_the_misses_of_a_context_model_are_told_without_normal_tissue(
    both, a_context_model, tmp_path, capsys
):
    options = ["--model", str(a_context_model), "--no-patches", "--output", str(tmp_path / "missed")]
    with pytest.raises(SystemExit) as left:
        cli.main(["experiment", "missed", str(both), *options])
    assert left.value.code == 0
    assert "The model surroundings has no library of normal patches" in capsys.readouterr().out


def test_experiments_on_the_papers_method_refuse_another_kind_of_model(
    whole, a_context_model, tmp_path, capfd
):
    for arguments in (
        ["ablations", whole, "--model", a_context_model, "--store", tmp_path / "store"],
        ["ablations", whole, "--trained", a_context_model, "--store", tmp_path / "store"],
    ):
        with pytest.raises(SystemExit) as left:
            cli.main(["experiment", *map(str, arguments), "--output", str(tmp_path / "out")])
        assert left.value.code == 2
        assert "belongs to the paper's kind of model, and the model surroundings" in capfd.readouterr().err


def test_the_results_go_into_the_models_card_and_leave_its_scores_as_they_are(done, a_random_model, tmp_path):
    path = tmp_path / "model.safetensors"
    shutil.copy(a_random_model, path)
    before = load_model(str(path))
    with pytest.raises(SystemExit) as left:
        cli.main(["models", "add-results", str(path), str(done.output)])
    assert left.value.code == 0
    after = load_model(str(path))
    assert after.fingerprint == before.fingerprint
    assert "Simulated" in after.card["results"]["how"] or "simulated" in after.card["results"]["how"]
    assert set(after.card["results"]["at the operating points"]) == {"random", "bright FLAIR"}
    assert after.card["summary"] == before.card["summary"]


@pytest.mark.parametrize(
    ("subject", "said"), [("sub-01", "of 2 infarcts"), ("sub-03", "scans without infarcts")]
)
def test_the_results_of_a_single_patient_go_into_the_card_but_none_without_an_infarct(
    again, a_random_model, tmp_path, capfd, subject, said
):
    path = shutil.copy(a_random_model, tmp_path / "model.safetensors")
    output = again("--subjects", subject)
    with pytest.raises(SystemExit):
        cli.main(["models", "add-results", str(path), str(output)])
    results = load_model(str(path)).card.get("results", {}).get("at the operating points", {})
    assert said in results.get("random", capfd.readouterr().err)


def test_results_of_another_model_do_not_get_into_the_card(done, a_random_model, tmp_path, capfd):
    path = tmp_path / "model.safetensors"
    other = load_model(str(a_random_model))
    save_model(replace(other, median=other.median + 1), path)
    with pytest.raises(SystemExit) as left:
        cli.main(["models", "add-results", str(path), str(done.output)])
    assert left.value.code == 2
    assert "other models" in capfd.readouterr().err
