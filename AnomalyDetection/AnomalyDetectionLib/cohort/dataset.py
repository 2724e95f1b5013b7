"""The results folder of a cohort: a BIDS derivatives dataset.

    dataset_description.json            program and source dataset
    .bidsignore                         files outside the BIDS rules
    code/settings.json                  settings of all scans
    sub-XX[/ses-YY]/                    the results of a scan, complete or absent (see `scan`)
    errors.csv                          scans without a result, and why
    group*                              output of `group`
    logs/                               logs of scans that failed by an error of the program, and of failed jobs
    .work/                              temporary files of running jobs

Brain Imaging Data Structure 1.10, https://bids-specification.readthedocs.io, "Derivatives".
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .. import __version__
from ..bids.selection import CohortScan
from ..errors import InputError
from ..files.atomic_file import synchronise, write_text_atomically
from ..files.folder_lock import locked
from ..files.text import display_path
from . import sidecars
from .cohort_settings import CohortSettings
from .failures import FailedScans
from .input_files import RAW, UNREADABLE, exists, has_inputs_of, images_of, is_same

BIDS_VERSION = "1.10.0"
DESCRIPTION, SETTINGS = "dataset_description.json", "code/settings.json"
WORK, LOGS = ".work", "logs"
_OLD = ".old-"
_COMPARED = 5
"""Number of results whose images are compared to recognise a dataset that was moved."""
RECORD = "space-FLAIR_desc-anomaly_dseg.json"
"""Name of a scan's record, after the scan's name; a scan with a record is finished."""

_IGNORED = (
    "errors.csv",
    "group*",
    "logs",
    "figures",
    "score_map",
    "*_statmap.*",
    "*.seg.nrrd",
    "*_report.html",
    "*_review*",
)
_README = """Suspected anomalies on T1 and FLAIR brain MRI, found by AnomalyDetection (anomaly-detection bids).

Research use only. Not a medical device; not for diagnosis.

sub-*/[ses-*/]anat/  *_dseg: the findings, as a label image on the FLAIR's own grid, as a table (tsv), and with all that
                     led to them (json); *_statmap: score of every voxel; *_mask: where anomalies were looked for
