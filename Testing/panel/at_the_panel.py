"""What the panel's tests do and look at, as a user would."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import slicer
from AnomalyDetectionLib.scene import findings_table
from slicer_scene import add_volume


def detect(widget, slicer_app, seconds=240.0):
    """Click, and wait for the end."""
    widget.ui.detectButton.click()
    assert widget.panel.detect.running, widget.ui.outcomeLabel.text
    slicer_app.wait(lambda: not widget.panel.detect.running, seconds)
    slicer_app.rest(0.05)  # views that the layout has just made are followed from the next event on


def a_volume(name: str, shape=(12, 30, 30), spacing=5.0):
    rng = np.random.default_rng(1)
    array = rng.uniform(10, 100, shape).astype(np.float32)
    return add_volume(slicer.mrmlScene, array, np.diag([spacing, spacing, spacing, 1]), name)


def leftovers(slicer_app) -> list[str]:
    return [path.name for path in Path(slicer_app.app.temporaryPath).glob("AnomalyDetection-*")]


def numbers(widget) -> list[int]:
    table = widget.ui.findingsTable
    return [int(table.item(row, 0).text().rstrip("✎✚")) for row in range(table.rowCount)]


def cell(widget, column: int, number: int) -> str:
    return widget.ui.findingsTable.item(numbers(widget).index(number), column).text()


def review_of(widget, number: int):
    rows = findings_table.rows(widget.panel.result.table, all=True)
    return next(row for row in rows if row.number == number)


def visible(widget) -> bool:
    """Shown as far as it depends on the widget itself."""
    return not widget.isHidden()


def composite(name: str):
    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()


def shown_in(name: str) -> tuple:
    """The volumes that a slice view shows, and over them."""
    view = composite(name)
    return tuple(
        slicer.mrmlScene.GetNodeByID(volume or "")
        for volume in (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID())
    )


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().split(")")[-1].split()[0] == "Z")


def clone(node):
    """A copy of a node, as "Clone" in the Data module makes it."""
    scene = slicer.mrmlScene
    made = scene.AddNode(node.CreateNodeInstance())
    made.Copy(node)
    made.SetName(f"{node.GetName()} Copy")
    if node.IsA("vtkMRMLDisplayableNode") and node.GetDisplayNode() is not None:
        display = scene.AddNode(node.GetDisplayNode().CreateNodeInstance())
        display.Copy(node.GetDisplayNode())
        made.RemoveAllDisplayNodeIDs()
        made.SetAndObserveDisplayNodeID(display.GetID())
    return made
