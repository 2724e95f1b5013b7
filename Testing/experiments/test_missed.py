"""Experiment 3 on infarcts set down by hand: which are missed, where, how large, and what they look like."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from anomaly_research.evaluation import published
from anomaly_research.evaluation.store import LatticeScores, Store
from anomaly_research.evaluation.truth import Lesion, ScanTruth
from anomaly_research.experiments.missed import (
    BRAIN_STEM,
    CEREBELLUM,
    CORTEX,
    ELSEWHERE,
    VENTRICLES,
    EvaluatedInfarct,
    Missed,
    compare_missed,
    fluid,
    missed_rows,
    prepared_scans,
    read_infarcts,
    region_rows,
)
from anomaly_research.reports.missed_report import examples, in_words, write_missed
from anomaly_research.simulation.simulated_brain import Region
from AnomalyDetectionLib.detection.nearest_normal import NormalTissue
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.model_file import load_model, save_model
from AnomalyDetectionLib.model.model_settings import ScoringSettings
from made_truth import experiment
from normal_tissue import a_model_with_library
from PIL import Image
from synthetic_study import FIRST, STRIDE, empty_lattice, prepared_study

COLUMNS = "subject,patient,lesion,kind,region,side,cavitated,volume_ml,method,found,peak_score"

# By hand: 5 missed (0.1, 0.2, 0.4, 0.5, 2.0 ml; median 0.4; 4 under 1 ml) of 7.
TABLE = [
    "sub-1,p1,1,lacunar,deep grey,left,yes,0.2,small,no,1.5",
    "sub-1,p1,2,cortical,cortex,left,no,3.0,small,yes,7.0",
    "sub-1,p1,3,infratentorial,brain stem,left,yes,0.1,small,no,",
    "sub-2,p1,1,cortical,white matter,right,no,0.4,small,no,2.0",
    "sub-2,p1,2,large subcortical,white matter,right,yes,2.0,small,no,1.0",
    "sub-3,p2,1,infratentorial,cerebellum,right,yes,0.5,small,no,2.5",
    "sub-3,p2,4,lacunar,deep grey,right,no,0.6,small,yes,4.0",
    "sub-3,p2,4,lacunar,deep grey,right,no,0.6,bright FLAIR,no,4.0",
]


@pytest.fixture
def evaluation(tmp_path):
    """The tables of an evaluation."""
    return with_table(tmp_path / "evaluation", TABLE)


def with_table(folder, lines):
    (folder / "tables").mkdir(parents=True)
    (folder / "tables" / "lesions.csv").write_text("\n".join([COLUMNS, *lines]) + "\n")
    (folder / "summary.json").write_text(
        '{"what_was_simulated": "Infarcts set down by hand.", "run": {"models": {"small": "0"}}}'
    )
    return folder


def an_infarct(kind="lacunar", region="deep grey", volume_ml=0.3, found=False, subject="sub-1", number=1):
    return EvaluatedInfarct(subject, "p", number, kind, region, "left", "yes", volume_ml, found, 1.0)


def by_region(infarcts):
    return {row["region"]: row for row in region_rows(infarcts)}


# --- volumes and regions


def test_the_infarcts_of_one_method_are_read(evaluation):
    infarcts = read_infarcts(evaluation, "small")
    assert len(infarcts) == 7
    assert sum(not infarct.found for infarct in infarcts) == 5
    assert infarcts[0] == EvaluatedInfarct(
        "sub-1", "p1", 1, "lacunar", "deep grey", "left", "yes", 0.2, False, 1.5
    )
    assert np.isnan(infarcts[2].peak_score), "no patch of it was scored"
    assert not read_infarcts(evaluation, "bright FLAIR")[0].found


def test_the_table_by_region_is_that_worked_out_by_hand(evaluation):
    rows = by_region(read_infarcts(evaluation, "small"))
    assert [*rows] == [VENTRICLES, CORTEX, BRAIN_STEM, CEREBELLUM, "all"]
    counts = {name: (row["infarcts"], row["missed"], row["median_ml"]) for name, row in rows.items()}
    assert counts == {
        VENTRICLES: (3, 2, "1.10"),
        CORTEX: (2, 1, "0.40"),
        BRAIN_STEM: (1, 1, "0.10"),
        CEREBELLUM: (1, 1, "0.50"),
        "all": (7, 5, "0.40"),
    }
    assert rows["all"]["under_1_ml"] == 4
    assert rows[VENTRICLES]["missed_percent"] == "67"
    assert rows[VENTRICLES]["share_of_all_missed_percent"] == "40"


def test_the_papers_figures_stand_beside_ours(evaluation):
    rows = by_region(read_infarcts(evaluation, "small"))
    theirs = {name: row["paper_missed"] for name, row in rows.items()}
    assert theirs == {VENTRICLES: 75, CORTEX: 55, BRAIN_STEM: 26, CEREBELLUM: 23, "all": 179}
    assert rows["all"]["paper_median_ml"] == 0.23
    assert rows[VENTRICLES]["paper_share_of_all_missed_percent"] == "42"


@pytest.mark.parametrize(
    ("kind", "region", "wanted"),
    [
        ("lacunar", "deep grey", VENTRICLES),
        ("lacunar", "white matter", VENTRICLES),
        ("large subcortical", "ventricles", VENTRICLES),
        ("cortical", "cortex", CORTEX),
        ("cortical", "white matter", CORTEX),
        ("infratentorial", "brain stem", BRAIN_STEM),
        ("infratentorial", "cerebellum", CEREBELLUM),
        ("cortical", "cerebellum", CEREBELLUM),
        ("", "", ELSEWHERE),
        ("lacunar", "spinal cord", ELSEWHERE),
    ],
)
def test_regions_of_the_truth_are_those_of_the_paper(kind, region, wanted):
    assert an_infarct(kind, region).papers_region == wanted


def test_every_region_that_the_simulation_places_infarcts_in_is_one_of_the_papers():
    names = [region.name.lower().replace("_", " ") for region in Region if region != Region.OUTSIDE]
    assert {an_infarct(region=name).papers_region for name in names} == set(published.MISSED_BY_REGION)


def test_infarcts_elsewhere_have_a_row_only_where_there_are_some():
    assert ELSEWHERE not in by_region([an_infarct()])
    row = by_region([an_infarct(), an_infarct(region="scalp")])[ELSEWHERE]
    assert (row["missed"], row["paper_missed"]) == (1, "")


def test_nothing_is_divided_by_nothing():
    rows = by_region([an_infarct(found=True)])
    assert rows["all"]["missed"] == 0
    assert rows["all"]["median_ml"] == ""
    assert rows[CORTEX]["missed_percent"] == ""
    assert by_region([])["all"]["missed_percent"] == ""


def test_a_method_that_was_not_evaluated_is_a_sentence(evaluation):
    with pytest.raises(InputError, match=r"no infarcts by the method 'other': it has bright FLAIR, small"):
        read_infarcts(evaluation, "other")


@pytest.mark.parametrize(
    "line",
    [
        "sub-1,p1,one,lacunar,deep grey,left,yes,0.2,small,no,1.5",
        "sub-1,p1,1,lacunar,deep grey,left,yes,much,small,no,1.5",
        "sub-1,p1,1,lacunar,deep grey,left,yes,0.2,small,perhaps,1.5",
    ],
)
def test_a_damaged_table_is_a_sentence(tmp_path, line):
    with pytest.raises(InputError, match=r"lesions\.csv is damaged"):
        read_infarcts(with_table(tmp_path / "e", [line]), "small")


def test_a_folder_that_is_no_evaluation_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"lesions\.csv cannot be read"):
        read_infarcts(tmp_path, "small")


def test_fluid_is_dark_on_both_images():
    patch = np.ones((2, 15, 15), np.float32)
    patch[0, :5] = 0.1  # T1 alone: gliosis
    patch[1, 10:] = 0.1  # FLAIR alone: blood
    assert fluid(patch) == 0
    patch[:, :3] = 0
    assert fluid(patch) == pytest.approx(0.2)


# --- the nearest normal tissue


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model in a file, its fingerprint and its normal tissue."""
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_model(a_model_with_library(), path)
    return path, load_model(str(path)).fingerprint, NormalTissue.read(path)


