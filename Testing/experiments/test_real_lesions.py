"""What is found of real lesions: small label maps by hand, and the command on a hand-made head without a real detection."""

import csv
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from anomaly_research.experiments import real_lesions
from anomaly_research.experiments.real_lesion_tables import (
    groups_of,
    kind_rows,
    scan_rows,
    size_rows,
    tumour_rows,
)
from anomaly_research.experiments.real_lesions import Found, find_real_lesions, findings_of, lesions_of
from AnomalyDetectionLib.calibration.prepare_scans import read_table
from AnomalyDetectionLib.detection.hints import INFARCT_LIKE, OTHER_ANOMALY, UNKNOWN, WMH_LIKE
from AnomalyDetectionLib.errors import InputError
from made_truth import experiment
from synthetic_study import FLAIR_GRID, prepared_study


def row_of(text):
    """Digits and dots as one row of voxels."""
    return np.array([[[0 if c == "." else int(c) for c in text]]])


def found(labels, lesions, lesion_class="tumour", patient="a", hints=(), voxel_ml=0.5, **names):
    return Found(
        name=names.get("name", f"scan of {patient}"),
        patient=patient,
        collection=names.get("collection", "lgg"),
        lesion_class=lesion_class,
        method=names.get("method", "context"),
        threshold=0.5,
        labels=row_of(labels).astype(np.uint16),
        hints=tuple(hints),
        lesions=row_of(lesions) > 0,
        voxel_ml=voxel_ml,
    )


def test_a_tumour_is_one_lesion_whatever_parts_its_mask_has():
    (tumour,) = lesions_of(found("11..2..33", "1111..1.."))
    # 2 of 5 voxels marked, and the finding that touches it has 2: Dice 2 * 2 / (5 + 2)
    assert (tumour["volume_ml"], tumour["found"], tumour["share"]) == (2.5, True, pytest.approx(0.4))
    assert tumour["dice"] == pytest.approx(4 / 7)


def test_all_findings_that_touch_a_tumour_count_for_its_dice_and_others_do_not():
    (tumour,) = lesions_of(found("112233.44", ".1111...."))
    assert tumour["share"] == pytest.approx(3 / 4 + 1 / 4)
    assert tumour["dice"] == pytest.approx(2 * 4 / (4 + 6))
    (missed,) = lesions_of(found("11.......", "...11...."))
    assert (missed["found"], missed["share"], missed["dice"]) == (False, 0.0, 0.0)


def test_other_lesions_are_connected_parts_of_the_mask():
    rows = lesions_of(found("11....2..", ".11.1..11", "ms"))
    assert [(row["lesion"], row["volume_ml"], row["found"], row["share"]) for row in rows] == [
        (1, 1.0, True, 0.5),
        (2, 0.5, False, 0.0),
        (3, 1.0, False, 0.0),
    ]
    assert lesions_of(found("11.", "...", "ms")) == []


def test_a_finding_has_the_truth_of_a_mask_that_it_shares_a_voxel_with():
    rows = findings_of(found("11....2..", ".11.1....", "ms", hints=(WMH_LIKE, INFARCT_LIKE)))
    assert [
        (row["finding"], row["volume_ml"], row["truth"], row["shared_ml"], row["hint"]) for row in rows
    ] == [
        (1, 1.0, "MS lesion", 0.5, WMH_LIKE),
        (2, 0.5, "", 0.0, INFARCT_LIKE),
    ]


TUMOURS = [
    found("11...", "11...", patient="a", hints=(OTHER_ANOMALY,)),  # all of it
    found("1.2..", "11...", patient="b", hints=(UNKNOWN, OTHER_ANOMALY)),  # half
    found("....1", "11...", patient="c", hints=(OTHER_ANOMALY,)),  # missed
    found("1....", "11111", patient="d", hints=(INFARCT_LIKE,)),  # a fifth
]


def test_tumours_are_counted_with_the_median_share_marked_and_intervals_over_patients():
    (row,) = tumour_rows(groups_of(TUMOURS))
    assert (row["tumours"], row["found"], row["found_share"]) == (4, 3, 0.75)
    assert row["share_marked"] == pytest.approx((0.2 + 0.5) / 2)  # of 0, 0.2, 0.5 and 1
    assert row["dice"] == pytest.approx(2 / 3)  # of 1, 2/3 and 1/3
    assert row["share_marked_low"] < row["share_marked"] < row["share_marked_high"]
    assert (row["findings"], row["on_no_lesion"]) == (5 / 4, 2 / 4)
    (alone,) = tumour_rows(groups_of(TUMOURS[:1]))
    assert (alone["share_marked"], alone["share_marked_low"]) == (1.0, None)


