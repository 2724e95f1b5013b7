"""`prepare` and `train` as one types them, on scans small enough for seconds."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.calibration import prepare_scans
from AnomalyDetectionLib.calibration.prepare_scans import (
    bright_clusters,
    prepare_scan,
    read_table,
    share_on_model_grid,
)
from AnomalyDetectionLib.calibration.scan_file import read_scans, write_scans
from AnomalyDetectionLib.cli import command_line
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.geometry import model_grid, to_lps_axes
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model.model_file import load_model
from click.testing import CliRunner
from conftest import SAMPLE, run_command
from made_training import a_scan
from synthetic_head import SyntheticHead, axial_grid


@pytest.fixture(scope="module")
def scan_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("scans") / "scans.npz"
    scans = [a_scan("A", 0), a_scan("B", 2), a_scan("C", 3)]
    write_scans(scans, path, PreparationSettings(scaling="modes"), "made for a test")
    return path


def train(scan_file, output, *more):
    return run_command(
        "train", "--scans", scan_file, "--output", output, "--held-out", "B", "--leave-out", "C", "--latent-size", 16,
        "--patches", 512, "--validation-patches", 128, "--device", "cpu", *more, output=output,
    )  # fmt: skip


@pytest.mark.slow
def test_train_writes_a_model_that_loads_with_its_curves_and_its_card(scan_file, tmp_path):
    (tmp_path / "about.json").write_text(json.dumps({"licences": "none needed"}))
    options = ["--max-epochs", 2, "--name", "tiny", "--about", tmp_path / "about.json", "--progress", "json"]
    run = train(scan_file, tmp_path / "run", *options)
    assert run.code == 0, run.stderr
    reports = [json.loads(line) for line in run.stdout.splitlines()]
    assert any("generator" in report["message"] and "patches/s" in report["message"] for report in reports)
    assert (tmp_path / "run" / "curves.png").stat().st_size > 5000
    model = load_model(str(tmp_path / "run" / "tiny.safetensors"))
    assert model.card["trained on"]["scans"] == ["A0"]
    assert model.card["trained on"]["left out for testing"] == ["C"]
    assert model.card["licences"] == "none needed"
    assert model.card["command"].startswith("anomaly-detection train --scans")
    assert len(model.card["curves"]) == 2


@pytest.mark.slow
def test_a_run_can_be_left_off_and_gone_on_with(scan_file, tmp_path):
    first = train(scan_file, tmp_path, "--max-epochs", 1, "--minutes", 0.0001)
    assert first.code == 0
    assert "Left off" in first.stdout
    second = train(scan_file, tmp_path, "--max-epochs", 1)
    assert second.code == 0
    assert "Trained on 512 patches" in second.stdout


@pytest.mark.parametrize(
    ("content", "mentions"),
    [
        (b"name,patient,t1\na,b,c\n", "has no column flair"),
        ("name,patient,t1,flair\nä,b,c,d\n".encode("latin-1"), "UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path, content, mentions):
    (tmp_path / "table.csv").write_bytes(content)
    run = run_command(
        "prepare", "--table", tmp_path / "table.csv", "--output", tmp_path / "s.npz", output=tmp_path
    )
    assert run.code == 2
    assert mentions in run.stderr
    assert not (tmp_path / "s.npz").exists()


@pytest.mark.slow
def test_patches_that_touch_a_lesion_are_kept_out(tmp_path):
    """The sample's own infarcts and hyperintensities, as lesion mask."""
    truth, wmh = (sitk.ReadImage(str(SAMPLE / f"simulated_{name}.nii.gz")) for name in ("truth", "WMH"))
    lesions = sitk.Cast((truth > 0) | (wmh == 1), sitk.sitkUInt8)
    sitk.WriteImage(lesions, str(tmp_path / "lesions.nii.gz"))
    (tmp_path / "table.csv").write_text(
        "name,patient,t1,flair,lesions\n"
        f"s,p,{SAMPLE / 'simulated_T1.nii.gz'},{SAMPLE / 'simulated_FLAIR.nii.gz'},{tmp_path / 'lesions.nii.gz'}\n"
    )
    (entry,) = read_table(tmp_path / "table.csv", tmp_path)
    scan = prepare_scan(
        entry, PreparationSettings(bias_correction=False, register="off", scaling="modes"), 15, "cpu"
    )
    assert 0.5 < scan.normal.sum() / scan.brain.sum() < 0.98
    assert not (scan.normal & ~scan.brain).any()
    # What lies beyond the brain is not for the network to see.
    assert not scan.t1[~scan.brain].any()
    bright = bright_clusters(scan.percentile_scaled().flair, scan.brain)
    centres = np.argwhere(scan.normal)
    for z, y, x in centres[:: len(centres) // 300]:
        assert not bright[z, max(0, y - 7) : y + 8, max(0, x - 7) : x + 8].any()


def test_an_image_in_the_place_of_the_lesion_mask_is_refused_with_its_name(tmp_path):
    """All findings of that scan counted as known lesions, and the calibrated threshold fell to 0.01."""
    grid = axial_grid((2.5, 2.5, 8.0), (70, 84, 20))
    study = SyntheticHead().study(grid, grid)
    t1, flair, brain = (tmp_path / f"{name}.nii.gz" for name in ("T1", "FLAIR", "brain"))
    for image, path in ((study.t1, t1), (study.flair, flair), (study.brain_mask, brain)):
        sitk.WriteImage(image.image, str(path))
    entry = prepare_scans.ScanEntry("a", "A", t1, flair, brain, flair)
    settings = PreparationSettings(bias_correction=False, register="off", scaling="modes")
    with pytest.raises(InputError, match=r"FLAIR\.nii\.gz covers 100 % of the brain"):
        prepare_scan(entry, settings, 15, "cpu")


@pytest.mark.parametrize(
    ("t1", "flair", "swapped"),
    [pytest.param("T1", "FLAIR", False, marks=pytest.mark.slow), ("FLAIR", "T1", True)],
)
def test_what_is_doubtful_about_a_scan_is_said_when_it_is_prepared(t1, flair, swapped, tmp_path):
    """Calibrated to exchanged images, a model had another threshold without a word."""
    (tmp_path / "table.csv").write_text(
        f"name,patient,t1,flair\ns,p,{SAMPLE / f'simulated_{t1}.nii.gz'},{SAMPLE / f'simulated_{flair}.nii.gz'}\n"
    )
    entries = read_table(tmp_path / "table.csv", tmp_path)
    settings = PreparationSettings(bias_correction=False, register="off", scaling="modes")
    said: list[str] = []
    prepare_scans.prepare_scans(entries, tmp_path / "s.npz", settings, tmp_path / "e.csv", doubt=said.append)
    assert [line.startswith("s: T1 and FLAIR seem to be swapped") for line in said] == [True] * swapped


@pytest.mark.parametrize("direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), (1, 0, 0, 0, -1, 0, 0, 0, -1)])
def test_a_lesion_in_any_of_the_slices_that_are_averaged_is_in_the_prepared_mask(direction):
    """Four slices of 1 mm make one of the model's."""
    grid = Grid((30, 30, 8), (0.9, 0.9, 1.0), (0, 0, 0), direction)
    lesion = np.zeros(grid.shape, np.uint8)
    lesion[[0, 3], 5, 6] = lesion[7, 7, 8] = lesion[4:, 20, 20] = 1
    flair = grid.image(np.random.default_rng(0).random(grid.shape, np.float32))
    model = model_grid(Grid.of(to_lps_axes(flair)), np.ones(grid.shape, bool), PreparationSettings())
    share = share_on_model_grid(grid.image(lesion), flair, model)
    assert sorted(share[share > 0]) == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        (["--name", "a/b"], "leave out folders"),
        (["--learning-rate", "nan"], "--learning-rate"),
        (["--gain", "-1"], "--gain"),
        (["--patches", "10"], "must not exceed"),
        (["--devices", "2", "--minutes", "1"], "single process"),
        pytest.param(["--devices", "3"], "divide evenly", marks=pytest.mark.slow),
    ],
)
def test_a_training_option_that_cannot_be_is_refused_before_anything_is_trained(
    scan_file, tmp_path, options, mentions
):
    run = train(scan_file, tmp_path / "run", "--max-epochs", 1, *options)
    assert run.code == 2
    assert mentions in run.stderr
    assert "Traceback" not in run.stderr
    assert not list(tmp_path.glob("run/*"))