@pytest.fixture
def study():
    random = np.random.default_rng(1)
    made = prepared_study()
    t1, flair = (random.normal(0.6, 0.3, made.t1.shape).astype(np.float32) for _ in range(2))
    return replace(made, t1=t1, flair=flair)


@pytest.fixture
def stored(evaluation, study, model):
    """The store: lesion 1 of sub-1 in two cells, of which (5, 11, 8) scores higher; lesion 3 in no scored cell."""
    lattice = empty_lattice(study)
    lattice[5, 11, 8] = 2.5
    lattice[5, 12, 8] = 2.9  # higher, but holds no voxel of it
    brain = study.brain
    voxels = np.array([(5, 42, 34), (5, 46, 35)])  # of the cells (5, 10, 8) and (5, 11, 8)
    elements = np.ravel_multi_index(tuple(voxels.T), brain.shape)
    infarcts = np.array([elements, [0, 0], [40, 2]], np.int32)
    lesions = (
        Lesion(1, "lacunar", "deep grey", "left", "yes", 0.2),
        Lesion(3, "infratentorial", "brain stem", "left", "yes", 0.1),
    )
    store = Store(evaluation)
    truth = ScanTruth(
        subject="sub-1", patient="p1", lesions=lesions, lesion_voxels=np.array([42, 5]), infarcts=infarcts,
        confounders=np.zeros((3, 0), np.int32), voxel_ml=0.003, voxels=brain.astype(np.uint16), brain=brain,
        flair=study.flair[brain].astype(np.float16), model_voxel_ml=0.003,
    )  # fmt: skip
    store.write_truth(truth, {})
    inside = np.isfinite(lattice)
    scores = LatticeScores(
        np.array([50.0]), lattice[inside][None], ScoringSettings(stride=STRIDE), model[1], 15, brain
    )
    store.write_scores("small", "sub-1", scores, {})
    store.write_prepared("sub-1", study, {})
    return store