def test_ms_lesions_are_counted_by_size_and_those_of_each_collection_apart():
    scans = [
        found("1111..22", "1.11...1", "ms", voxel_ml=0.05, collection="openms_mni"),  # 0.05, 0.1 and 0.05 ml
        found("........", "11......", "ms", patient="b", voxel_ml=0.005, collection="openms_mni"),  # 0.01 ml
        found("1.......", "1.......", "ms", patient="c", voxel_ml=2.0, collection="openms_long"),  # 2 ml
    ]
    rows = {(row["collection"], row["size"]): row for row in size_rows(groups_of(scans))}
    counts = {key: (row["found"], row["lesions"]) for key, row in rows.items() if row["lesions"]}
    assert counts == {
        ("openms_mni", "under 0.03 ml"): (0, 1),
        ("openms_mni", "0.03 to 0.1 ml"): (2, 2),
        ("openms_mni", "0.1 to 1 ml"): (1, 1),
        ("openms_mni", "all over 0.1 ml"): (1, 1),
        ("openms_mni", "all"): (3, 4),
        ("openms_long", "over 1 ml"): (1, 1),
        ("openms_long", "all over 0.1 ml"): (1, 1),
        ("openms_long", "all"): (1, 1),
    }
    whole = rows["openms_mni", "all"]
    assert whole["volume_share"] == whole["voxel_share"] == pytest.approx(0.2 / 0.21)
    assert (whole["found_share_low"], whole["found_share_high"]) == (0.0, 1.0)
    assert rows["openms_mni", "over 1 ml"]["found_share"] is None
    elsewhere = {row["collection"]: row["on_no_lesion"] for row in scan_rows(groups_of(scans))}
    assert elsewhere == {"openms_mni": 0.0, "openms_long": 0.0}


def test_only_findings_on_lesions_are_in_the_table_of_what_they_were_called():
    scans = [*TUMOURS, found("12", "1.", "wmh", patient="e", hints=(WMH_LIKE, INFARCT_LIKE))]
    rows = {row["truth"]: row for row in kind_rows(scans)}
    assert (rows["tumour"]["findings"], rows["tumour"]["right"]) == (3, 1)
    assert (rows["white matter hyperintensity"]["findings"], rows["white matter hyperintensity"]["right"]) == (1, 1)  # fmt: skip
    assert rows["all of them"]["right_share"] == 0.5
    assert list(kind_rows([replace(one, hints=()) for one in scans])) == []


# --- from a table to the page; the detection itself is replaced by one that is known


@pytest.fixture
def table(tmp_path):
    """Two scans whose images nobody reads, and masks on the FLAIR's grid: a block, and a block and a voxel apart."""
    block = np.zeros(FLAIR_GRID.shape, np.uint8)
    block[5, 50:60, 40:50] = 1
    lines = ["name,patient,t1,flair,brain_mask,lesions,lesion_class"]
    for name, lesion_class, more in (("one", "tumour", ()), ("two", "ms", ((8, 20, 50),))):
        folder = tmp_path / "data" / "clinic" / name
        folder.mkdir(parents=True)
        mask = block.copy()
        for voxel in more:
            mask[voxel] = 1
        sitk.WriteImage(FLAIR_GRID.image(mask), str(folder / "mask.nii.gz"))
        for image in ("T1", "FLAIR"):
            (folder / f"{image}.nii.gz").write_text(f"{image} of {name}")
        paths = ",".join(f"clinic/{name}/{file}.nii.gz" for file in ("T1", "FLAIR"))
        lines.append(f"{name},person {name},{paths},,clinic/{name}/mask.nii.gz,{lesion_class}")
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def detections(monkeypatch):
    """Every detection finds half of the block, and something elsewhere; which scans were asked for is kept."""
    asked = []
    study = prepared_study()
    study.flair[study.brain] = np.linspace(0, 1, int(study.brain.sum()))
    labels = np.zeros(FLAIR_GRID.shape, np.uint16)
    labels[5, 50:60, 40:45] = 1
    labels[2, 50:52, 50:52] = 2
    items = tuple(SimpleNamespace(hint=hint) for hint in (OTHER_ANOMALY, WMH_LIKE))

    def run_detection(request):
        asked.append((request.flair.parent.name, request.settings.model))
        if request.flair.read_text() == "broken":
            raise InputError("The FLAIR is broken: get it anew.")
        return SimpleNamespace(
            findings=SimpleNamespace(threshold=0.5, items=items, labels=FLAIR_GRID.image(labels)),
            scores=SimpleNamespace(study=study),
            study=SimpleNamespace(flair=SimpleNamespace(header=None)),
        )

    monkeypatch.setattr(real_lesions, "run_detection", run_detection)
    return asked


