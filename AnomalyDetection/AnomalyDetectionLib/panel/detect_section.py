"""Detect: the button, the progress of the run, cancel, and error messages."""

from __future__ import annotations

import traceback
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..errors import InputError
from ..scene.detection_job import DetectionInputs, DetectionJob
from ..scene.result import Result, results_in, would_lose_review
from . import first_run
from .remarks import remarks
from .standby import Standby
from .widgets import Line, timer

POLL_MS = 150
STATUS_MS = 10_000  # how long the status bar shows that a run has ended, ms


class DetectSection:
    """The button "Detect anomalies" and what belongs to it."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._job: DetectionJob | None = None
        self._job_pair: tuple[Any, ...] = ()
        self._ready: Result | None = None
        self._outcome_of: tuple[Any, ...] = ()
        self._installing = False
        self._timer = timer(POLL_MS, self._poll, repeat=True)
        self.standby = Standby(panel.logic.standby)
        ui = panel.ui
        ui.detectButton.clicked.connect(self.click)
        ui.cancelButton.clicked.connect(self.cancel)
        ui.detailsButton.toggled.connect(lambda shown: setattr(ui.detailsText, "visible", shown))
        ui.showResultButton.clicked.connect(self.show_ready)
        ui.progressWidget.visible = False
        self.outcome = Line(ui.outcomeLabel)
        # Keep the height with and without the buttons beside it, so that widgets below do not move.
        ui.outcomeLabel.setMinimumHeight(ui.detailsButton.sizeHint.height())
        self._say("")
        self.show_log("")

    @property
    def running(self) -> bool:
        """Whether a run is in progress."""
        return self._job is not None

    def refresh(self) -> None:
        """Enable the button, or explain in its tool tip why it is disabled."""
        ui, problems = self._panel.ui, self._panel.inputs.problems()
        if self.running:
            reason = _("A detection is running: cancel it, or wait.")
        elif self._installing:
            reason = _("Python packages are being installed: wait.")
        elif problems:
            reason = "\n".join(problems)
        else:
            reason = self._panel.advanced.problem()
        ui.detectButton.enabled = not reason
        self.standby.want(not reason and self._panel.entered, again=self._panel.result is not None)
        ui.detectButton.toolTip = reason or _("Find suspected anomalies in the FLAIR and the T1.")
        ui.progressWidget.visible = self.running
        if self._outcome_of and self._outcome_of != self._panel.pair:
            self._outcome_of = ()
            self._say("")  # the message was about other volumes
            self.show_log("")
        ui.showResultButton.visible = self._waits()
        ui.addResultCheckBox.visible = bool(results_in(self._panel.scene))
        ui.addResultCheckBox.enabled = not self.running

    def click(self) -> None:
        """Start a run, after asking to install missing packages and to replace a review."""
        self._panel.refresh()  # the volumes may have changed without a notification
        if not self._panel.ui.detectButton.enabled:
            return
        self._outcome_of = self._panel.pair
        # Slicer can be used while packages are installed.
        if not self.installed() or not self._panel.ui.detectButton.enabled:
            return
        self._panel.by_hand.take(adopt=True)
        replace = self._to_replace()
        # A review that cannot be carried over to the new result.
        lost = _(
            "The voxel grid of the FLAIR has changed since it was analysed: your review of its findings and your edits"
            ' will be lost. Detect again? ("Keep the earlier result" under Inputs keeps them.)'
        )
        if (
            replace is not None
            and would_lose_review(replace)
            and not slicer.util.confirmOkCancelDisplay(lost)
        ):
            return
        self.show_log("")
        self._say("")
        self._ready = None
        # WaitCursor processes events, such as the second click of a double click.
        self._panel.ui.detectButton.enabled = False
        parameters = self._panel.parameters
        inputs = DetectionInputs(
            t1=parameters.t1,
            flair=parameters.flair,
            brain_mask=parameters.brainMask,
            settings=self._panel.advanced.settings(),
            keep_intermediate=parameters.keepIntermediate,
        )
        try:
            with slicer.util.WaitCursor():
                standby = self.standby.take()
                self._job = self._panel.logic.start(inputs, replace=replace, standby=standby)
                self._job_pair = self._panel.pair
        except (InputError, OSError) as error:
            self._say(str(error), "error")
        finally:
            self._panel.refresh()
        if self._job is None:
            return
        ui = self._panel.ui
        ui.progressBar.value = 0
        ui.stageLabel.text = _("Starting")
        ui.elapsedLabel.text = "0:00"
        ui.cancelButton.enabled = True
        self._timer.start()
        self._panel.refresh()

    def cancel(self) -> None:
        """The button "Cancel"."""
        if self._job is None:
            return
        self.stop()
        self._outcome_of = self._panel.pair
        self._say(_("Cancelled. Nothing was changed."))
        self._panel.refresh()

    def stop(self) -> None:
        """Cancel the run, if there is one, without a message."""
        self.standby.stop()
        self._timer.stop()
        self._ready = None
        job, self._job = self._job, None
        if job is not None:
            job.cancel()

    def show_log(self, log: str) -> None:
        """Show a log under Details; "": hide Details."""
        ui = self._panel.ui
        ui.detailsText.plainText = log
        ui.detailsButton.visible = bool(log)
        ui.detailsButton.checked = False
        ui.detailsText.visible = False

    def _poll(self) -> None:
        job = self._job
        if job is None:
            return
        ui = self._panel.ui
        state = job.state  # read the state before the progress, so that the last progress is not lost
        for progress in job.poll():
            ui.progressBar.value = round(1000 * progress.fraction)
            ui.stageLabel.text = progress.message
        minutes, seconds = divmod(int(job.seconds), 60)
        ui.elapsedLabel.text = f"{minutes}:{seconds:02d}"
        if state != "running":
            self._end(job)

    def _end(self, job: DetectionJob) -> None:
        self._timer.stop()
        self._job = None
        self._panel.by_hand.take(adopt=True)  # typing and painting, as the findings are about to change
        self._outcome_of = self._panel.pair
        log, took = job.log, job.seconds
        name = self._job_pair[1].GetName()
        try:
            with slicer.util.WaitCursor():
                result = job.finish()
        except InputError as error:
            self._say_failed(str(error), log)
            return
        except Exception as error:  # the run has ended in any case, so the panel must not wait for it
            sentence = _("The result could not be loaded into the scene ({reason}); nothing was changed.")
            self._say_failed(sentence.format(reason=error), f"{log}\n{traceback.format_exc()}")
            return
        seconds = round(took)
        if self._panel.is_of_pair(result) and self._panel.entered:
            self._panel.show(result, arrange=True)
            self.tell(remarks(result), _("Done in {seconds} s.").format(seconds=seconds))
        else:  # do not interrupt a reader who has moved on to another patient
            self._ready, shown = result, self._panel.result
            if shown is None or shown.score is not result.score:  # not one that is being edited there
                self._panel.display.keep_out_of_sight(result)
            done = _('The result of "{name}" is ready, after {seconds} s.')
            self._say(done.format(name=name, seconds=seconds), "good", whole=True)
            slicer.util.showStatusMessage(self.outcome.text, STATUS_MS)
        self._panel.refresh()

    def show_ready(self) -> None:
        """Show the result that arrived while another patient was being read, or another module was open."""
        result, waits = self._ready, self._waits()
        self._ready = None
        if result is not None and waits:
            self._panel.show(result, arrange=True)
            self.tell(remarks(result))
        self._panel.refresh()

    def seen(self, result: Result) -> None:
        """Called when a result is shown: it waits no longer."""
        if self._ready is not None and self._ready.score is result.score:
            self._ready = None

    def take_up(self) -> None:
        """Called when the module is opened: show a result that arrived meanwhile, unless another patient is chosen."""
        if self._ready is not None and self._waits() and self._panel.is_of_pair(self._ready):
            self.show_ready()

    def tell(self, remarks: list[str], done: str = "") -> None:
        """Show remarks about the current result until another pair is chosen: one line, and all of them under Details."""
        self._outcome_of = self._panel.pair
        lines = [*remarks, done] if done else remarks
        self._say("\n".join(lines), "warning" if remarks else "good")
        self.show_log("\n".join(lines) if remarks else "")

    def _waits(self) -> bool:
        """Whether there is a result that was not shown yet."""
        return self._ready is not None and bool(self._panel.scene.IsNodePresent(self._ready.score))

    def _say(self, text: str, kind: str = "", *, whole: bool = False) -> None:
        self.outcome.say(text, kind, whole=whole or kind == "error")

    def _say_failed(self, sentence: str, log: str) -> None:
        if self._panel.pair != self._job_pair:  # the message is not about the volumes that are chosen now
            sentence = f"{self._job_pair[1].GetName()}: {sentence}"
        self._say(sentence, "error")
        self.show_log(log or _("The program wrote nothing."))
        self._panel.refresh()

    def installed(self) -> bool:
        """Whether the engine can run; asks to install missing packages."""
        missing = first_run.missing_requirements()
        if not missing or self._installing:
            return not missing
        self._installing = True
        self._panel.refresh()
        try:
            ready = first_run.install(
                missing,
                ask=lambda text: slicer.util.confirmOkCancelDisplay(text, _("Anomaly Detection: first run")),
                progress=self._say_installing,
            )
        except InputError as error:
            self._say(str(error), "error")
            self.show_log(getattr(error, "instructions", ""))
            return False
        finally:
            self._installing = False
            self._panel.refresh()
        refused = _(
            "Nothing was installed: click Detect anomalies again and agree, as the detection needs the packages."
        )
        self._say("" if ready else refused)
        return bool(ready)

    def _say_installing(self, text: str) -> None:
        self._say(text)
        slicer.app.processEvents()

    def _to_replace(self) -> Result | None:
        """The result of the same pair: the current one, else the newest."""
        parameters = self._panel.parameters
        if parameters.addResult:
            return None
        shown = self._panel.result
        candidates = [*results_in(self._panel.scene), *([shown] if shown is not None else [])]
        same = [result for result in candidates if self._panel.is_of_pair(result)]
        return same[-1] if same else None