def test_a_run_folder_that_cannot_be_made_is_named(scan_file, tmp_path):
    (tmp_path / "file").write_text("")
    run = train(scan_file, tmp_path / "file" / "run")
    assert run.code == 2
    assert "cannot be written" in run.stderr


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path):
    (tmp_path / "table.csv").write_text("name,patient,t1,flair\na,b,c,d\n", encoding="utf-8-sig")
    (entry,) = read_table(tmp_path / "table.csv", tmp_path)
    assert (entry.name, entry.flair) == ("a", tmp_path / "d")


@pytest.mark.slow
def test_a_model_is_fine_tuned_on_a_handful_of_scans_and_says_from_which(scan_file, tmp_path):
    first = train(scan_file, tmp_path / "first", "--max-epochs", 1, "--name", "first")
    assert first.code == 0, first.stderr
    start = tmp_path / "first" / "first.safetensors"
    arguments = [
        "train", "--scans", scan_file, "--from", start, "--output", tmp_path / "tuned", "--name", "tuned",
        "--leave-out", "B", "--leave-out", "C", "--patches", 512, "--validation-patches", 128, "--device", "cpu",
    ]  # fmt: skip
    left_off = run_command(*arguments, "--minutes", 0.0001, output=tmp_path)
    assert "Left off" in left_off.stdout, left_off.stderr
    run = run_command(*arguments, output=tmp_path)
    assert run.code == 0, run.stderr
    model, before = (load_model(str(path)) for path in (tmp_path / "tuned" / "tuned.safetensors", start))
    assert model.network == before.network
    assert model.card["fine-tuned from"]["name"] == "first"
    assert model.card["fine-tuned from"]["fingerprint"] == before.fingerprint
    assert (
        model.card["training settings"]["learning_rate"] < before.card["training settings"]["learning_rate"]
    )
    assert [epoch["number"] for epoch in model.card["curves"]] == [1, 2, 3]
    assert model.card["curves"][0]["reconstruction"] < before.card["curves"][0]["reconstruction"]
    assert not np.allclose(model.median, before.median)
    refused = run_command(*arguments, "--latent-size", 16, output=tmp_path)
    assert refused.code == 2
    assert "--latent-size belongs to the network" in refused.stderr
    other = run_command(*arguments[:3], "--output", tmp_path / "tuned", "--held-out", "B", output=tmp_path)
    assert other.code == 2  # another run lies in that folder