def test_the_command_writes_tables_and_a_page_and_goes_on_where_it_was(
    table, detections, a_context_model, tmp_path
):
    output = tmp_path / "out"
    arguments = ("real-lesions", table, "--root", tmp_path / "data", "--model", a_context_model, "--output")
    done = experiment(*arguments, output)
    assert done.exit_code == 0, done.output
    assert "Real lesions in 2 scans of 2 people." in done.output
    assert [name for name, _ in detections] == ["one", "two"]
    page = (output / "summary.md").read_text("utf-8")
    assert "| surroundings | clinic | 1 | 1 of 1: 100 % | 50 % | 0.67 | 2.0 | 1.0 |" in page
    assert (
        "| number | ml in all | found by surroundings | found by bright FLAIR, as much as surroundings |"
        in page
    )
    assert "| clinic: 0.1 to 1 ml | 1 | 0.3 | 100 % |" in page
    assert "| clinic: under 0.03 ml | 1 | 0.0 | 0 % |" in page
    assert "| clinic | surroundings | 1 | 1 | 99 % | 50 % | 2.0 | 1.0 | 0.1 |" in page
    with (output / "tables" / "kinds.csv").open() as file:
        kinds = {row["truth"]: row for row in csv.DictReader(file)}
    assert (kinds["tumour"]["right"], kinds["MS lesion"]["right"]) == ("1", "0")
    tables = {path.name: path.read_bytes() for path in (output / "tables").iterdir()}
    (output / "tables" / "errors.csv").write_text("of an earlier run")
    again = experiment(*arguments, output)
    assert again.exit_code == 0, again.output
    assert len(detections) == 2  # nothing was detected again
    assert {path.name: path.read_bytes() for path in (output / "tables").iterdir()} == tables
    (tmp_path / "data" / "clinic" / "two" / "FLAIR.nii.gz").write_text("another")
    assert experiment(*arguments, output).exit_code == 0
    assert [name for name, _ in detections] == ["one", "two", "two"]


def test_a_scan_that_cannot_be_used_is_a_row_in_the_errors(table, detections, a_context_model, tmp_path):
    (tmp_path / "data" / "clinic" / "one" / "FLAIR.nii.gz").write_text("broken")
    entries = read_table(table, tmp_path / "data")
    got, unusable = find_real_lesions(entries, tmp_path / "data", [str(a_context_model)], tmp_path / "out")
    assert {one.name for one in got} == {"two"}
    assert [(one.subject, one.reason) for one in unusable] == [("one", "The FLAIR is broken: get it anew.")]
    with pytest.raises(InputError, match="None of the 1 scans can be used"):
        find_real_lesions(entries[:1], tmp_path, [str(a_context_model)], tmp_path / "out")
    errors = tmp_path / "out" / "tables" / "errors.csv"
    assert errors.read_text() == "subject,reason\none,The FLAIR is broken: get it anew.\n"


def test_a_wrong_folder_or_device_is_told_as_such(table, detections, a_context_model, tmp_path):
    at = ("real-lesions", table, "--model", a_context_model, "--output", tmp_path / "out", "--root")
    done = experiment(*at, tmp_path)
    assert f"{tmp_path / 'clinic' / 'one' / 'T1.nii.gz'} cannot be read" in str(done.exception)
    assert "Something went wrong" not in str(done.exception)
    done = experiment(*at, tmp_path / "data", "--device", "gpu")
    assert (done.exit_code, detections) == (2, [])
    assert "'--device': 'gpu'" in done.output


def test_bright_flair_flags_about_as_much_as_the_model_and_is_called_nothing(
    table, detections, a_context_model, tmp_path
):
    entries = read_table(table, tmp_path / "data")
    got, _ = find_real_lesions(entries, tmp_path / "data", [str(a_context_model)], tmp_path / "out")
    model, bright = (next(one for one in got if ("bright" in one.method) is which) for which in (False, True))
    assert (bright.hints, model.hints) == ((), (OTHER_ANOMALY, WMH_LIKE))
    assert np.count_nonzero(bright.labels) == pytest.approx(np.count_nonzero(model.labels), rel=0.15)


@pytest.mark.parametrize(
    ("change", "mentions"),
    [(lambda e: replace(e, lesions=None), "no lesion mask"), (lambda e: replace(e, name="one"), "more than one scan")],
)  # fmt: skip
def test_a_table_that_is_not_enough_is_refused_before_any_work(
    table, detections, change, mentions, a_context_model, tmp_path
):
    one, two = read_table(table, tmp_path / "data")
    with pytest.raises(InputError, match=mentions):
        find_real_lesions([one, change(two)], tmp_path, [str(a_context_model)], tmp_path / "out")
    assert detections == []