def of_sub_1(evaluation):
    return [infarct for infarct in read_infarcts(evaluation, "small") if infarct.subject == "sub-1"]


def test_the_highest_patch_that_holds_a_part_of_the_infarct_is_compared(stored, evaluation, study, model):
    _path, fingerprint, tissue = model
    prepared = prepared_scans(stored)
    first, third = compare_missed(of_sub_1(evaluation), stored, "small", fingerprint, tissue, prepared)
    assert (first.infarct.number, third.infarct.number) == (1, 3), "the second was found"
    assert first.centre == (5, FIRST[0] + STRIDE * 11, FIRST[1] + STRIDE * 8)
    wanted = tissue.nearest(tissue.patch_at(study, first.centre))
    np.testing.assert_array_equal(first.comparison.which, wanted.which)
    assert third.comparison is None, "no patch of it was scored"
    one, other = missed_rows([first, third])
    assert one["nearest_distance"] == f"{wanted.distances[0]:.2f}"
    assert other["nearest_distance"] == ""


def test_scores_of_another_model_are_refused(stored, evaluation, model):
    with pytest.raises(InputError, match="another model file"):
        list(
            compare_missed(of_sub_1(evaluation), stored, "small", "0" * 64, model[2], prepared_scans(stored))
        )


def test_prepared_images_that_were_deleted_ask_for_the_cohort(stored, evaluation, model):
    (evaluation / "prepared" / "sub-1.npz").unlink()
    with pytest.raises(InputError, match="--cohort"):
        prepared_scans(stored)("sub-1")