def _with_good_scans(monkeypatch, *good):
    """Scans of these names need not be read: they are made up."""
    read = prepare_scans.prepare_scan
    made = {name: a_scan(name, k) for k, name in enumerate(good)}
    monkeypatch.setattr(
        prepare_scans, "prepare_scan", lambda entry, *more: made.get(entry.name) or read(entry, *more)
    )


def _prepare(folder, *rows):
    """`prepare` as one types it, of a table of these rows."""
    (folder / "table.csv").write_text("\n".join(rows))
    options = ["--table", str(folder / "table.csv"), "--output", str(folder / "scans.npz")]
    run = CliRunner().invoke(command_line, ["prepare", *options])
    assert run.exit_code == 0, run.output
    return run


def _reasons(folder):
    """Why scans were left out, by their names."""
    with (folder / "scans_errors.csv").open(newline="") as file:
        return {row["subject"]: row["reason"] for row in csv.DictReader(file)}


def test_a_scan_that_cannot_be_used_is_a_row_and_the_others_are_prepared(monkeypatch, tmp_path):
    header, good = "name,patient,t1,flair", "first,A,-,-"
    _with_good_scans(monkeypatch, "first", "last")
    run = _prepare(tmp_path, header, good, "lost,B,no_T1.nii,no_FLAIR.nii", "last,C,-,-")
    assert "2 scans prepared for training" in run.stdout
    assert f"1 could not be used, see {tmp_path / 'scans_errors.csv'}" in run.stdout
    assert [scan.patient for scan in read_scans(tmp_path / "scans.npz").scans] == ["first", "last"]
    assert list(_reasons(tmp_path)) == ["lost"]
    assert "no_T1.nii" in _reasons(tmp_path)["lost"]
    # Once the table is put right, nothing is left of it.
    _prepare(tmp_path, header, good)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scans.npz", "table.csv"]


