"""`anomaly-detection calibrate` and `models add-false-positives`: from scans in a table or a file to a new model file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..detection.device import resolve_device
from ..errors import InputError
from ..files.text import counted
from ..imaging.unusable import in_words
from ..model.model_file import AnyModel, find_model, load_model, save_model
from .calibration import MOST_SCANS, CalibrationSettings, calibrate, with_false_positive_curve
from .normal_scans import score_normal_scan
from .prepare_scans import prepare_scans, read_table
from .scan_file import ScanFile, read_scans

Progress = Callable[[str, float, str], None]
_PREPARED = 0.5  # of the time


def calibrate_to_scans(
    model: str,
    output: Path,
    *,
    table: Path | None,
    root: Path,
    prepared: Path | None,
    settings: CalibrationSettings,
    device: str,
    progress: Progress,
) -> str:
    """Calibrate a model and write the new one, named after its file.

    A scan of the table that cannot be used is left out; it is a row in the file's name with _errors.csv beside
    it. `table`, `root`: of the scans, as of `prepare`; or `prepared`: a file that `prepare` wrote. Returns what was
    done, for people, after a line for each doubt about a scan. Raises InputError where model, scans, false positives or
    place cannot be used. Nothing but the table of errors was written then."""
    check_place(output)
    loaded, on = load_model(model), resolve_device(device)
    doubts: list[str] = []
    scans, left_out = _scans(loaded, table, root, prepared, output, on, progress, doubts)
    begin = _PREPARED if prepared is None else 0.0
    done = calibrate(
        loaded,
        scans,
        output.name.removesuffix(output.suffix),
        settings,
        device=on,
        progress=lambda line, part: progress("calibrating", begin + (1 - begin) * part, line),
    )
    save_model(done.model, output)
    return "\n".join([*doubts, f"{done.in_words()} Model in {output}{left_out}."])


def add_false_positives(
    model: str, prepared: Path, patients: tuple[str, ...], output: Path | None, progress: Progress
) -> AnyModel:
    """Count the findings of normal scans by threshold, and write the model with them; its scores stay.

    `prepared`: a file that `prepare` wrote. `patients`: whose scans of it; empty: everyone's. Raises InputError
    where model, scans or place cannot be used."""
    path = output or find_model(model)
    check_place(path)
    loaded = load_model(model)
    scans = read_scans(prepared).scaled(loaded.preparation.scaling)
    missing = sorted({*patients} - {scan.patient for scan in scans.scans})
    if missing:
        raise InputError(f"The file of prepared scans has no patient {', '.join(missing)}.")
    chosen = [scan for scan in scans.scans if not patients or scan.patient in patients]
    trained = {*loaded.card.get("trained on", {}).get("scans", ())}
    known = sorted(scan.name for scan in chosen if scan.name in trained)
    if known:
        raise InputError(
            f"The model {loaded.name} was trained on {', '.join(known)}: count false positives on people that it has never seen."
        )
    if scans.preparation != loaded.preparation:
        raise InputError(
            f"These scans were prepared with other settings than the model {loaded.name} needs: prepare them for it."
        )
    scored = []
    for number, scan in enumerate(chosen):
        progress("scoring", number / len(chosen), scan.name)
        scored.append(score_normal_scan(scan, loaded, scans.preparation))
    people = counted(len({scan.patient for scan in chosen}), "person", "people")
    made = with_false_positive_curve(loaded, scored, f"{people} not trained on")
    save_model(made, path)
    return made


def check_place(output: Path) -> None:
    """Check before the work that the model file can be written. Raises InputError where it cannot."""
    if not output.parent.is_dir():
        raise InputError(f"The folder {output.parent} is not there; make it, or choose another --output.")
    if not os.access(output.parent, os.W_OK):
        raise InputError(f"The folder {output.parent} cannot be written; choose another --output.")
    if output.suffix != ".safetensors":
        raise InputError(f"The model file {output} must end in .safetensors; choose another --output.")


def _scans(
    model: AnyModel,
    table: Path | None,
    root: Path,
    prepared: Path | None,
    output: Path,
    device: str,
    progress: Progress,
    doubts: list[str],
) -> tuple[ScanFile, str]:
    if (table is None) == (prepared is None):
        raise InputError(
            "Give the normal scans either as a table (--scans) or as a file from `prepare` (--prepared)."
        )
    if prepared is not None:
        return read_scans(prepared), ""
    assert table is not None
    entries = read_table(table, root)
    if len(entries) > MOST_SCANS:
        raise InputError(f"Calibration takes 1 to {MOST_SCANS} normal scans, and {table} has {len(entries)}.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scans.npz"
        errors = output.with_name(f"{output.stem}_errors.csv")
        unusable = prepare_scans(
            entries,
            path,
            replace(model.preparation, scaling="modes"),
            errors,
            device=device,
            progress=lambda name, part: progress("preparing", _PREPARED * part, name),
            doubt=doubts.append,
        )
        return read_scans(path), in_words(unusable, errors)
