"""Worklist: the studies of a folder, analysed in the background one by one, and a key for the next patient."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..bids.bids_layout import is_bids
from ..errors import InputError
from ..reporting import worklist_file
from ..reporting.worklist_file import (
    DONE,
    FAILED,
    RUNNING,
    WorklistEntry,
    read_worklist,
    review_file,
    write_reviews,
)
from ..scene.engine_job import EngineJob
from ..scene.export import with_suffix
from . import slicer_python
from .dicom_files import studies_in_database
from .widgets import say, timer

POLL_MS = 500
LAST = "AnomalyDetection/Worklist"  # application setting: source and results folder of the last list
STUDY, STATE = range(2)


class WorklistSection:
    """The section "Worklist" of the panel."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._source: Path | None = None
        self._results: Path | None = None
        self._list = worklist_file.Worklist()
        self._read_at = 0
        self._counts: dict[str, tuple[int, tuple[int, int] | None]] = {}
        self._run: EngineJob | None = None
        self._detecting = False
        self._refused = ""  # the scan of the study that could not be opened just now
        self._timer = timer(POLL_MS, self._poll, repeat=True)
        ui = panel.ui
        table = ui.worklistTable
        table.setColumnCount(2)
        table.setHorizontalHeaderLabels([_("Study"), _("State")])
        table.horizontalHeader().setSectionResizeMode(STUDY, qt.QHeaderView.Stretch)
        table.verticalHeader().visible = False
        table.cellDoubleClicked.connect(self._double_clicked)
        ui.worklistFolderButton.clicked.connect(self.choose)
        ui.worklistDatabaseButton.clicked.connect(self.take_database)
        ui.worklistRunButton.clicked.connect(self.run_or_stop)
        ui.worklistNextButton.clicked.connect(self.next)
        ui.worklistTableButton.clicked.connect(self.save_table)
        ui.worklistCollapsibleButton.contentsCollapsed.connect(self._collapsed)
        self.show()

    @property
    def entries(self) -> tuple[WorklistEntry, ...]:
        """The studies that are listed."""
        return self._list.entries

    @property
    def running(self) -> bool:
        """Whether studies are being searched for or analysed."""
        return self._run is not None

    @property
    def is_open(self) -> bool:
        """Whether the open result is of a study in the list."""
        return self._place_of_open() is not None

    def choose(self) -> None:
        """Ask for a folder of studies, and list them."""
        window = slicer.util.mainWindow()
        chosen = qt.QFileDialog.getExistingDirectory(window, _("Folder of studies"), str(self._source or ""))
        if not chosen:
            return
        source = Path(chosen)
        derivatives = source / "derivatives" if is_bids(source) else source
        results = derivatives / "anomaly-detection"
        if not results.is_dir() and not os.access(source, os.W_OK):
            elsewhere = qt.QFileDialog.getExistingDirectory(window, _("Folder for the results"), "")
            if not elsewhere:
                return
            results = Path(elsewhere)
        self.open(source, results)

    def take_database(self) -> None:
        """List the MR studies of Slicer's DICOM database."""
        with slicer.util.WaitCursor():  # takes seconds with thousands of series
            studies = studies_in_database()
        if not studies:
            self._say(_("Slicer's DICOM database has no MR study: import one (DICOM module)."), "error")
            return
        chosen = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Folder for the results"), ""
        )
        if not chosen:
            return
        results = Path(chosen)
        listed = results / ".work" / "studies.json"
        try:
            listed.parent.mkdir(parents=True, exist_ok=True)
            listed.write_text(json.dumps(studies), encoding="utf-8")
        except OSError as error:
            text = _("The folder {folder} cannot be written ({reason}): choose another.")
            self._say(text.format(folder=results, reason=error.strerror), "error")
            return
        self.open(listed, results)

    def open(self, source: Path, results: Path) -> None:
        """List the studies of a folder. `source`, `results`: as for the engine's command `worklist`."""
        self.stop()
        self._source, self._results = source, results
        self._counts, self._read_at = {}, 0
        self._list = read_worklist(results) or worklist_file.Worklist()
        slicer.app.userSettings().setValue(LAST, json.dumps([str(source), str(results)]))
        self._say("")
        self._start("--list")

    def run_or_stop(self) -> None:
        """Start to analyse the studies without a result, or stop."""
        if self._detecting:
            self.stop()
            self._say(_("Stopped. Finished studies are kept; Detect all continues."))
            self.show()
            return
        if self._source is None or not self._panel.detect.installed():
            return
        self.stop()
        advanced = self._panel.advanced
        model = advanced.model()
        arguments = ["--device", advanced.device(), *(["--model", model] if model else [])]
        self._say("")
        self._start(*arguments)

    def next(self) -> None:
        """Save the review and open the next unreviewed study; after the last continue with the first."""
        self._panel.review.keep_note()
        self._panel.folders.save(viewed=True)
        entries, now = self.entries, self._place_of_open()
        scans = [entry.scan for entry in entries]
        last = scans.index(self._refused) if self._refused in scans else now
        begin = 0 if last is None else last + 1
        in_turn = (*entries[begin:], *entries[:begin])
        counts = {entry.scan: self._count(entry) for entry in entries}
        ready = [one for one in in_turn if one.state == DONE and not _all_reviewed(counts[one.scan])]
        others = [entry for entry in ready if now is None or entry is not entries[now]]
        waiting = sum(entry.state not in (DONE, FAILED) for entry in entries)
        if others:
            self.open_study(others[0])
        elif not entries:
            self._say(_("There is no worklist: choose a folder of studies."))
        elif ready:
            self._say(_("No other study is ready: complete the review of this one."))
        elif waiting:
            text = _("All analysed studies are reviewed; still to be analysed: {waiting}.")
            self._say(text.format(waiting=waiting))
        else:
            self._say(_("All studies are reviewed."), "good")

    def open_study(self, entry: WorklistEntry) -> bool:
        """Open the result of a study; returns whether it was opened."""
        if self._results is None or entry.state != DONE:
            return False
        also = {"t1": Path(entry.t1), "flair": Path(entry.flair)} if entry.t1 and entry.flair else {}
        patient = entry.name if entry.name != entry.scan else ""  # in BIDS the scan's name is the patient's
        opened: bool = self._panel.folders.open(self._results / entry.place, also, patient)
        self._refused = "" if opened else entry.scan
        self.show()
        return opened

    def save_table(self) -> None:
        """Ask for a file, and export all reviews to it."""
        if self._results is None:
            return
        self._panel.folders.save()
        start = self._results.parent / "reviews.csv"
        chosen = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), _("All reviews"), str(start), _("Table (*.csv)")
        )
        if not chosen:
            return
        path = with_suffix(Path(chosen), ".csv")
        try:
            write_reviews(self._list, self._results, path)
        except InputError as error:
            self._say(str(error), "error")
            return
        self._say(_("Written: {path}").format(path=path), "good")

    def show(self) -> None:
        """Update the table of studies and enable the buttons that apply."""
        ui, entries = self._panel.ui, self.entries
        table = ui.worklistTable
        table.visible = bool(entries)
        if table.rowCount != len(entries):
            table.setRowCount(len(entries))
        now = self._place_of_open()
        for row, entry in enumerate(entries):
            for column, text in ((STUDY, entry.name), (STATE, self._state_of(entry))):
                item = table.item(row, column)
                if item is None:
                    item = qt.QTableWidgetItem()
                    table.setItem(row, column, item)
                if item.text() != text:
                    item.setText(text)
                item.setToolTip(entry.reason or text)
                font = item.font()
                if font.bold() != (row == now):
                    font.setBold(row == now)
                    item.setFont(font)
        ui.worklistRunButton.enabled = self._source is not None
        ui.worklistRunButton.text = _("Stop") if self._detecting else _("Detect all")
        ui.worklistNextButton.enabled = any(entry.state == DONE for entry in entries)
        ui.worklistTableButton.enabled = bool(entries)

    def stop(self) -> None:
        """Stop the running analysis; finished studies are kept."""
        self._timer.stop()
        run, self._run, self._detecting = self._run, None, False
        if run is not None:
            run.cancel()

    def _start(self, *arguments: str) -> None:
        given = ["worklist", str(self._source), str(self._results), *arguments]
        given += ["--progress", "json", "--parent", str(os.getpid())]
        try:
            self._run = slicer_python.start_engine(*given)
        except InputError as error:
            self._say(str(error), "error")
            return
        self._detecting = "--list" not in arguments
        self._timer.start()
        self.show()

    def _poll(self) -> None:
        run = self._run
        if run is None:
            return
        state = run.state  # before the list is read, so that its last state is not missed
        self._read()
        if state == "running":
            return
        failed = state == "failed" and not self._list.complete
        unfinished = self._detecting and any(entry.state not in (DONE, FAILED) for entry in self.entries)
        error, log = run.error, run.log
        self.stop()
        if error and (failed or unfinished):
            self._say(error, "error")
            self._panel.detect.show_log(log)
        self.show()

    def _read(self) -> None:
        """Read the list again if the engine has changed it."""
        if self._results is None:
            return
        try:
            changed = (self._results / worklist_file.FILE).stat().st_mtime_ns
        except OSError:
            return
        if changed == self._read_at:
            return
        found = read_worklist(self._results)
        if found is not None:
            self._read_at, self._list = changed, found
            self.show()

    def _state_of(self, entry: WorklistEntry) -> str:
        if entry.state == RUNNING:
            return _("running") if self._detecting else _("waiting")
        if entry.state != DONE:
            return _(entry.state)
        counts = self._count(entry)
        if counts is None:
            one = _("1 finding") if entry.findings == 1 else _("{count} findings")
            return one.format(count=entry.findings)
        if _all_reviewed(counts):
            return _("reviewed ({count})").format(count=counts[1])
        return _("{reviewed} of {count} reviewed").format(reviewed=counts[0], count=counts[1])

    def _count(self, entry: WorklistEntry) -> tuple[int, int] | None:
        """The number of reviewed findings of a study; cached until the file changes."""
        if self._results is None or entry.state != DONE:
            return None
        try:
            changed = review_file(self._results, entry).stat().st_mtime_ns
        except OSError:
            return None
        known = self._counts.get(entry.scan)
        if known is None or known[0] != changed:
            known = self._counts[entry.scan] = (changed, worklist_file.reviewed(self._results, entry))
        return known[1]

    def _place_of_open(self) -> int | None:
        """The study that is open."""
        folder = self._panel.folders.folder
        if folder is None or self._results is None:
            return None
        places = [self._results / entry.place for entry in self.entries]
        return places.index(folder) if folder in places else None

    def _double_clicked(self, row: int, _column: int) -> None:
        entry = self.entries[row]
        if not self.open_study(entry) and entry.state != DONE:
            self._say(entry.reason or _("This study has no result yet: wait, or click Detect all."))

    def _collapsed(self, collapsed: bool) -> None:
        """Open the last list again when the section is opened."""
        if collapsed or self._source is not None:
            return
        try:
            source, results = map(Path, json.loads(str(slicer.app.userSettings().value(LAST) or "")))
        except (ValueError, TypeError):
            return
        found = read_worklist(results)
        if found is not None and source.exists():
            self._source, self._results, self._list = source, results, found
            self.show()

    def _say(self, text: str, kind: str = "") -> None:
        say(self._panel.ui.worklistMessageLabel, text, kind)


def _all_reviewed(counts: tuple[int, int] | None) -> bool:
    """Whether all findings of a study are reviewed; None: there is no review."""
    return counts is not None and counts[0] >= counts[1]
