"""The pictures of the README and the catalogue, the icons and the thumbnail: `python Testing/pictures.py`.

They show what the extension makes of its built-in, simulated sample: the engine runs, its result goes into a
scene as it does in Slicer, and Slicer's own slice views draw it. The panel is the module's own, over the tests'
stand-ins for Slicer's widgets. Only captions are added.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.detection.stored_scores import read_stored
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.reporting.drawing import font
from AnomalyDetectionLib.scene.overlay import set_legend_visible
from AnomalyDetectionLib.scene.places import centre_of
from AnomalyDetectionLib.scene.result import Result, add_result
from AnomalyDetectionLib.scene.segmentation import emphasise
from AnomalyDetectionLib.scene.slice_views import HiddenOverlay, set_overlay_opacity, show_result
from AnomalyDetectionLib.scene.view_layout import FLAIR_VIEW, T1_VIEW, side_by_side
from conftest import FLAIR, REPOSITORY, SAMPLE_INPUTS, T1
from conftest import SAMPLE as SAMPLE
from PIL import Image, ImageDraw, ImageFilter
from result_in_scene import ijk_to_ras
from slice_rendering import Drawing, SliceView, Window, prepare_for_views
from slicer_scene import SlicerScene, add_volume, make_scene

PICTURES = REPOSITORY / "Resources"
ICONS = REPOSITORY / "AnomalyDetection" / "Resources" / "Icons"
CREDIT = "Simulated sample. Research use only, not a medical device."
GREY = (190, 190, 190)
LAPTOP = 1366, 768
PANEL, TOP, BOTTOM, HELP, PROBE = 380, 62, 24, 26, 96
"""Pixels of Slicer's window: the panel's width, menus and toolbars, status bar, help above and data probe below."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--results", type=Path, help="of `detect --keep-scores` on the sample, instead of a run"
    )
    parser.add_argument("--output", type=Path, help="one folder for all, instead of their places")
    arguments = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    pictures, icons = arguments.output or PICTURES, arguments.output or ICONS
    with contextlib.ExitStack() as stack:
        results = arguments.results or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if arguments.results is None:
            detect(results)
        shown = Shown.of(results)
        save(one_slice(shown), pictures / "slice_view.png")
        save(two_contrasts(shown), pictures / "side_by_side.png")
        save(three_views(shown), pictures / "orthogonal_views.png")
        save(report(results), pictures / "report.png")
        save(thumbnail(shown), icons / "AnomalyDetection_sample.png")
        drawn = icon(shown)  # last: it changes how the result is shown
        drawn.save(icons / "AnomalyDetection.png", optimize=True)
        drawn.save(pictures / "AnomalyDetection.png", optimize=True)
        shown.window.close()
        shown.made.scene.Clear(True)
        width, height = LAPTOP
        save(screenshot(LAPTOP, results=results).crop((0, TOP, width, height)), pictures / "screenshot.png")


def detect(folder: Path) -> None:
    """Run the engine on the sample."""
    command = [sys.executable, "-m", "AnomalyDetectionLib", "detect", "--keep-scores", "--output", folder]
    subprocess.run([*command, *SAMPLE_INPUTS], check=True)


def read_volume(made: SlicerScene, path: Path, name: str) -> Any:
    """A scalar volume node of a file."""
    image = sitk.ReadImage(str(path))
    return add_volume(made.scene, sitk.GetArrayFromImage(image), ijk_to_ras(Grid.of(image)), name)


@dataclass(frozen=True)
class Shown:
    """The sample's result in a scene with a window."""

    made: SlicerScene
    window: Window
    result: Result
    threshold: float
    largest: int

    @staticmethod
    def of(results: Path) -> Shown:
        """From a folder of `detect --keep-scores`."""
        record = json.loads((results / "findings.json").read_text("utf-8"))
        threshold, min_patches = float(record["threshold"]), int(record["min_patches"])
        largest = max(record["findings"], key=lambda finding: finding["volume_ml"])["number"]
        made = make_scene()
        window = Window(made.scene, made.logics.application)
        for view in window.views.values():
            view.render()  # views are there before results, as in Slicer
        result = add_result(
            made.scene,
            made.logics,
            t1=read_volume(made, T1, "T1"),
            flair=read_volume(made, FLAIR, "FLAIR"),
            stored=read_stored(results / "score_map"),
            provenance={},
            threshold=threshold,
            min_patches=min_patches,
        )
        show_result(made.scene, result)
        emphasise(result.segmentation, largest)
        return Shown(made, window, result, threshold, largest)

    def view(
        self, name: str, size: tuple[int, int], number: int | None = None, zoom: float = 1.0
    ) -> SliceView:
        """A view of a finding: all of the head across, moved up or down no further than needed."""
        view = self.window.views[name]
        view.resize(*size)
        view.fit()
        if zoom != 1.0:
            field = view.node.GetFieldOfView()
            view.node.SetFieldOfView(field[0] / zoom, field[1] / zoom, field[2])
        view.node.JumpSliceByOffsetting(*centre_of(self.result, self.largest if number is None else number))
        view.logic.SnapSliceOffsetToIJK()
        return view