# --- the pictures


def some_missed(tissue):
    random = np.random.default_rng(2)
    comparison = tissue.nearest(random.normal(0.5, 0.2, (2, 15, 15)))
    places = [("cortical", "cortex"), ("lacunar", "deep grey"), ("infratentorial", "cerebellum")]
    return [
        Missed(an_infarct(kind, region, 0.1 * n, subject=f"sub-{n % 2}", number=n), comparison, (5, 40, 40))
        for kind, region in places
        for n in range(1, 6)
    ]


def test_the_examples_are_the_largest_of_each_region_from_different_people(model):
    chosen = examples(some_missed(model[2]))
    assert [each.infarct.papers_region for each in chosen] == [VENTRICLES] * 3 + [CORTEX] * 3 + [
        CEREBELLUM
    ] * 3
    assert [(each.infarct.subject, each.infarct.number) for each in chosen[:3]] == [
        ("sub-1", 5),
        ("sub-0", 4),
        ("sub-1", 3),
    ]


def test_all_tables_and_figures_are_written(model, tmp_path):
    missed = some_missed(model[2])
    infarcts = [each.infarct for each in missed] + [an_infarct(found=True, volume_ml=5.0)]
    write_missed(infarcts, missed, tmp_path, said="Nothing was simulated.")
    names = {"missed.csv", "missed_by_region.csv", "missed.png", "missed_neighbours.png"}
    assert {path.name for path in tmp_path.iterdir()} == names
    with (tmp_path / "missed.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(missed)
    first = {name: (tmp_path / name).read_bytes() for name in names}
    write_missed(infarcts, missed, tmp_path, said="Nothing was simulated.")
    assert first == {name: (tmp_path / name).read_bytes() for name in names}, "the same bytes twice"


def test_whole_slices_are_drawn_only_when_they_are_asked_for(model, study, tmp_path):
    missed = some_missed(model[2])
    infarcts = [each.infarct for each in missed]
    sizes = []
    for name, slices_of in (("without", None), ("with", lambda subject: study)):
        (tmp_path / name).mkdir()
        write_missed(infarcts, missed, tmp_path / name, slices_of=slices_of)
        sizes.append(Image.open(tmp_path / name / "missed_neighbours.png").size)
    assert sizes[1][0] > sizes[0][0] + 200


def test_without_a_library_the_tables_are_written_and_the_picture_is_not(tmp_path):
    infarcts = [an_infarct(), an_infarct(found=True)]
    missed = [Missed(infarcts[0])]
    write_missed(infarcts, missed, tmp_path)
    assert not (tmp_path / "missed_neighbours.png").exists()
    said = in_words(infarcts, missed, None)
    assert said.startswith("1 of 2 infarcts were missed, median 0.30 ml, 1 under 1 ml")


def test_when_nothing_was_missed_it_is_said(tmp_path):
    write_missed([an_infarct(found=True)], [], tmp_path)
    assert in_words([an_infarct(found=True)], [], None) == "None of 1 infarcts was missed."


@pytest.mark.slow
def test_the_command_writes_all_and_says_what_was_simulated(stored, evaluation, model, tmp_path):
    lines = [line for line in TABLE if line.startswith("sub-1")]
    (evaluation / "tables" / "lesions.csv").write_text("\n".join([COLUMNS, *lines]) + "\n")
    done = experiment("missed", evaluation, "--model", model[0], "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "2 of 3 infarcts were missed" in done.output
    assert (tmp_path / "out" / "missed_neighbours.png").stat().st_size > 5000
    assert "set down by hand" in (tmp_path / "out" / "about.json").read_text()


def test_results_to_be_published_show_no_tissue_of_patients(model, tmp_path):
    missed = some_missed(model[2])
    write_missed([each.infarct for each in missed], missed, tmp_path, patches=False)
    assert (tmp_path / "missed.png").is_file()
    assert not (tmp_path / "missed_neighbours.png").exists()
