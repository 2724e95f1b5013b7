"""Export: segmentation, label map, table, pictures, report, DICOM objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..dicom.patient import PatientHeader, patient_header
from ..errors import InputError
from ..scene import export
from ..scene.dicom_export import export_dicom
from ..scene.report_export import export_report
from ..scene.result import Result
from .dicom_files import add_to_database, instance_files, is_dicom
from .messages import say
from .remarks import remarks

LAST_FOLDER = "AnomalyDetection/ExportFolder"


class ExportSection:
    """The section "Export" of the panel."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        ui = panel.ui
        ui.exportSegmentationButton.clicked.connect(self.segmentation)
        ui.exportLabelsButton.clicked.connect(self.labels)
        ui.exportTableButton.clicked.connect(self.table)
        ui.exportPicturesButton.clicked.connect(self.pictures)
        ui.exportReportButton.clicked.connect(self.report)
        ui.exportDicomButton.clicked.connect(self.dicom)
        say(ui.exportMessageLabel, "")

    def refresh(self) -> None:
        """Enable the buttons that apply to the current result."""
        ui, there = self._panel.ui, self._panel.result is not None
        for button in (
            ui.exportSegmentationButton,
            ui.exportLabelsButton,
            ui.exportTableButton,
            ui.exportPicturesButton,
            ui.exportReportButton,
            ui.exportDicomButton,
        ):
            button.enabled = there
        result = self._panel.result
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
        self._to_file(
            _("Segmentation (*.seg.nrrd)"),
            ".seg.nrrd",
            lambda result, path: export.export_segmentation(
                result, path, accepted_only=self._accepted_only()
            ),
        )

    def labels(self) -> None:
        """Ask for a file and write the label map."""
        self._to_file(
            _("Label map (*.nii.gz)"),
            ".nii.gz",
            lambda result, path: export.export_labels(result, path, accepted_only=self._accepted_only()),
        )

    def table(self) -> None:
        """Ask for a file and write the table, reviews included."""
        self._to_file(_("Table (*.csv)"), ".csv", export.export_table)

    def pictures(self) -> None:
        """Ask for a folder and write a picture of each finding."""
        result = self._panel.result
        if result is None:
            return
        chosen = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Folder for the pictures"), self._last_folder()
        )
        if chosen:
            folder = Path(chosen) / _file_name(result.segmentation.GetName())
            accepted_only = self._accepted_only()
            self._write(
                lambda: export.export_pictures(result, folder, self._drawing, accepted_only=accepted_only),
                folder,
            )

    def report(self) -> None:
        """Ask for a file and write the report, reviews included."""
        anonymous = bool(self._panel.parameters.anonymousReport)
        self._to_file(
            _("Report (*.html)"),
            ".html",
            lambda result, path: export_report(
                result,
                path,
                patient=self._patient(result),
                anonymous=anonymous,
                accepted_only=self._accepted_only(),
                remarks=remarks(result),
            ),
            "report" if anonymous else "",  # the result's name may contain the patient's name
        )

    def dicom(self) -> None:
        """Ask for a folder and write the DICOM objects; add them to Slicer's database if chosen."""
        result = self._panel.result
        if result is None:
            return
        chosen = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Folder for the DICOM objects"), self._last_folder()
        )
        if not chosen:
            return
        folder = Path(chosen) / (_file_name(result.segmentation.GetName()) + "_DICOM")
        notes: list[str] = []

        def write() -> None:
            written = export_dicom(
                result,
                instance_files(result.flair),
                folder,
                accepted_only=self._accepted_only(),
                remarks=remarks(result),
                reader=_reader(),
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

        self._write(write, folder, notes)

    def _patient(self, result: Result) -> PatientHeader | None:
        """The patient, if the FLAIR was loaded from DICOM images."""
        files = instance_files(result.flair)
        return patient_header(files[0]) if files else None

    def _to_file(self, kind: str, suffix: str, write: Callable[[Result, Path], Any], name: str = "") -> None:
        result = self._panel.result
        if result is None:
            return
        start = Path(self._last_folder()) / ((name or _file_name(result.segmentation.GetName())) + suffix)
        chosen = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), _("Export"), str(start), kind)
        if isinstance(chosen, (tuple, list)):  # with the filter that was chosen, in some bindings of Qt
            chosen = chosen[0]
        if chosen:
            path = Path(chosen if chosen.lower().endswith(suffix) else chosen + suffix)
            # The dialog has only checked the name as it was typed.
            if str(path) == chosen or not path.exists() or self._may_replace(path):
                self._write(lambda: write(result, path), path)

    def _may_replace(self, path: Path) -> bool:
        return bool(
            slicer.util.confirmOkCancelDisplay(_("{path} already exists. Replace it?").format(path=path))
        )

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


def _reader() -> str:
    """The reader's name in Slicer's settings (User); "" if there is none."""
    return str(slicer.app.applicationLogic().GetUserInformation().GetName() or "")


def _file_name(name: str) -> str:
    """A node's name as a valid file name on any system."""
    return re.sub(r'[\\/:*?"<>|\s]+', "_", name).strip("_") or "findings"