def one_slice(shown: Shown) -> Image.Image:
    """The largest finding in an axial slice, overlay, outlines and legend."""
    return captioned([(shown.view("Red", (720, 760)), "FLAIR and anomaly scores")])


def two_contrasts(shown: Shown) -> Image.Image:
    """T1 and FLAIR side by side, as one click arranges them."""
    result, window = shown.result, shown.window
    application = shown.made.logics.application
    for _ in range(2):  # the views get their size after they were made
        images = {"t1": result.t1, "flair": result.flair, "score": result.score}
        at = centre_of(result, shown.largest)
        side_by_side(shown.made.scene, application, window.layout, **images, at=at)
        views = [window.views[name] for name in (T1_VIEW, FLAIR_VIEW)]
        for view in views:
            view.resize(600, 660)
            view.render()
    return captioned(list(zip(views, ("T1", "FLAIR and anomaly scores"), strict=True)))


def three_views(shown: Shown) -> Image.Image:
    """Axial, coronal and sagittal through the largest finding."""
    set_legend_visible(shown.made.logics, shown.result.score, False)
    views = [
        (shown.view(name, (420, 440)), label)
        for name, label in (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal"))
    ]
    picture = captioned(views)
    set_legend_visible(shown.made.logics, shown.result.score, True)
    return picture


def screenshot(size: tuple[int, int], number: int = 2, results: Path | None = None) -> Image.Image:
    """What a reader has before him after Detect anomalies: the panel and the views, in a window of a size.

    Of the frame of Slicer's window only the room that it takes is drawn. `results` of a run save another one.
    """
    from panel.stand_ins.slicer_application import SlicerApplication

    width, height = size
    inner = height - TOP - BOTTOM
    with tempfile.TemporaryDirectory() as folder:
        slicer_application = SlicerApplication(Path(folder))
        try:
            module = slicer_application.load_module(REPOSITORY / "AnomalyDetection" / "AnomalyDetection.py")
            slicer_application.app.window.resize(PANEL, inner - HELP - PROBE)
            widget = slicer_application.open(module)
            if results is not None:
                replay(results)
            widget.ui.loadSampleButton.click()
            widget.ui.detectButton.click()
            slicer_application.wait(lambda: not widget.panel.detect.running, 300)
            from AnomalyDetectionLib.panel.remarks import remarks  # which takes the application's modules

            # Without the time, which is that of whatever machine draws this.
            widget.panel.detect.tell(remarks(widget.panel.result), "Done.")
            slicer_application.rest(0.1)
            manager = slicer_application.app.layoutManager()
            names = manager.sliceViewNames()
            logics = {name: manager.sliceWidget(name).sliceLogic() for name in names}
            across = (width - PANEL - 4 * len(names)) // len(names)
            for logic in logics.values():
                logic.ResizeSliceNode(across, inner)
            prepare_for_views(slicer_application.scene, slicer_application.logics.application)
            drawings = {name: Drawing(logic.GetSliceNode()) for name, logic in logics.items()}
            widget.panel.views.side_by_side()  # once more, now that the views can draw: the legend comes into them
            slicer_application.rest(0.1)
            widget.panel.review.select(number)
            slicer_application.rest(0.5)
            canvas = Image.new("RGB", size, (38, 38, 38))
            beside = slicer_application.app.window.grab()
            path = Path(folder) / "panel.png"
            beside.save(str(path))
            canvas.paste(Image.open(path).convert("RGB"), (0, TOP + HELP))
            for place, name in enumerate(names):
                drawings[name].render(logics[name], across, inner)
                logics[name].GetSliceNode().Modified()  # markups take their places in a window of this size
                picture = drawings[name].render(logics[name], across, inner)
                canvas.paste(Image.fromarray(picture), (PANEL + 4 + place * (across + 4), TOP))
        finally:
            slicer_application.stop()
    ImageDraw.Draw(canvas).text((8, height - BOTTOM + 4), CREDIT, fill=(255, 200, 90), font=font(13))
    return canvas


def replay(results: Path) -> None:
    """Let the panel's next run give these results."""
    from AnomalyDetectionLib.panel import slicer_python

    engine = Path(__file__).parent / "panel" / "fake_engine.py"
    slicer_python.python_command = lambda: [sys.executable, str(engine), "replay", str(results)]


def report(results: Path, width: int = 1000) -> Image.Image:
    """The head of the report with its table, and its first finding, as Chromium shows them."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"):
        options.add_argument(flag)
    with tempfile.TemporaryDirectory() as profile:
        options.add_argument(f"--user-data-dir={profile}")
        browser = webdriver.Chrome(
            options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
        )
        try:
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            browser.get((results / "report.html").resolve().as_uri())
            where = "const box = document.querySelector(arguments[0]).getBoundingClientRect(); return [box.top, box.bottom]"
            edges = [browser.execute_script(where, name) for name in (".wide", "article")]
            parts = []
            for top, bottom in ((0, edges[0][1] + 14), (edges[1][0] - 14, edges[1][1] + 24)):
                clip = {"x": 0, "y": top, "width": width, "height": bottom - top, "scale": 1}
                wanted = {"clip": clip, "captureBeyondViewport": True}
                made = browser.execute_cdp_cmd("Page.captureScreenshot", wanted)
                parts.append(Image.open(io.BytesIO(base64.b64decode(made["data"]))).convert("RGB"))
        finally:
            browser.quit()
    return Image.fromarray(np.concatenate([np.asarray(part) for part in parts]))


def thumbnail(shown: Shown) -> Image.Image:
    """The sample's FLAIR for Slicer's Sample Data module, without results: they are still to be found."""
    hidden = HiddenOverlay.hide(shown.made.scene, shown.result)
    view = shown.view("Red", (800, 600), zoom=1.2)
    picture = Image.fromarray(view.render()).resize((200, 150), Image.Resampling.LANCZOS)
    hidden.restore()
    return picture


def icon(shown: Shown) -> Image.Image:
    """A brain with a red finding, clear round it: 128 x 128, and still a brain at 24."""
    shown.result.segmentation.GetDisplayNode().SetVisibility(False)
    set_legend_visible(shown.made.logics, shown.result.score, False)
    set_overlay_opacity(shown.made.scene, shown.result, 0.8)
    display = shown.result.score.GetDisplayNode()
    display.SetThreshold(shown.threshold, 1000.0)  # red alone: other colours are specks at this size
    display.ApplyThresholdOn()
    view = shown.view("Red", (1024, 1024))
    picture = view.render()
    brain = view.values(shown.result.brain) > 0
    mask = Image.fromarray((brain * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(6))
    mask = mask.point(lambda v: max(0, min(255, (v - 96) * 4)))
    # Brighter than on a screen for reading: an icon is small.
    bright = Image.fromarray(np.clip(picture * 1.3, 0, 255).astype(np.uint8))
    bright.putalpha(mask)
    left, top, right, bottom = mask.getbbox()
    half = max(right - left, bottom - top) * 0.52
    x, y = (left + right) / 2, (top + bottom) / 2
    box = tuple(round(v) for v in (x - half, y - half, x + half, y + half))
    return bright.crop(box).resize((128, 128), Image.Resampling.LANCZOS)


def captioned(views: list[tuple[SliceView, str]]) -> Image.Image:
    """Views in a row, with their names, sides, and what must not be forgotten."""
    pictures = [marked(view, label) for view, label in views]
    width = sum(picture.width for picture in pictures) + 4 * (len(pictures) - 1)
    canvas = Image.new("RGB", (width, pictures[0].height + 24), (38, 38, 38))
    x = 0
    for picture in pictures:
        canvas.paste(picture, (x, 0))
        x += picture.width + 4
    pen = ImageDraw.Draw(canvas)
    pen.text((8, canvas.height - 20), CREDIT, fill=(255, 200, 90), font=font(13))
    return canvas


def marked(view: SliceView, label: str) -> Image.Image:
    """A view with its name and the patient's directions at its edges."""
    picture = Image.fromarray(view.render())
    pen = ImageDraw.Draw(picture)
    text: dict[str, Any] = {"font": font(14), "fill": GREY, "stroke_width": 1, "stroke_fill": "black"}
    pen.text((8, 8), label, **text)
    ras = view.ras()
    middle_row, middle_column = ras.shape[0] // 2, ras.shape[1] // 2
    across, down = ras[middle_row, -1] - ras[middle_row, 0], ras[-1, middle_column] - ras[0, middle_column]
    pen.text((6, picture.height // 2), direction(-across), anchor="lm", **text)
    pen.text((picture.width - 6, picture.height // 2), direction(across), anchor="rm", **text)
    pen.text((picture.width // 2, 6), direction(-down), anchor="ma", **text)
    return picture


def direction(vector: np.ndarray) -> str:
    """The letter of the patient's direction in which a vector points mostly."""
    axis = int(np.argmax(np.abs(vector)))
    return ("RAS" if vector[axis] > 0 else "LPI")[axis]


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, optimize=True)


if __name__ == "__main__":
    main()
