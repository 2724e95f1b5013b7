"""The module's self test in Slicer: detection in the sample by logic and panel, and all steps of a review.

`AnomalyDetection.py` exports it for Slicer, which finds it by the name of the module.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"
PREFIX = "AnomalyDetection/"
SECONDS = 300.0


class AnomalyDetectionTest(ScriptedLoadableModuleTest):
    """The sample through the logic and the panel, inside Slicer."""

    def setUp(self) -> None:
        """Start with an empty scene, default settings, and an installed engine."""
        from .first_run import missing_requirements

        settings = slicer.app.userSettings()
        keys = [key for key in settings.allKeys() if key.startswith(PREFIX)]
        self._settings = {key: settings.value(key) for key in keys}
        self._layout = self._layouts().layout if self._layouts() is not None else None
        missing = missing_requirements()
        if missing:
            self.skipTest(f"Python packages are not installed: {', '.join(missing)}")
        slicer.util.selectModule("AnomalyDetection")
        self._keep_layout(False)
        slicer.mrmlScene.Clear()

    def tearDown(self) -> None:
        """Restore the user's settings and layout."""
        slicer.mrmlScene.Clear()
        settings = slicer.app.userSettings()
        self._keep_layout(str(self._settings.get(f"{PREFIX}KeepLayout") or "").lower() == "true")
        go_on = str(self._settings.get(f"{PREFIX}GoOn")).lower() != "false"
        self._widget().ui.goOnCheckBox.checked = go_on
        for key in settings.allKeys():
            if key.startswith(PREFIX) and key not in self._settings:
                settings.remove(key)
        for key, value in self._settings.items():
            settings.setValue(key, value)
        if self._layout is not None:
            self._layouts().setLayout(self._layout)

    def runTest(self) -> None:
        """All tests, each on an empty scene."""
        for test in (
            self.test_the_logic_finds_the_infarcts_of_the_sample,
            self.test_the_panel_from_click_to_review,
            self.test_edits_by_hand_stay_and_are_taken_back,
            self.test_a_review_survives_saving_and_opening_the_scene,
            self.test_a_result_folder_is_opened_and_its_review_is_saved_beside_it,
            self.test_studies_are_listed_detected_and_read_one_after_another,
            self.test_an_earlier_result_is_compared_and_opened_beside,
            self.test_a_finding_that_was_missed_is_added_and_a_click_selects_one,
            self.test_a_volume_that_is_deleted_takes_its_result_along,
        ):
            try:
                self.setUp()
                test()
            except unittest.SkipTest as reason:
                self.delayDisplay(str(reason))
            finally:
                self.tearDown()

    def test_the_logic_finds_the_infarcts_of_the_sample(self) -> None:
        from ..scene.result import result_of, settings_of
        from .sample_data import load_sample

        t1, flair = load_sample()
        score, segmentation = self._widget().logic.process(t1, flair)
        scores = slicer.util.arrayFromVolume(score)
        self.assertEqual(scores.shape, slicer.util.arrayFromVolume(flair).shape)
        result = result_of(score)
        assert result is not None
        self.assertGreater(scores.max(), settings_of(result)[0])
        found = np.zeros(scores.shape, bool)
        for segment_id in segmentation.GetSegmentation().GetSegmentIDs():
            found |= slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, flair) > 0
        truth = slicer.util.arrayFromVolume(
            slicer.util.loadLabelVolume(self.sample_path("simulated_truth.nii.gz"))
        )
        millilitres = np.prod(flair.GetSpacing()) / 1000
        large = [n for n in np.unique(truth[truth > 0]) if (truth == n).sum() * millilitres >= 1]
        self.assertEqual(len(large), 5)
        for number in large:
            self.assertTrue(found[truth == number].any(), f"infarct {number} of 1 ml or more was not found")

    def test_the_panel_from_click_to_review(self) -> None:
        from ..scene.findings_table import rows, unreviewed

        widget = self.detected_sample()
        result, ui, review = widget.panel.result, widget.ui, widget.panel.review
        count = len(rows(result.table))
        self.assertGreaterEqual(count, 5)
        self.assertEqual(ui.findingsTable.rowCount, count)
        self.assertEqual(unreviewed(result.table), count)
        first = review.selected
        ui.goOnCheckBox.checked = True
        ui.nextButton.click()
        self.assertNotEqual(review.selected, first)
        ui.previousButton.click()
        self.assertEqual(review.selected, first)
        review.set_category(3)
        self.assertEqual(unreviewed(result.table), count - 1)
        self.assertNotEqual(review.selected, first)
        ui.undoButton.click()
        self.assertEqual(review.selected, first)
        self.assertEqual(unreviewed(result.table), count)
        ui.acceptButton.click()
        own = ui.thresholdSlider.value
        ui.thresholdSlider.value = float(np.median([row.peak_score for row in rows(result.table)]))
        widget.panel.display.rederive()
        fewer = rows(result.table)
        self.assertLess(len(fewer), count)
        self.assertEqual({row.number: row.decision for row in fewer}.get(first, "accepted"), "accepted")
        ui.thresholdSlider.value = own
        widget.panel.display.rederive()
        self.assertEqual(len(rows(result.table)), count)
        ui.nextUnreviewedButton.click()
        self.assertNotEqual(review.selected, first)
        if slicer.app.layoutManager() is not None:
            arranged = slicer.app.layoutManager().layout
            ui.layoutBackButton.click()
            self.assertNotEqual(slicer.app.layoutManager().layout, arranged)
            ui.threeDButton.click()
            self.assertEqual(
                slicer.app.layoutManager().layout, slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
            )
            ui.sideBySideButton.click()
            self.assertEqual(slicer.app.layoutManager().layout, arranged)
            ui.threeDButton.click()
            ui.layoutBackButton.click()
            self.assertEqual(slicer.app.layoutManager().layout, arranged)

    def test_edits_by_hand_stay_and_are_taken_back(self) -> None:
        from ..scene.findings_table import rows

        widget = self.detected_sample()
        panel, ui = widget.panel, widget.ui
        result, number = panel.result, panel.review.selected
        row = next(row for row in rows(result.table) if row.number == number)
        segment = f"Segment_{number}"
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(result.segmentation, segment, result.flair)
        voxels[:, :, : voxels.shape[2] // 2] = 0
        voxels[2, 2, 2] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, result.segmentation, segment, result.flair)
        panel.by_hand.take()
        edited = next(row for row in rows(result.table) if row.number == number)
        self.assertEqual(edited.edited, "changed")
        self.assertNotAlmostEqual(edited.volume_ml, row.volume_ml)
        ui.thresholdSlider.value = 1.05 * ui.thresholdSlider.value  # also of probabilities, which end at 1
        panel.display.rederive()
        kept = slicer.util.arrayFromSegmentBinaryLabelmap(result.segmentation, segment, result.flair)
        self.assertTrue(np.array_equal(kept, voxels))
        ui.undoButton.click()
        self.assertEqual(next(row for row in rows(result.table) if row.number == number).edited, "")

    def test_a_review_survives_saving_and_opening_the_scene(self) -> None:
        from ..scene.findings_table import rows

        def reviews() -> list[tuple[Any, ...]]:  # numbers lose digits in a saved table
            found = rows(widget.panel.result.table)
            return [(row.number, row.category, row.decision, row.note) for row in found]

        widget = self.detected_sample()
        widget.panel.review.set_category(3)
        widget.panel.review.accept()
        reviewed = reviews()
        with tempfile.TemporaryDirectory(dir=slicer.app.temporaryPath) as folder:
            path = str(Path(folder) / "scene.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(path)
        slicer.util.selectModule("AnomalyDetection")
        self.assertEqual(reviews(), reviewed)

    def test_a_result_folder_is_opened_and_its_review_is_saved_beside_it(self) -> None:
        from ..engine.process import EngineRun
        from .slicer_python import python_command

        with self._folder() as folder:
            results, own = folder / "results", folder / "run"
            own.mkdir()
            t1, flair = (self.sample_path(f"simulated_{name}.nii.gz") for name in ("T1", "FLAIR"))
            arguments = ["detect", "--t1", t1, "--flair", flair, "--output", str(results)]
            arguments += ["--keep-scores", "--no-pictures", "--progress", "none"]
            run = EngineRun(python_command(), arguments, own, library=RESOURCES.parent)
            run.wait()
            self.assertEqual(run.state, "done", run.log)
            panel = self._widget().panel
            self.assertTrue(panel.folders.open(results), panel.ui.worklistMessageLabel.text)
            self.assertIsNotNone(panel.review.selected)
            panel.review.set_category(3)
            self.assertTrue(panel.folders.close())
            self.assertIsNone(panel.result)
            self.assertEqual(json.loads((results / "review.json").read_text("utf-8"))["reviewed"], 1)

    def test_studies_are_listed_detected_and_read_one_after_another(self) -> None:
        with self._folder() as folder:
            study = folder / "studies" / "patient"
            study.mkdir(parents=True)
            for name in ("T1", "FLAIR"):
                shutil.copy(self.sample_path(f"simulated_{name}.nii.gz"), study / f"{name}.nii.gz")
            panel = self._widget().panel
            worklist = panel.worklist
            worklist.open(folder / "studies", folder / "results")
            self._wait(lambda: not worklist.running)
            self.assertEqual([entry.state for entry in worklist.entries], ["waiting"])
            panel.ui.worklistRunButton.click()
            self._wait(lambda: not worklist.running)
            message = panel.ui.worklistMessageLabel.text
            self.assertEqual([entry.state for entry in worklist.entries], ["done"], message)
            panel.ui.worklistNextButton.click()
            self.assertIsNotNone(panel.result, panel.ui.worklistMessageLabel.text)
            self.assertTrue(panel.ui.studyLabel.text.startswith("patient, "), panel.ui.studyLabel.text)
            panel.review.set_category(3)
            self.assertTrue(panel.folders.close())
            (review,) = folder.glob("results/**/*review.json")
            self.assertEqual(json.loads(review.read_text("utf-8"))["reviewed"], 1)
            worklist.stop()

    def test_an_earlier_result_is_compared_and_opened_beside(self) -> None:
        from ..scene.comparison_nodes import comparison_of, earlier_of
        from ..scene.view_layout import T1_VIEW

        widget = self.detected_sample()
        panel, ui = widget.panel, widget.ui
        ui.addResultCheckBox.checked = True
        self._detect(widget)
        ui.earlierSelector.currentIndex = 1
        self.assertTrue(panel.earlier.running, ui.changeLabel.text)
        self._wait(lambda: not panel.earlier.running)
        known = comparison_of(panel.result)
        assert known is not None, ui.changeLabel.text
        self.assertEqual({change.status for change in known[0].changes}, {"known"})
        if self._layouts() is not None:
            left = self._layouts().sliceWidget(T1_VIEW).mrmlSliceCompositeNode()
            self.assertEqual(left.GetBackgroundVolumeID(), earlier_of(panel.result).GetID())
            ui.earlierBesideButton.click()
            self.assertEqual(left.GetBackgroundVolumeID(), panel.result.shown_t1.GetID())

    def test_a_finding_that_was_missed_is_added_and_a_click_selects_one(self) -> None:
        from ..scene.findings_table import rows
        from ..scene.places import centre_of, finding_at
        from ..scene.view_layout import FLAIR_VIEW

        widget = self.detected_sample()
        panel, ui = widget.panel, widget.ui
        crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        count = len(rows(panel.result.table))
        crosshair.SetCursorPositionRAS([30.0, 0.0, 20.0])
        ui.newFindingButton.click()
        self.assertEqual(len(rows(panel.result.table)), count + 1, ui.findingsSummaryLabel.toolTip)
        added = panel.review.selected
        self.assertEqual(next(row for row in rows(panel.result.table) if row.number == added).edited, "added")
        if self._layouts() is not None:
            inside = [
                (n, centre_of(panel.result, n).tolist()) for n in panel.review.table.numbers if n != added
            ]
            number, centre = next((n, place) for n, place in inside if finding_at(panel.result, place) == n)
            interactor = self._layouts().sliceWidget(FLAIR_VIEW).sliceView().interactor()
            crosshair.SetCursorPositionRAS(centre)
            interactor.InvokeEvent("LeftButtonPressEvent")
            crosshair.SetCursorPositionRAS(centre)  # where Slicer has the mouse by now
            interactor.InvokeEvent("LeftButtonReleaseEvent")
            self.assertEqual(panel.review.selected, number)
        while panel.review.selected is not None and len(rows(panel.result.table)) > count:
            ui.undoButton.click()
        self.assertEqual(len(rows(panel.result.table)), count)

    def test_a_volume_that_is_deleted_takes_its_result_along(self) -> None:
        from ..scene.result import results_in

        widget = self.detected_sample()
        panel = widget.panel
        result = panel.result
        slicer.mrmlScene.RemoveNode(result.t1)
        self._wait(lambda: widget.ui.t1Selector.currentNode() is None)
        self.assertIsNotNone(panel.result, "the findings lie on the FLAIR")
        with mock.patch.object(slicer.util, "confirmYesNoDisplay", return_value=True) as asked:
            slicer.mrmlScene.RemoveNode(result.flair)
            self._wait(lambda: asked.called)
        self.assertIsNone(panel.result)
        self.assertIsNone(widget.ui.flairSelector.currentNode())
        self.assertEqual(results_in(slicer.mrmlScene), [])
        self.assertIsNone(result.segmentation.GetScene())

    def detected_sample(self) -> Any:
        """The module's widget after Detect anomalies on the sample."""
        widget = self._widget()
        widget.enter()
        widget.ui.loadSampleButton.click()
        self._detect(widget)
        return widget

    @staticmethod
    def sample_path(name: str) -> str:
        return str(RESOURCES / "SampleData" / name)

    def _detect(self, widget: Any) -> None:
        self.assertTrue(widget.ui.detectButton.enabled, widget.ui.detectButton.toolTip)
        widget.ui.detectButton.click()
        self._wait(lambda: not widget.panel.detect.running)
        self.assertIsNotNone(widget.panel.result, widget.panel.detect.outcome.text)

    def _wait(self, until: Callable[[], Any]) -> None:
        """Process events until a condition holds; fail after a time limit."""
        end = time.monotonic() + SECONDS
        while not until():
            self.assertLess(time.monotonic(), end, f"not within {SECONDS:.0f} seconds")
            slicer.app.processEvents()
            time.sleep(0.02)

    def _keep_layout(self, keep: bool) -> None:
        self._widget().ui.keepLayoutCheckBox.checked = keep

    @staticmethod
    def _widget() -> Any:
        return slicer.modules.anomalydetection.widgetRepresentation().self()

    @staticmethod
    def _layouts() -> Any:
        """None where Slicer has no window."""
        return slicer.app.layoutManager()

    @staticmethod
    @contextlib.contextmanager
    def _folder() -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=slicer.app.temporaryPath) as folder:
            yield Path(folder)
