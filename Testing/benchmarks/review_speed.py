"""How fast a review is for who reads: the module's panel over its scene, with both slice views drawn.

`make bench` runs it on a machine that should do nothing else. The panel's widgets are the tests' stand-ins; scene,
logics, engine and drawn views are the real thing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from AnomalyDetectionLib.reporting.worklist_file import (
    DONE,
    Worklist,
    WorklistEntry,
    review_file,
    write_worklist,
)
from pictures import REPOSITORY, replay
from scene_speed import milliseconds, reached
from slice_rendering import Drawing, prepare_for_views

OUTPUT = REPOSITORY / "bench-output" / "review.md"
SIZE = 490, 680
"""Pixels of each view on a screen of 1366 x 768."""

USABLE_S, NEXT_MS, THRESHOLD_MS, BARE_TIMES, STUDIES, LIST_MS = 1.0, 100.0, 150.0, 2.0, 50, 20.0


def main() -> None:
    """Measure, print, and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--results", type=Path, help="of `detect --keep-scores --no-pictures` on the sample, instead of a run"
    )
    arguments = parser.parse_args()
    from panel.stand_ins.slicer_application import SlicerApplication

    with tempfile.TemporaryDirectory() as folder:
        application = SlicerApplication(Path(folder))
        try:
            module = application.load_module(REPOSITORY / "AnomalyDetection" / "AnomalyDetection.py")
            application.app.window.resize(380, 560)
            widget = application.open(module)
            if arguments.results is not None:
                replay(arguments.results)
            rows = [*measure(application, widget), *worklist(application, widget, Path(folder))]
        finally:
            application.stop()
    table = "\n".join(["| what | measured | |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(table + "\n", "utf-8")
    print(table)


def measure(application: Any, widget: Any) -> list[tuple[str, str, str]]:
    """From the engine's end on: the result in the scene, findings, thresholds, scrolling."""
    panel, ui = widget.panel, widget.ui
    ui.loadSampleButton.click()
    took = end_to_scene(application, widget)
    rows = [("the engine's end to a usable scene", f"{took:.2f} s", reached(took, USABLE_S, "s"))]
    draw = drawn_views(application)
    application.rest(2.0)  # what is done while the reader looks

    def next_finding() -> None:
        if not ui.nextButton.enabled:
            panel.review.select(panel.review.table.numbers[0])
        panel.review.next()
        application.app.processEvents()
        draw()

    took = milliseconds(next_finding)
    rows.append(("next finding, both views drawn", f"{took:.0f} ms", reached(took, NEXT_MS, "ms")))
    rows.append(scrolling(application, panel, draw))
    panel.views.three_d()
    panel.views.side_by_side()
    application.rest(0.2)
    own = ui.thresholdSlider.value
    levels, surfaces = iter([0.9 * own, own] * 40), []

    def threshold() -> None:
        ui.thresholdSlider.value = next(levels)
        panel.display.rederive()
        application.app.processEvents()
        draw()

    def threshold_with_3d() -> None:
        threshold()
        begin = time.perf_counter()
        panel.views.make_surfaces()
        surfaces.append(1000 * (time.perf_counter() - begin))

    took = milliseconds(threshold_with_3d) - sorted(surfaces)[len(surfaces) // 2]
    rows.append(
        ("new threshold with 3D, both views drawn", f"{took:.0f} ms", reached(took, THRESHOLD_MS, "ms"))
    )
    rows.append(("its surfaces, once the slider rests", f"{sorted(surfaces)[len(surfaces) // 2]:.0f} ms", ""))
    return rows


def end_to_scene(application: Any, widget: Any) -> float:
    """Seconds from the first look after the engine's end to drawn views."""
    detect, took = widget.panel.detect, []
    end = detect._end

    def timed(job: Any) -> None:
        begin = time.perf_counter()
        end(job)
        application.app.processEvents()
        drawn_views(application)()
        took.append(time.perf_counter() - begin)

    detect._end = timed
    widget.ui.detectButton.click()
    application.wait(lambda: not detect.running, 300)
    return took[0]


def drawn_views(application: Any) -> Callable[[], None]:
    """Draws the slice views of the layout."""
    manager = application.app.layoutManager()
    prepare_for_views(application.scene, application.logics.application)
    views = []
    for name in manager.sliceViewNames():
        logic = manager.sliceWidget(name).sliceLogic()
        logic.ResizeSliceNode(*SIZE)
        views.append((Drawing(logic.GetSliceNode()), logic))

    def draw() -> None:
        for drawing, logic in views:
            drawing.render(logic, *SIZE)

    return draw


def scrolling(application: Any, panel: Any, draw: Callable[[], None]) -> tuple[str, str, str]:
    """A slice further in both views, with all that is shown of the result, against the bare image."""
    manager = application.app.layoutManager()
    logics = [manager.sliceWidget(name).sliceLogic() for name in manager.sliceViewNames()]
    steps = iter([4.0, 4.0, 4.0, -4.0, -4.0, -4.0] * 20)

    def scroll() -> None:
        step = next(steps)
        for logic in logics:
            logic.SetSliceOffset(logic.GetSliceOffset() + step)
        draw()

    full = milliseconds(scroll)
    panel.display.hide_overlay()
    bare = milliseconds(scroll)
    panel.display.restore_overlay()
    times = full / bare
    return (
        "scroll a slice, both views",
        f"{full:.0f} ms",
        f"{reached(times, BARE_TIMES, 'times the bare image')} ({times:.1f})",
    )


def worklist(application: Any, widget: Any, folder: Path) -> list[tuple[str, str, str]]:
    """What a list of many studies, half of them reviewed, costs Slicer each time the engine has changed it."""
    results = folder / "results"
    entries = []
    for number in range(STUDIES):
        entry = WorklistEntry(
            f"patient {number}", f"sub-{number:02}", f"sub-{number:02}", state=DONE, findings=8
        )
        entries.append(entry)
        review = review_file(results, entry)
        review.parent.mkdir(parents=True)
        if number % 2:
            review.write_text(json.dumps({"reviewed": 8, "findings": 8}))
    write_worklist(Worklist(tuple(entries), True), results)
    work = widget.panel.worklist
    widget.ui.worklistCollapsibleButton.collapsed = False
    begin = time.perf_counter()
    work.open(folder, results)
    opened = 1000 * (time.perf_counter() - begin)
    work.stop()
    assert len(work.entries) == STUDIES

    def show() -> None:
        work.show()
        application.app.processEvents()

    took = milliseconds(show)
    return [
        (f"a list of {STUDIES} studies opened", f"{opened:.0f} ms", ""),
        (f"a list of {STUDIES} studies brought up to date", f"{took:.0f} ms", reached(took, LIST_MS, "ms")),
    ]


if __name__ == "__main__":
    main()
