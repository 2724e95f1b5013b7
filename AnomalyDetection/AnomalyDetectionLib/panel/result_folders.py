"""Result folders: open one, save its review automatically, and close it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from ..errors import InputError
from ..reporting.result_folder import ImageNotFoundError, ResultFolder, ResultImage, find_image, open_folder
from ..scene.opened_folder import OpenedResult, close_result, open_again, open_result, remember
from ..scene.result import Result
from ..scene.saved_review import save_review
from .remarks import remarks
from .widgets import Observers, say, timer

REST_MS = 600  # how long after the last change the review is saved, ms
LAST_FOLDER = "AnomalyDetection/ResultFolder"


class ResultFolders:
    """The button "Open a result folder", and the folder that is open."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._opened: OpenedResult | None = None
        self._observers = Observers()
        self._timer = timer(REST_MS, self.save)
        panel.ui.openResultButton.clicked.connect(self.choose)
        say(panel.ui.worklistMessageLabel, "")

    @property
    def folder(self) -> Path | None:
        """The folder that is open."""
        return None if self._opened is None else self._opened.folder.folder

    def choose(self) -> None:
        """Ask for a folder, and open it."""
        settings = slicer.app.userSettings()
        chosen = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Result folder"), str(settings.value(LAST_FOLDER) or "")
        )
        if chosen:
            settings.setValue(LAST_FOLDER, str(Path(chosen).parent))
            self.open(Path(chosen))

    def open(self, folder: Path, also: Mapping[str, Path] | None = None, patient: str = "") -> bool:
        """Open a result folder; the previous one is saved and closed.

        Args:
            also: other paths of the images "t1" and "flair", besides those in the record.
            patient: name of the patient, if the images do not have it.

        Returns whether it was opened.
        """
        try:
            found = open_folder(folder)
            images = self._images(found, also or {})
            if images is None or not self.close():
                return False
            with slicer.util.WaitCursor():
                opened = open_result(self._panel.scene, self._panel.logics, found, images, patient)
        except InputError as error:
            self._say(str(error), "error")
            return False
        self._follow(opened)
        with slicer.util.WaitCursor():
            self._panel.show(opened.result, arrange=True)
        self._say("\n".join(opened.remarks), "warning")
        self._panel.detect.tell([*opened.remarks, *remarks(opened.result)])
        return True

    def take(self, result: Result | None) -> None:
        """Called before another result is shown: one that a saved scene has of a folder is saved there again."""
        there = self._there()
        if result is None or (there is not None and there.result.score is result.score):
            return
        try:
            opened = open_again(self._panel.scene, self._panel.logics, result)
        except InputError as error:
            self._panel.detect.tell([str(error)])
            return
        if opened is not None and self.save():
            self._forget()
            self._follow(opened)
            if opened.remarks:
                self._panel.detect.tell(list(opened.remarks))

    def save(self, *, viewed: bool = False) -> bool:
        """Save the review, if it has changed; False if that failed, which is shown to the user."""
        self._timer.stop()
        opened = self._there()
        if opened is None:
            return True
        try:
            saved, notes = save_review(opened.result, opened.folder, opened.saved, viewed=viewed)
        except InputError as error:
            self._say(str(error), "error")
            return False
        if saved != opened.saved:
            self._opened = replace(opened, saved=saved)
            remember(self._opened)
        if notes:
            self._say("\n".join(notes), "warning")
        self._panel.worklist.show()
        return True

    def close(self) -> bool:
        """Save the review and remove the result from the scene; False if saving failed and the reader keeps the result open."""
        opened = self._there()
        if opened is not None:
            self._take_edits(opened)
            if not self.save(viewed=True):
                text = _("The review of {name} cannot be saved. Close it anyway and lose the review?")
                if not slicer.util.confirmYesNoDisplay(text.format(name=opened.folder.name)):
                    return False
            self._forget()
            close_result(self._panel.scene, opened.result)
            self._panel.refresh()
        self._forget()
        return True

    def stop(self) -> None:
        """Called before the scene or the panel is closed: save the review."""
        if (opened := self._there()) is not None:
            self._take_edits(opened)
        self.save(viewed=True)
        self._forget()

    def _take_edits(self, opened: OpenedResult) -> None:
        """Take over what the reader has typed or drawn last, segments added in the Segment Editor included."""
        if self._panel.result is not None and self._panel.result.score is opened.result.score:
            self._panel.by_hand.take(adopt=True)

    def _images(self, found: ResultFolder, also: Mapping[str, Path]) -> dict[str, ResultImage] | None:
        """Find T1 and FLAIR, and ask for those that are missing; None if the reader cancels."""
        images: dict[str, ResultImage] = {}
        given: Path | None = None
        while len(images) < 2:
            role = ("t1", "flair")[len(images)]
            try:
                with slicer.util.WaitCursor():
                    images[role] = find_image(found, role, given, [also[role]] if role in also else [])
                given = None
            except ImageNotFoundError as error:
                title = _("Anomaly Detection: {name}").format(name=found.name)
                if not slicer.util.confirmOkCancelDisplay(str(error), title):
                    return None
                given = self._ask_for(found, role)
                if given is None:
                    return None
        return images

    def _ask_for(self, found: ResultFolder, role: str) -> Path | None:
        window, title = slicer.util.mainWindow(), _("T1") if role == "t1" else _("FLAIR")
        start = str(found.folder.parent)
        if int(found.record["inputs"][role].get("dicom_files") or 0):
            chosen = qt.QFileDialog.getExistingDirectory(window, title, start)
        else:
            chosen = qt.QFileDialog.getOpenFileName(window, title, start)
        return Path(chosen) if chosen else None

    def _there(self) -> OpenedResult | None:
        """The open result, unless the reader has deleted a part of it."""
        if self._opened is None:
            return None
        result, scene = self._opened.result, self._panel.scene
        nodes = (result.score, result.table, result.record, result.segmentation, result.flair)
        return self._opened if all(scene.IsNodePresent(node) for node in nodes) else None

    def _follow(self, opened: OpenedResult) -> None:
        self._opened = opened
        remember(opened)
        for node in (opened.result.table, opened.result.record):
            self._observers.add(node, vtk.vtkCommand.ModifiedEvent, self._changed)

    def _forget(self) -> None:
        self._timer.stop()
        self._observers.remove()
        self._opened = None

    def _changed(self, *_: Any) -> None:
        self._timer.start()

    def _say(self, text: str, kind: str) -> None:
        say(self._panel.ui.worklistMessageLabel, text, kind)
        if text and kind == "error":
            self._panel.ui.worklistCollapsibleButton.collapsed = False
