"""How fast the module is for a reader: from click to results, scrolling, a new threshold, 200 findings.

`make bench` runs it after the engine's own benchmark, on a machine that should do nothing else. Everything but
Slicer's window is the real thing: the scene, the logics, the engine as its own process, the drawn slice views.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from AnomalyDetectionLib.scene.detection_job import DetectionInputs, DetectionJob
from AnomalyDetectionLib.scene.engine_job import StandbyEngine
from AnomalyDetectionLib.scene.result import Result, rederive, settings_of
from AnomalyDetectionLib.scene.slice_views import HiddenOverlay, show_result
from pictures import SAMPLE, Shown, read_volume
from result_in_scene import a_result, many_findings
from slice_rendering import Window
from slicer_scene import make_scene

REPEATS = 20
CHOSEN_S = 6.0
"""The images have been chosen for so long when Detect is clicked: an engine stands by."""
OUTPUT = Path(__file__).resolve().parents[2] / "bench-output" / "scene.md"
CLICK_S, SCROLL_MS, SAMPLE_MS, MANY_MS = 10.0, 100.0, 500.0, 1000.0


def main() -> None:
    """Measure, print, and write a table."""
    rows: list[tuple[str, str, str]] = []
    made = make_scene()
    window = Window(made.scene, made.logics.application)
    for view in window.views.values():
        view.render()  # views are there before results, as in Slicer
    t1 = read_volume(made, SAMPLE / "simulated_T1.nii.gz", "T1")
    flair = read_volume(made, SAMPLE / "simulated_FLAIR.nii.gz", "FLAIR")

    def click(replace: Result | None, *, standby: bool = True) -> tuple[Result, float]:
        engine = StandbyEngine([sys.executable], None) if standby else None
        if standby:
            time.sleep(CHOSEN_S)
        begin = time.perf_counter()
        job = DetectionJob(
            made.scene,
            made.logics,
            DetectionInputs(t1, flair),
            python=[sys.executable],
            replace=replace,
            standby=engine,
        )
        job.wait()
        result = job.finish()
        show_result(made.scene, result)
        for view in window.views.values():
            view.render()
        return result, time.perf_counter() - begin

    result, first = click(None)
    result, second = click(result)
    rows.append(("click to results on the sample, drawn", f"{first:.1f} s", reached(first, CLICK_S, "s")))
    rows.append(("the second click", f"{second:.1f} s", f"{second / first:.2f} of the first"))
    result, cold = click(result, standby=False)
    rows.append(("a click as soon as the images are chosen", f"{cold:.1f} s", ""))

    threshold, min_patches = settings_of(result)
    shown = Shown(made, window, result, threshold, largest=1)
    for name in ("Red", "Green", "Yellow"):
        view = shown.view(name, (700, 700))
        step = 4.0 if name == "Red" else 0.9

        def scroll(view=view, step=step) -> None:
            view.scroll(step)
            view.render()

        view.scroll(-step * REPEATS / 2)
        full = milliseconds(scroll)
        hidden = HiddenOverlay.hide(made.scene, result)
        view.scroll(-step * REPEATS)
        bare = milliseconds(scroll)
        hidden.restore()
        rows.append(
            (
                f"scroll a slice, {name}, 700 x 700, with overlay, outlines and legend",
                f"{full:.0f} ms",
                f"{reached(full, SCROLL_MS, 'ms')}; {full / bare:.1f} times the bare image",
            )
        )

    thresholds = iter([0.9 * threshold, threshold] * REPEATS)

    def again() -> None:
        rederive(made.scene, made.logics, result, threshold=next(thresholds), min_patches=min_patches)

    took = milliseconds(again)
    rows.append(
        (
            "new threshold on the sample",
            f"{took:.0f} ms",
            f"{reached(took, SAMPLE_MS, 'ms')}; {took / 1000 / first:.3f} of a run",
        )
    )
    window.close()

    made = make_scene()
    many = a_result(made, many_findings())
    count = many.segmentation.GetSegmentation().GetNumberOfSegments()
    levels = iter([3.05, 3.0] * REPEATS)

    def many_again() -> None:
        rederive(made.scene, made.logics, many, threshold=next(levels), min_patches=1)

    took = milliseconds(many_again)
    rows.append((f"new threshold with {count} findings", f"{took:.0f} ms", reached(took, MANY_MS, "ms")))
    table = "\n".join(["| what | measured | |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(table + "\n", "utf-8")
    print(table)


def reached(value: float, limit: float, unit: str) -> str:
    """Whether a value is within its limit, as the table says it."""
    return f"at most {limit:g} {unit}: {'reached' if value <= limit else '**not reached**'}"


def milliseconds(action: Callable[[], None]) -> float:
    """The median of `REPEATS` times, after once to warm up."""
    action()
    took = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        action()
        took.append(1000 * (time.perf_counter() - begin))
    return statistics.median(took)


if __name__ == "__main__":
    main()
