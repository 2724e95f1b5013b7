"""Export: segmentation, label map, table, pictures, report, DICOM objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..dicom.patient import patient_header
from ..errors import InputError
from ..scene import export
from ..scene.dicom_export import export_dicom
from ..scene.report_export import export_report
from ..scene.result import Result
from .dicom_files import add_to_database, instance_files, is_dicom
from .remarks import remarks
from .widgets import say

LAST_FOLDER = "AnomalyDetection/ExportFolder"
LONGEST_NAME = 120
"""Bytes of a file's name without its ending: most systems take 255, Windows 260 for the whole path."""


class ExportSection:
    """The section "Export" of the panel."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        ui = panel.ui
        slots = (
            (ui.exportSegmentationButton, self.segmentation),
            (ui.exportLabelsButton, self.labels),
            (ui.exportTableButton, self.table),
            (ui.exportPicturesButton, self.pictures),
            (ui.exportReportButton, self.report),
            (ui.exportDicomButton, self.dicom),
        )
        for button, slot in slots:
            button.clicked.connect(slot)
        self._buttons = [button for button, _slot in slots]
        say(ui.exportMessageLabel, "")

    def refresh(self) -> None:
        """Enable the buttons that apply to the current result."""
        ui, result = self._panel.ui, self._panel.result
        for button in self._buttons:
            button.enabled = result is not None
        of_dicom = result is not None and is_dicom(result.flair)
        ui.exportDicomButton.enabled = of_dicom
        ui.exportDicomButton.toolTip = (
            _("Save the findings with your review as DICOM objects (a segmentation and a structured report).")
            if of_dicom or result is None
            else _(
                "The FLAIR was not loaded from DICOM images, which DICOM objects must refer to: detect"
                " anomalies in its DICOM series, loaded with the DICOM module or from a worklist of DICOM studies."
            )
        )

    def segmentation(self) -> None:
        """Ask for a file and write the segmentation."""
        kind, only = _("Segmentation (*.seg.nrrd)"), self._accepted_only()
        self._to_file(kind, ".seg.nrrd", export.export_segmentation, accepted_only=only)

    def labels(self) -> None:
        """Ask for a file and write the label map."""
        kind, only = _("Label map (*.nii.gz)"), self._accepted_only()
        self._to_file(kind, ".nii.gz", export.export_labels, accepted_only=only)

    def table(self) -> None:
        """Ask for a file and write the table, reviews included."""
        self._to_file(_("Table (*.csv)"), ".csv", export.export_table)

    def pictures(self) -> None:
        """Ask for a folder and write a picture of each finding."""

        def write(result: Result, folder: Path) -> None:
            only = self._accepted_only()
            export.export_pictures(result, folder, self._drawing, accepted_only=only)

        self._to_folder(_("Folder for the pictures"), "", write)

    def report(self) -> None:
        """Ask for a file and write the report, reviews included."""
        anonymous = bool(self._panel.parameters.anonymousReport)

        def write(result: Result, path: Path) -> None:
            files = instance_files(result.flair)  # empty: not of DICOM images
            export_report(
                result,
                path,
                patient=patient_header(files[0]) if files else None,
                anonymous=anonymous,
                accepted_only=self._accepted_only(),
                remarks=remarks(result),
            )

        # The result's name may contain the patient's name.
        self._to_file(_("Report (*.html)"), ".html", write, name="report" if anonymous else "")

    def dicom(self) -> None:
        """Ask for a folder and write the DICOM objects; add them to Slicer's database if chosen."""
        notes: list[str] = []

        def write(result: Result, folder: Path) -> None:
            written = export_dicom(
                result,
                instance_files(result.flair),
                folder,
                accepted_only=self._accepted_only(),
                remarks=remarks(result),
                reader=str(slicer.app.applicationLogic().GetUserInformation().GetName() or ""),
            )
            notes.extend(f"{sentence}." for sentence in written.remarks)
            if self._panel.ui.dicomDatabaseCheckBox.checked:
                notes.append(
                    _("Added to Slicer's DICOM database.")
                    if add_to_database(folder)
                    else _(
                        "They could not be added to the DICOM database: import the folder in the DICOM module."
                    )
                )

        self._to_folder(_("Folder for the DICOM objects"), "_DICOM", write, notes)

    def _to_folder(
        self, title: str, ending: str, write: Callable[[Result, Path], Any], notes: Sequence[str] = ()
    ) -> None:
        """Ask for a folder and write into a new one in it, named after the result."""
        result = self._panel.result
        if result is None:
            return
        chosen = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, self._last_folder())
        if chosen:
            folder = Path(chosen) / (_file_name(result.segmentation.GetName()) + ending)
            # It may be of another patient whose FLAIR has the same name.
            if not folder.exists() or self._may_replace(folder):
                self._write(lambda: write(result, folder), folder, notes)

    def _to_file(
        self, kind: str, suffix: str, write: Callable[..., Any], *, name: str = "", **options: bool
    ) -> None:
        result = self._panel.result
        if result is None:
            return
        start = Path(self._last_folder()) / ((name or _file_name(result.segmentation.GetName())) + suffix)
        chosen = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), _("Export"), str(start), kind)
        if isinstance(chosen, (tuple, list)):  # with the filter that was chosen, in some bindings of Qt
            chosen = chosen[0]
        if chosen:
            path = export.with_suffix(Path(chosen), suffix)
            # The dialog has only checked the name as it was typed.
            unasked = path != Path(chosen) and path.exists()
            if not unasked or self._may_replace(path):
                self._write(lambda: write(result, path, **options), path)

    def _may_replace(self, path: Path) -> bool:
        question = _("{path} already exists. Replace it?").format(path=path)
        return bool(slicer.util.confirmOkCancelDisplay(question))

    def _write(self, write: Callable[[], Any], path: Path, notes: Sequence[str] = ()) -> None:
        try:
            with slicer.util.WaitCursor():
                write()
        except (InputError, OSError) as error:
            say(self._panel.ui.exportMessageLabel, str(error), "error")
            return
        slicer.app.userSettings().setValue(LAST_FOLDER, str(path.parent))
        good = _("Written: {path}").format(path=path)
        say(self._panel.ui.exportMessageLabel, " ".join([good, *notes]), "good")

    def _drawing(self, done: int, count: int) -> None:
        """Show the progress of the pictures; a hundred of them take about ten seconds."""
        say(
            self._panel.ui.exportMessageLabel,
            _("Picture {number} of {count} ...").format(number=done + 1, count=count),
        )
        slicer.app.processEvents(qt.QEventLoop.ExcludeUserInputEvents)

    def _accepted_only(self) -> bool:
        return bool(self._panel.parameters.acceptedOnly)

    def _last_folder(self) -> str:
        return str(slicer.app.userSettings().value(LAST_FOLDER) or Path.home())


def _file_name(name: str) -> str:
    """A node's name as a valid file name on any system, with room for an ending."""
    valid = re.sub(r'[\\/:*?"<>|\s\x00-\x1f]+', "_", name).encode("utf-8", "ignore")[:LONGEST_NAME]
    return valid.decode("utf-8", "ignore").strip("_.") or "findings"