sub-*/[ses-*/]figures/  pictures; *_report.html beside it: the report
errors.csv           scans without a result, and why
group*               tables, figures and pages of the whole group
code/settings.json   what all scans were analysed with
"""
_IN_WORDS = {
    "model_sha256": "model",
    "version": "version of the program",
    "register": "registration",
    "bias_correction": "bias correction",
    "keep_scores": "--keep-scores",
    "pictures": "--no-pictures",
    "hide": "--hide",
    "filter": "--bids-filter-file",
}  # fmt: skip


@dataclass(frozen=True)
class Dataset:
    """The results of a cohort.

    Attributes:
        folder: of the dataset.
        source: the BIDS dataset of the scans.
        settings: of the analysis.
    """

    folder: Path
    source: Path
    settings: CohortSettings

    @classmethod
    def begin(cls, folder: Path, source: Path, settings: CohortSettings) -> Dataset:
        """Create the dataset, or open one that was made with the same settings.

        An InputError says if the folder holds other files or results, or cannot be written to.
        """
        made = cls._checked(folder.absolute(), source.absolute(), settings)
        try:
            with locked(made.work / "begin"):
                # Another run may have created it in the meantime.
                cls._checked(made.folder, made.source, settings)
                made._write()
            made._recover()
        except OSError as error:
            raise InputError(
                f"The output folder {folder} cannot be written ({error.strerror}): choose another."
            ) from error
        return made

    @classmethod
    def _checked(cls, folder: Path, source: Path, settings: CohortSettings) -> Dataset:
        """The dataset, if it can be created or continued; writes nothing."""
        if folder.resolve() == source.resolve():
            raise InputError(f"{folder} is the dataset itself: give another folder for the results, such as {source}/derivatives/anomaly.")  # fmt: skip
        if folder.exists() and not folder.is_dir():
            raise InputError(f"The output folder {folder} is a file: give a folder.")
        made = cls(folder, source, settings)
        if (folder / SETTINGS).exists():
            before = cls.open(folder)
            if different := _differences(before.settings, settings):
                raise InputError(
                    f"{folder} holds results with another {different}: give the same settings to continue, or another folder."
                )
            before.at(source)
        elif folder.exists() and any(p.name not in {WORK, "code"} for p in folder.iterdir()):
            raise InputError(f"{folder} holds other files: give an empty or new folder for the results.")
        return made

    def at(self, source: Path) -> Dataset:
        """The dataset with this source, which is at the same path or has the same images; else an InputError."""
        source = source.absolute()
        if self.source.resolve() == source.resolve():
            return replace(self, source=source)
        if exists(self.source):
            raise InputError(
                f"{self.folder} holds results of the dataset {self.source}: give another folder."
            )
        if all(has_inputs_of(path, source) for path in islice(self.records(), _COMPARED)):
            return replace(self, source=source)
        raise InputError(f"{self.folder} holds results of the dataset {self.source}, which no longer exists, and the images in {source} differ: give another folder.")  # fmt: skip

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """Open an existing dataset; InputError if there is none, or its settings are damaged."""
        path = folder / SETTINGS
        try:
            content = json.loads(path.read_text("utf-8"))
            settings = CohortSettings.from_plain(content["settings"])
            return cls(folder.absolute(), Path(content["source"]), settings)
        except FileNotFoundError as error:
            raise InputError(
                f"{folder} holds no results of a cohort: run the level participant first."
            ) from error
        except (*UNREADABLE, InputError) as error:
            raise InputError(
                f"{path} cannot be read ({error}): give another folder for the results."
            ) from error

    @property
    def work(self) -> Path:
        """The folder for temporary files."""
        return self.folder / WORK

    @property
    def logs(self) -> Path:
        """The folder for logs of failures."""
        return self.folder / LOGS

    @property
    def failures(self) -> FailedScans:
        """The scans without a result."""
        return FailedScans(self.folder, self.work)

    def place(self, scan: CohortScan) -> Path:
        """The results folder of a scan."""
        return self.folder / scan.subject / scan.session if scan.session else self.folder / scan.subject

    def record(self, scan: CohortScan) -> Path:
        """The record of a scan, which exists if the scan is finished."""
        return self.place(scan) / "anat" / f"{scan.name}_{RECORD}"

    def records(self) -> Iterator[Path]:
        """The records of all finished scans, by name."""
        for subject in sorted(p for p in self.folder.glob("sub-*") if p.is_dir()):
            sessions = sorted(p for p in subject.glob("ses-*") if p.is_dir())
            for place in (subject, *sessions):
                name = subject.name if place == subject else f"{subject.name}_{place.name}"
                path = place / "anat" / f"{name}_{RECORD}"
                if path.is_file():
                    yield path

    def from_source(self, path: Path) -> str:
        """The BIDS URI of a file of the source dataset; the name of any other file."""
        try:
            return f"{RAW}{path.relative_to(self.source).as_posix()}"
        except ValueError:
            return path.name

    def holds(self, named: str) -> bool:
        """Whether the source dataset has the file of a URI from `from_source`; True for names of other files."""
        return not named.startswith(RAW) or exists(self.source / named.removeprefix(RAW))

    def inputs(self, scan: CohortScan) -> dict[str, Any]:
        """The input files of a scan, to recognise whether its results are up to date; without their SHA256."""
        inputs, series = {}, {"t1": scan.t1_series, "flair": scan.flair_series}
        for role, path in images_of(scan).items():
            found, name = path.stat(), self.from_source(path)
            inputs[role] = {"file": name, "bytes": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": ""}
            if uid := series.get(role):
                inputs[role]["series"] = uid
        return inputs

    def is_finished(self, scan: CohortScan) -> bool:
        """Whether the scan has a complete result with these settings and images.

        Images are the same if size and time of the files, or else their contents, are equal.
        """
        try:
            cohort = json.loads(self.record(scan).read_text("utf-8"))["cohort"]
            before, now = cohort["inputs"], self.inputs(scan)
            if cohort["settings"] != self.settings.fingerprint or before.keys() != now.keys():
                return False
            return all(is_same(path, now[role], before[role]) for role, path in images_of(scan).items())
        except (*UNREADABLE, InputError):
            return False

    def publish(self, working: Path, scan: CohortScan) -> None:
        """Move a finished folder into its place in one step; an older result is removed once the new one is on the disk.

        The files are flushed to the disk first, so that they survive a power cut; `recover` restores an older result,
        which is also kept in its place if this raises an OSError.
        """
        for path in (*working.rglob("*"), working):
            synchronise(path)
        place = self.place(scan)
        place.parent.mkdir(parents=True, exist_ok=True)
        synchronise(place.parent.parent)
        if not place.exists():
            working.rename(place)
            synchronise(place.parent)
            return
        old = Path(tempfile.mkdtemp(prefix=f"{scan.name}{_OLD}", dir=self.work)) / "old"
        place.rename(old)
        try:
            working.rename(place)
        except BaseException:
            old.rename(place)
            raise
        _bring_sessions(old, place)
        for folder in (place, place.parent, old.parent, self.work):
            synchronise(folder)
        shutil.rmtree(old.parent, ignore_errors=True)

    def recover(self, name: str) -> None:
        """Restore an older result of the scan of this name that a killed process had moved away; remove its other files.

        The caller must hold the scan's lock.
        """
        for left in [p for p in self.work.iterdir() if p.name.partition(".")[0] == name]:
            old = left / "old"
            if left.name.startswith(f"{name}{_OLD}") and old.is_dir():
                place = self.folder.joinpath(*name.split("_"))
                if place.exists():
                    _bring_sessions(old, place)
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    old.rename(place)
                synchronise(place.parent)
            shutil.rmtree(left, ignore_errors=True)

    def _recover(self) -> None:
        """Recover all scans that no other process is working on."""
        for name in {p.name.partition(".")[0] for p in self.work.glob(f"*{_OLD}*")}:
            with locked(self.work / "locks" / name, wait=False) as lock:
                if lock.exclusive:
                    self.recover(name)

    def without_folders(self, value: Any) -> Any:
        """A text, or JSON values, without the paths of this machine's folders, which are private."""
        if isinstance(value, dict):
            return {name: self.without_folders(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.without_folders(item) for item in value]
        if not isinstance(value, str):
            return value
        roots = {self.source, self.folder}
        roots |= {Path(self.settings.brain_masks), Path(self.settings.detection.model).parent}
        roots |= {root.resolve() for root in roots if root.is_absolute()}
        roots = {root for root in roots if root.is_absolute() and root != root.parent}
        for root in sorted(roots, key=lambda root: -len(str(root))):
            value = value.replace(f"{root}{os.sep}", "")
            value = re.sub(re.escape(str(root)) + r"(?!\w)", root.name.replace("\\", r"\\"), value)
        return value

    def _write(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        (self.folder / SETTINGS).parent.mkdir(exist_ok=True)
        files = {  # write the settings first: they identify the folder even if the run is killed right after
            SETTINGS: sidecars.json_text({"source": str(self.source), "settings": self.settings.plain()}),
            "README": _README,
            ".bidsignore": "\n".join(_IGNORED) + "\n",
            DESCRIPTION: sidecars.json_text(self._description()),
            **{f"{name}.json": sidecars.json_text(content) for name, content in sidecars.common().items()},
        }
        for name, text in files.items():
            path = self.folder / name
            if not path.exists() or path.read_text("utf-8") != text:
                write_text_atomically(path, text)

    def _description(self) -> dict[str, Any]:
        link = quote(display_path(self.source.name))  # its path on this machine is private
        if self.folder.resolve().is_relative_to(self.source.resolve()):
            link = Path(os.path.relpath(self.source.resolve(), self.folder.resolve())).as_posix()
        try:
            about = json.loads((self.source / DESCRIPTION).read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            about = None
        about = about if isinstance(about, dict) else {}
        source = {"URL": link}
        if about.get("DatasetDOI"):
            source["DOI"] = str(about["DatasetDOI"])
        model = {"Name": Path(self.settings.detection.model).stem, "SHA256": self.settings.model_sha256}
        program = {
            "Name": "AnomalyDetection",
            "Version": __version__,
            "Description": "anomaly-detection bids. Research use only. Not a medical device; not for diagnosis.",
            "Model": model,
            "Settings": self.settings.fingerprint,
        }
        return {
            "Name": f"Suspected anomalies in {about.get('Name') or self.source.name}",
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": [program],
            "SourceDatasets": [source],
            "DatasetLinks": {"raw": link},
        }


def _differences(before: CohortSettings, now: CohortSettings) -> str:
    """The names of the settings that differ and that results depend on; "" if there are none."""
    old, new = before.in_results, now.in_results
    names = [name for name in new if old.get(name) != new[name]]
    return " and another ".join(_IN_WORDS.get(name, "--" + name.replace("_", "-")) for name in names)


def _bring_sessions(old: Path, place: Path) -> None:
    """Move sessions of the subject and reviews from the old result folder to the new one."""
    sessions = [path for path in old.glob("ses-*") if path.is_dir()]
    for left in [p for p in (*sessions, *old.glob("*_review*")) if not (place / p.name).exists()]:
        left.rename(place / left.name)
