"""Comparison with an earlier result of the same patient: the change of each finding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..detection.compare_findings import Change
from ..errors import InputError
from ..reporting.result_comparison import Comparison, summary
from ..reporting.result_folder import find_image, open_folder, read_image
from ..scene import comparison_nodes as nodes
from ..scene import view_layout
from ..scene.comparison_job import ComparisonJob
from ..scene.comparison_nodes import earlier_of, is_beside
from ..scene.result import Result, results_in
from ..scene.titles import title_of
from . import slicer_python
from .widgets import say, timer

POLL_MS = 200


class ComparisonSection:
    """The row "Earlier result" of the section Findings."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._job: ComparisonJob | None = None
        self._earlier: Result | Path | None = None
        self._later: Result | None = None
        self._scores: Any = None  # the voxels of the result that is compared: those of another run are others
        self._offered: list[Result] = []
        self._filling = False
        self._number: int | None = None
        self._timer = timer(POLL_MS, self._poll, repeat=True)
        ui = panel.ui
        ui.earlierSelector.currentIndexChanged.connect(self._chosen)
        ui.earlierBesideButton.clicked.connect(self._beside)
        say(ui.changeLabel, "")

    @property
    def running(self) -> bool:
        """Whether a comparison is running."""
        return self._job is not None

    def refresh(self) -> None:
        """List the results that the current one can be compared with."""
        ui, result = self._panel.ui, self._panel.result
        ui.earlierSelector.visible = ui.earlierBesideButton.visible = result is not None
        self._fill([] if result is None else results_in(self._panel.scene), result)
        ui.earlierSelector.enabled = not self.running
        there = result is not None and earlier_of(result) is not None
        ui.earlierBesideButton.enabled = there and self._panel.layout_node is not None
        ui.earlierBesideButton.checked = there and is_beside(self._panel.scene, result)

    def take(self, result: Result | None) -> None:
        """Follow another result, or none, and show its stored comparison."""
        if self._later is not None and (result is None or result.score is not self._later.score):
            self.stop()
        known = None if result is None else nodes.comparison_of(result)
        if result is None or not is_beside(self._panel.scene, result):
            view_layout.label_views(self._panel.scene)
        self._panel.review.table.show_changes(None if known is None else short_words(known[0]))
        self.show(self._number)

    def show(self, number: int | None) -> None:
        """Show the change of a finding; None: of all findings."""
        self._number = number
        result = self._panel.result
        known = None if result is None else nodes.comparison_of(result)
        if result is None or known is None:
            if not self.running:
                say(self._panel.ui.changeLabel, "")
            return
        comparison, name = known
        lines = [_("Since {name}: {summary}").format(name=name, summary=summary(comparison.changes))]
        change = None if number is None else nodes.change_of(comparison, number)
        if change is not None:
            lines.insert(0, in_words(change))
        elif number is not None:
            lines.insert(0, _("This finding was not there when the results were compared: compare again."))
        lines += comparison.remarks
        if not nodes.is_of_these_settings(result, comparison):
            lines.append(_("Threshold or minimum size have changed since: compare again."))
        say(self._panel.ui.changeLabel, "\n".join(lines), "warning" if comparison.remarks else "")

    def compare(self, earlier: Result | Path) -> None:
        """Start to compare the current result with an earlier one."""
        if self.running or not self._panel.detect.installed():
            return
        result = self._panel.result  # only now, as Slicer can be used while packages are installed
        if result is None:
            return
        self._panel.by_hand.take(adopt=True)
        try:
            with slicer.util.WaitCursor():
                self._job = ComparisonJob(
                    result,
                    earlier,
                    python=slicer_python.python_command(),
                    temporary=Path(slicer.app.temporaryPath),
                )
        except InputError as error:
            say(self._panel.ui.changeLabel, str(error), "error")
            return
        self._earlier, self._later = earlier, result
        self._scores = result.score.GetImageData()
        say(self._panel.ui.changeLabel, _("Comparing: the earlier FLAIR is being aligned."))
        self._timer.start()
        self.refresh()

    def stop(self) -> None:
        """Cancel the running comparison without a message."""
        self._timer.stop()
        job, self._job, self._later = self._job, None, None
        if job is not None:
            job.cancel()

    def _poll(self) -> None:
        job, result, earlier = self._job, self._later, self._earlier
        if job is None or result is None or earlier is None or job.state == "running":
            return
        self._timer.stop()
        self._job = self._later = None
        there = self._panel.scene.IsNodePresent(result.score)
        try:
            comparison = job.finish()
            if there:
                if result.score.GetImageData() is not self._scores:
                    raise InputError(_("Anomalies were detected anew meanwhile: compare again."))
                with slicer.util.WaitCursor():
                    nodes.keep_comparison(result, comparison, self._name_of(earlier))
                    nodes.place_earlier(self._panel.scene, result, _flair_of(earlier), comparison)
        # The files of the earlier result may have been deleted meanwhile.
        except (InputError, OSError, ValueError) as error:
            say(self._panel.ui.changeLabel, str(error), "error")
            self._panel.detect.show_log(job.log)
            self.refresh()
            return
        self.take(self._panel.result)
        self.refresh()
        shown = self._panel.result
        if there and shown is not None and shown.score is result.score and self._may_open_beside():
            self._open_beside(result)

    def _may_open_beside(self) -> bool:
        """Whether the views may be arranged automatically."""
        node = self._panel.layout_node
        return node is not None and (not self._panel.views.keeps_layout or view_layout.is_side_by_side(node))

    def _open_beside(self, result: Result) -> None:
        """The earlier FLAIR in the left view."""
        if not view_layout.is_side_by_side(self._panel.layout_node):
            self._panel.views.side_by_side()
        nodes.show_beside(self._panel.scene, result)
        self.refresh()

    def _fill(self, there: list[Result], result: Result | None) -> None:
        others = [one for one in there if result is not None and one.score is not result.score]
        selector = self._panel.ui.earlierSelector
        names = [
            _("Compare with an earlier result"),
            *(title_of(self._panel.scene, one) for one in others),
            _("A result folder..."),
        ]
        self._offered = others
        if names == [selector.itemText(place) for place in range(selector.count)]:
            return
        self._filling = True
        selector.clear()
        for name in names:
            selector.addItem(name)
        self._filling = False

    def _chosen(self) -> None:
        selector = self._panel.ui.earlierSelector
        place = selector.currentIndex
        if self._filling or place <= 0:
            return
        selector.currentIndex = 0  # reset it, as it serves as a menu; the label below shows what was compared
        if place <= len(self._offered):
            self.compare(self._offered[place - 1])
            return
        folder = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Result folder of an earlier scan"), ""
        )
        if folder:
            self.compare(Path(folder))

    def _beside(self) -> None:
        """The earlier FLAIR in the left view, or the T1 again."""
        result = self._panel.result
        if result is None or earlier_of(result) is None:
            self.refresh()
        elif is_beside(self._panel.scene, result) and view_layout.is_side_by_side(self._panel.layout_node):
            nodes.show_t1_again(self._panel.scene, result)
            self.refresh()
        else:
            self._open_beside(result)

    def _name_of(self, earlier: Result | Path) -> str:
        if isinstance(earlier, Path):
            return f"{earlier.parent.name}/{earlier.name}"  # the last part alone is often just "results"
        return title_of(self._panel.scene, earlier)


