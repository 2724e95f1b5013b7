"""`anomaly-detection simulate --subjects`: what it takes and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from anomaly_research.commands.simulate import simulate
from anomaly_research.simulation import command
from anomaly_research.simulation.command import simulate_from_options
from AnomalyDetectionLib.errors import InputError
from conftest import run_command

OPTIONS = {
    "anatomy": "icbm152",
    "sources": None,
    "root": Path(),
    "labels": None,
    "shapes": None,
    "spacing": (0.9, 0.9, 4.0),
    "infarcts": "1-6",
    "lesion_free": 0,
    "wmh": 0.3,
    "perivascular": 0.4,
    "sulci": 0.3,
    "artefacts": 0.15,
}


def run(tmp_path, subjects=2, **options):
    return simulate_from_options(tmp_path / "cohort", 0, subjects, {**OPTIONS, **options}, lambda *line: None)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"anatomy": "real"}, "--sources"),
        ({"anatomy": "synthseg"}, "--labels"),
        ({"sources": Path("scans.tsv")}, "--anatomy real"),
        ({"infarcts": "many"}, "no range"),
        ({"infarcts": "3-2"}, "no range"),
        ({"infarcts": "0-2"}, "no range"),
        ({"shapes": Path("nowhere")}, "--shapes"),
        ({"anatomy": "synthseg", "labels": Path("nowhere")}, "--labels"),
        ({"anatomy": "real", "sources": Path("nowhere.tsv")}, "nowhere.tsv"),
        ({"subjects": 0}, "no subjects"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_in_a_sentence(tmp_path, options, sentence):
    with pytest.raises(InputError, match=sentence):
        run(tmp_path, **options)
    assert not (tmp_path / "cohort").exists()


def test_a_table_of_real_scans_is_read_from_its_root(tmp_path, monkeypatch):
    seen = {}

    def simulate(output, heads, settings, report):
        seen.update(heads=heads, settings=settings)
        return 2, 1

    monkeypatch.setattr(command, "simulate_cohort", simulate)
    table = tmp_path / "scans.tsv"
    table.write_text(
        "name\tpatient\tt1\tflair\tbrain_mask\tlesions\nfirst\tAnna\ta/T1.nii\ta/FLAIR.nii\t\ta/l.nii\n",
        encoding="utf-8",
    )
    shapes = tmp_path / "shapes"
    shapes.mkdir()
    (shapes / "b_lesion.nii.gz").touch()
    (shapes / "atlas.nii.gz").touch()
    sentence = run(
        tmp_path, anatomy=None, sources=table, root=tmp_path, shapes=shapes, infarcts="3", lesion_free=1
    )
    assert "2 subjects" in sentence
    assert "1 were there" in sentence
    assert seen["heads"].description() == {"Anatomy": "real", "Scans": ["first"]}
    assert seen["heads"].limit == 1
    settings = seen["settings"]
    assert (settings.fewest, settings.most, settings.subjects, settings.lesion_free) == (3, 3, 2, 1)
    assert [path.name for path in settings.shapes] == ["b_lesion.nii.gz"]


def test_a_mistake_is_one_sentence_and_exit_code_2(tmp_path):
    output = tmp_path / "cohort"
    run = run_command("simulate", "--subjects", "1", "--anatomy", "real", "--output", output, output=output)
    assert run.code == 2
    assert run.stderr.strip() == "Real anatomy needs scans: give a table of them with --sources."
    assert not output.exists()


@pytest.mark.parametrize(
    "options", [["--sources", "scans.tsv"], ["--lesion-free", "3"], ["--spacing", *"113"]]
)
def test_what_is_said_of_a_cohort_is_not_passed_over_where_one_patient_is_made(tmp_path, options):
    with pytest.raises(InputError, match=f"{options[0]} is for a cohort"):
        simulate.main([*options, "--output", str(tmp_path / "out")], standalone_mode=False)
    assert not (tmp_path / "out").exists()