def test_a_row_that_lacks_something_is_a_row_in_the_errors_and_the_others_are_prepared(monkeypatch, tmp_path):
    _with_good_scans(monkeypatch, "good")
    _prepare(
        tmp_path, "name,patient,t1,flair,group,lesion_class", "no T1,A,,-,,", "odd,A,-,-,elderly,",
        "odder,A,-,-,,cyst", ",A,-,-,,", "short,A", "good,A,-,-,old,tumour",
    )  # fmt: skip
    assert [scan.patient for scan in read_scans(tmp_path / "scans.npz").scans] == ["good"]
    said = {
        "no T1": "t1 is missing in line 2",
        "odd": "'elderly' as group in line 3 of",
        "odder": "'cyst' as lesion_class in line 4",
        "line 5": "name is missing",
        "short": "t1 is missing",
    }
    found = {name: said[name] in reason for name, reason in _reasons(tmp_path).items()}
    assert found == dict.fromkeys(said, True)


@pytest.mark.parametrize("command", ["prepare", "calibrate"])
def test_of_a_table_without_any_usable_scan_the_reasons_are_a_table_as_well(tmp_path, command):
    table, errors = tmp_path / "table.csv", tmp_path / "scans_errors.csv"
    table.write_text("name,patient,t1,flair\nlost,B,no_T1.nii,no_FLAIR.nii\n")
    errors.write_text("subject,reason\nof,another run\n")
    which, suffix = ("--table", ".npz") if command == "prepare" else ("--scans", ".safetensors")
    output = tmp_path / f"scans{suffix}"
    run = CliRunner().invoke(command_line, [command, which, str(table), "--output", str(output)])
    assert "None of the 1 scans can be used (see" in str(run.exception) + run.output
    assert list(_reasons(tmp_path)) == ["lost"]
    assert "no_T1.nii" in _reasons(tmp_path)["lost"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scans_errors.csv", "table.csv"]


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_table_is_read_however_its_columns_are_separated(between, tmp_path):
    lines = (["name", "patient", "t1", "flair"], ["a, b", "A", "T1.nii", "FLAIR.nii"])
    with (tmp_path / "table.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=between).writerows(lines)
    (entry,) = read_table(tmp_path / "table.csv", tmp_path)
    assert (entry.name, entry.patient, entry.t1) == ("a, b", "A", tmp_path / "T1.nii")


def test_a_table_written_by_hand_is_read_and_each_fault_has_its_line(tmp_path):
    lines = ["Name, Patient ,T1,FLAIR,healthy", "a,A , T1.nii ,FLAIR.nii,Yes", "", ",,,,", "b,B,T1.nii,F, G.nii,no", "c,C,T1.nii,F.nii,1"]  # fmt: skip
    (tmp_path / "table.csv").write_bytes("\r\n".join(lines).encode())
    good, comma, healthy = read_table(tmp_path / "table.csv", tmp_path)
    assert (good.patient, good.t1, good.healthy, good.fault) == ("A", tmp_path / "T1.nii", True, "")
    assert comma.fault.startswith("There are more cells than columns in line 5 of the table of scans")
    assert healthy.fault.startswith("There is '1' as healthy in line 6 of")
    (tmp_path / "table.csv").write_text('name,patient,t1,flair\n"a,A,x,y\nb,B,x,y\n')
    with pytest.raises(InputError, match="is not a CSV"):
        read_table(tmp_path / "table.csv", tmp_path)


def test_the_same_images_in_two_rows_are_one_scan(monkeypatch, tmp_path):
    (tmp_path / "table.csv").write_text("name,patient,t1,flair\na,A,1,1\nb,B,1,1\nb,B,2,2\n")
    made = {name: a_scan(name, seed) for seed, name in enumerate("12")}
    monkeypatch.setattr(prepare_scans, "prepare_scan", lambda entry, *_: made[entry.t1.name])
    entries = read_table(tmp_path / "table.csv", tmp_path)
    (left,) = prepare_scans.prepare_scans(
        entries, tmp_path / "scans.npz", PreparationSettings(), tmp_path / "e.csv"
    )
    assert (left.subject, left.reason) == ("b", "Its images are those of a: each scan counts once.")


def test_a_full_disk_is_no_fault_of_a_scan(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepare_scans, "prepare_scan", full)
    (tmp_path / "table.csv").write_text("name,patient,t1,flair\na,A,-,-\n")
    entries = read_table(tmp_path / "table.csv", tmp_path)
    with pytest.raises(OSError, match="No space"):
        prepare_scans.prepare_scans(
            entries, tmp_path / "scans.npz", PreparationSettings(), tmp_path / "e.csv"
        )