def in_words(change: Change) -> str:
    """The change of a finding as a sentence, with both volumes."""
    text = {
        "new": _("New: {now:.2f} ml."),
        "gone": _("Gone: it was {then:.2f} ml."),
        "grown": _("Grown: {now:.2f} ml, before {then:.2f} ml."),
        "shrunken": _("Shrunken: {now:.2f} ml, before {then:.2f} ml."),
        "known": _("Known: {now:.2f} ml, before {then:.2f} ml."),
        "not covered": _("The other scan was not searched here."),
    }[change.status].format(now=change.later_ml, then=change.earlier_ml)
    if change.status in ("grown", "shrunken", "known"):
        text += " " + _("Differences of more than {limit:.2f} ml count as a change.").format(
            limit=change.limit_ml
        )
    if len(change.later) > 1 or len(change.earlier) > 1:
        text += " " + _("Compared together: now {now}, before {then}.").format(
            now=", ".join(map(str, change.later)), then=", ".join(map(str, change.earlier))
        )
    if change.unsure and change.score_there is not None:
        text += " " + _(
            "Uncertain: the finding is small, or its score ({score:.2f}) was high in the other scan, too."
        ).format(score=change.score_there)
    return text


def short_words(comparison: Comparison) -> dict[int, str]:
    """The change of each finding of the later result, as a short text for the table."""
    short = {
        "new": "new{doubt}",
        "grown": "▲ {then:.2f}",
        "shrunken": "▼ {then:.2f}",
        "known": "= {then:.2f}",
        "not covered": "?",
        "gone": "",
    }
    return {
        number: short[change.status].format(then=change.earlier_ml, doubt="?" if change.unsure else "")
        for change in comparison.changes
        for number in change.later
    }


def _flair_of(earlier: Result | Path) -> Any:
    """The earlier FLAIR: its node, or its image."""
    if isinstance(earlier, Path):
        return read_image(find_image(open_folder(earlier), "flair"), "flair")
    return earlier.flair
