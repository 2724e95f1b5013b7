"""From the options of `anomaly-detection simulate --subjects` to a cohort."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from AnomalyDetectionLib.calibration.prepare_scans import read_table
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.text import counted

from .heads import Heads, LabelHeads, RealHeads, TemplateHeads
from .simulated_cohort import Progress, SimulatedCohortSettings, errors_of, simulate_cohort


def simulate_from_options(
    output: Path, seed: int, subjects: int, options: Mapping[str, Any], report: Progress
) -> str:
    """Make the cohort; returns a sentence about what was made. What cannot be used is an InputError."""
    fewest, most = _range(options["infarcts"])
    if subjects + options["lesion_free"] < 1:
        raise InputError("A cohort of no subjects was asked for: give --subjects, or --lesion-free, or both.")
    heads = _heads(options)
    shapes = _files(options["shapes"], "--shapes", "*_lesion.nii.gz")
    same = {name: options[name] for name in ("lesion_free", "wmh", "perivascular", "sulci", "artefacts")}
    settings = SimulatedCohortSettings(subjects, seed=seed, fewest=fewest, most=most, shapes=shapes, **same)
    made, there = simulate_cohort(output, heads, settings, report)
    before = f"; {there} were there already" if there else ""
    failed = subjects + options["lesion_free"] - made - there
    if failed:
        before += f"; {failed} could not be made, see {errors_of(output)}"
    return f"{counted(made, 'subject')} simulated into {output}{before}."


def _range(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    if found and 1 <= (fewest := int(found[1])) <= (most := int(found[2] or found[1])) <= 20:
        return fewest, most
    raise InputError(f"--infarcts-per-subject {text} is no range: give one such as 1-6, within 1 to 20.")


def _heads(options: Mapping[str, Any]) -> Heads:
    sources, labels = options["sources"], options["labels"]
    anatomy = options["anatomy"] or ("real" if sources else "synthseg" if labels else "icbm152")
    if anatomy == "real":
        if sources is None:
            raise InputError("Real anatomy needs scans: give a table of them with --sources.")
        return RealHeads(read_table(sources, options["root"]))
    if sources is not None:
        raise InputError("--sources are real scans: give --anatomy real with them.")
    if anatomy == "synthseg":
        if labels is None:
            raise InputError("Anatomy from label maps needs them: give their folder with --labels.")
        return LabelHeads(_files(labels, "--labels", "*.nii.gz"), options["spacing"])
    return TemplateHeads(options["spacing"])


def _files(folder: Path | None, option: str, pattern: str) -> tuple[Path, ...]:
    """The files of a folder that an option names; none where it was not given."""
    if folder is None:
        return ()
    found = tuple(sorted(folder.glob(pattern))) if folder.is_dir() else ()
    if not found:
        raise InputError(f"The folder {folder} holds no files {pattern}: check {option}.")
    return found
