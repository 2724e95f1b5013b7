"""The module's self test in Slicer: detection in the sample by logic and panel, and all steps of a review.

`AnomalyDetection.py` exports it for Slicer, which finds it by the name of the module.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import unittest
from collections.abc import Callable
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
        self._layout = None if self._layouts() is None else self._layouts().layout
        self._folder = Path(tempfile.mkdtemp(dir=slicer.app.temporaryPath))
        if missing := missing_requirements():
            self.skipTest(f"Python packages are not installed: {', '.join(missing)}")
        slicer.util.selectModule("AnomalyDetection")
        self._widget().ui.keepLayoutCheckBox.checked = False
        slicer.mrmlScene.Clear()

    def tearDown(self) -> None:
        """Restore the user's settings and layout."""
        slicer.mrmlScene.Clear()
        shutil.rmtree(self._folder, ignore_errors=True)
        ui, settings = self._widget().ui, slicer.app.userSettings()
        kept = str(self._settings.get(f"{PREFIX}KeepLayout") or "").lower()
        ui.keepLayoutCheckBox.checked = kept == "true"
        ui.goOnCheckBox.checked = str(self._settings.get(f"{PREFIX}GoOn")).lower() != "false"
        for key in settings.allKeys():
            if key.startswith(PREFIX) and key not in self._settings:
                settings.remove(key)
        for key, value in self._settings.items():
            settings.setValue(key, value)
        if self._layout is not None:
            self._layouts().setLayout(self._layout)

    def runTest(self) -> None:
        """All tests, each on an empty scene."""
        for name in unittest.defaultTestLoader.getTestCaseNames(type(self)):
            try:
                self.setUp()
                getattr(self, name)()
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
        truth = slicer.util.loadLabelVolume(self.sample_path("simulated_truth.nii.gz"))
        truth = slicer.util.arrayFromVolume(truth)
        millilitres = np.prod(flair.GetSpacing()) / 1000
        large = [n for n in np.unique(truth[truth > 0]) if (truth == n).sum() * millilitres >= 1]
        self.assertEqual(len(large), 5)
        for number in large:
            self.assertTrue(found[truth == number].any(), f"infarct {number} of 1 ml or more was not found")

    def test_the_panel_from_click_to_review(self) -> None:
        from ..scene.findings_table import unreviewed

        widget = self.detected_sample()
        result, ui, review = widget.panel.result, widget.ui, widget.panel.review
        count = len(self._rows())
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
        ui.thresholdSlider.value = float(np.median([row.peak_score for row in self._rows().values()]))
        widget.panel.display.rederive()
        fewer = self._rows()
        self.assertLess(len(fewer), count)
        if first in fewer:
            self.assertEqual(fewer[first].decision, "accepted")
        ui.thresholdSlider.value = own
        widget.panel.display.rederive()
        self.assertEqual(len(self._rows()), count)
        ui.nextUnreviewedButton.click()
        self.assertNotEqual(review.selected, first)
        if self._layouts() is None:
            return
        arranged, three_d = self._layouts().layout, slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
        ui.layoutBackButton.click()
        self.assertNotEqual(self._layouts().layout, arranged)
        for button, layout in (
            (ui.threeDButton, three_d),
            (ui.sideBySideButton, arranged),
            (ui.threeDButton, three_d),
            (ui.layoutBackButton, arranged),
        ):
            button.click()
            self.assertEqual(self._layouts().layout, layout)

    def test_edits_by_hand_stay_and_are_taken_back(self) -> None:
        widget = self.detected_sample()
        panel, ui = widget.panel, widget.ui
        result, number = panel.result, panel.review.selected
        before, where = self._rows()[number], (result.segmentation, f"Segment_{number}", result.flair)
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(*where)
        voxels[:, :, : voxels.shape[2] // 2] = 0
        voxels[2, 2, 2] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, *where)
        panel.by_hand.take()
        self.assertEqual(self._rows()[number].edited, "changed")
        self.assertNotAlmostEqual(self._rows()[number].volume_ml, before.volume_ml)
        ui.thresholdSlider.value = 1.05 * ui.thresholdSlider.value  # also of probabilities, which end at 1
        panel.display.rederive()
        self.assertTrue(np.array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(*where), voxels))
        ui.undoButton.click()
        self.assertEqual(self._rows()[number].edited, "")

    def test_a_review_survives_saving_and_opening_the_scene(self) -> None:
        def reviews() -> list[tuple[Any, ...]]:  # numbers lose digits in a saved table
            return [(row.number, row.category, row.decision, row.note) for row in self._rows().values()]

        widget = self.detected_sample()
        widget.panel.review.set_category(3)
        widget.panel.review.accept()
        reviewed, path = reviews(), str(self._folder / "scene.mrb")
        self.assertTrue(slicer.util.saveScene(path))
        slicer.mrmlScene.Clear()
        slicer.util.loadScene(path)
        slicer.util.selectModule("AnomalyDetection")
        self.assertEqual(reviews(), reviewed)

    def test_a_result_folder_is_opened_and_its_review_is_saved_beside_it(self) -> None:
        from .slicer_python import start_engine

        results, panel = self._folder / "results", self._widget().panel
        t1, flair = (self.sample_path(f"simulated_{name}.nii.gz") for name in ("T1", "FLAIR"))
        arguments = ["detect", "--t1", t1, "--flair", flair, "--output", str(results)]
        run = start_engine(*arguments, "--keep-scores", "--no-pictures", "--progress", "none")
        run.wait()
        self.assertEqual(run.state, "done", run.log)
        run.cancel()
        self.assertTrue(panel.folders.open(results), panel.ui.worklistMessageLabel.text)
        self.assertIsNotNone(panel.review.selected)
        panel.review.set_category(3)
        self.assertTrue(panel.folders.close())
        self.assertIsNone(panel.result)
        self.assertEqual(json.loads((results / "review.json").read_text("utf-8"))["reviewed"], 1)

    def test_studies_are_listed_detected_and_read_one_after_another(self) -> None:
        study, results = self._folder / "studies" / "patient", self._folder / "results"
        study.mkdir(parents=True)
        for name in ("T1", "FLAIR"):
            shutil.copy(self.sample_path(f"simulated_{name}.nii.gz"), study / f"{name}.nii.gz")
        panel = self._widget().panel
        worklist = panel.worklist
        worklist.open(study.parent, results)
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
        (review,) = results.glob("**/*review.json")
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
        from ..scene.places import centre_of, finding_at
        from ..scene.view_layout import FLAIR_VIEW

        widget = self.detected_sample()
        panel, ui, count = widget.panel, widget.ui, len(self._rows())
        crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        crosshair.SetCursorPositionRAS([30.0, 0.0, 20.0])
        ui.newFindingButton.click()
        self.assertEqual(len(self._rows()), count + 1, ui.findingsSummaryLabel.toolTip)
        added = panel.review.selected
        self.assertEqual(self._rows()[added].edited, "added")
        if self._layouts() is not None:
            others = [number for number in panel.review.table.numbers if number != added]
            places = [(number, centre_of(panel.result, number).tolist()) for number in others]
            number, centre = next((n, ras) for n, ras in places if finding_at(panel.result, ras) == n)
            interactor = self._layouts().sliceWidget(FLAIR_VIEW).sliceView().interactor()
            crosshair.SetCursorPositionRAS(centre)
            interactor.InvokeEvent("LeftButtonPressEvent")
            crosshair.SetCursorPositionRAS(centre)  # where Slicer has the mouse by now
            interactor.InvokeEvent("LeftButtonReleaseEvent")
            self.assertEqual(panel.review.selected, number)
        while panel.review.selected is not None and len(self._rows()) > count:
            ui.undoButton.click()
        self.assertEqual(len(self._rows()), count)

    def test_a_volume_that_is_deleted_takes_its_result_along(self) -> None:
        from ..scene.result import results_in

        widget = self.detected_sample()
        panel, result = widget.panel, widget.panel.result
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

    def _rows(self) -> dict[int, Any]:
        """The findings of the current result by their numbers."""
        from ..scene.findings_table import rows

        return {row.number: row for row in rows(self._widget().panel.result.table)}

    def _wait(self, until: Callable[[], Any]) -> None:
        """Process events until a condition holds; fail after a time limit."""
        end = time.monotonic() + SECONDS
        while not until():
            self.assertLess(time.monotonic(), end, f"not within {SECONDS:.0f} seconds")
            slicer.app.processEvents()
            time.sleep(0.02)

    @staticmethod
    def _widget() -> Any:
        return slicer.modules.anomalydetection.widgetRepresentation().self()

    @staticmethod
    def _layouts() -> Any:
        """None where Slicer has no window."""
        return slicer.app.layoutManager()
