"""The anomaly scores over the FLAIR, in the paper's colours, with a legend."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..reporting.colours import lightest_score, score_colours
from .nodes import Logics, nodes_of_class, one_change

TITLE = "Anomaly score"
LEGEND_TITLE = "Score"  # title of the legend; short, so that it stays beside the head
_COLOURS = 256
_STEP = 16
"""The index of the first colour above the threshold is a multiple of this, so that a scene has few colour tables."""

_FAINTEST = 0.08  # colours with an opacity below this are not drawn: scores up to 0.6 of the threshold
_ATTRIBUTE, _VERSION = "AnomalyDetection.Colours", "3"
"""Version of the colours; scenes of earlier versions keep their colours and get these in addition."""


def colour_table(scene: Any, edge: int = 64) -> Any:
    """The colour table of the scores; created once in a scene, and found again after it was saved and opened.

    Colours run from clear through green to yellow below the threshold, and from dark to light red above it.

    `edge`: the first colour for scores above the threshold. Returns the vtkMRMLColorTableNode with 256
    colours.
    """
    for node in nodes_of_class(scene, "vtkMRMLColorTableNode"):
        if node.GetAttribute(_ATTRIBUTE) == f"{_VERSION} {edge}" and node.GetNumberOfColors() == _COLOURS:
            return node
    import slicer

    node = slicer.vtkMRMLColorTableNode()
    node.SetName(scene.GenerateUniqueName(TITLE))
    node.SetTypeToUser()
    node.SetHideFromEditors(False)  # hidden nodes are left out when a scene is saved as separate files
    node.SetAttribute(_ATTRIBUTE, f"{_VERSION} {edge}")
    node.SetAttribute("Category", "AnomalyDetection")
    node.SetNumberOfColors(_COLOURS)
    shares = (np.arange(_COLOURS) + 0.5) / edge  # the middle of each step, as a multiple of the threshold
    colours = score_colours(shares, 1.0, _COLOURS / edge)
    # Slicer draws a colour fully or, where its opacity is 0, not at all; how much shows through is the
    # opacity of the layer. Black is what the legend, which knows no opacity, then has for "nothing".
    drawn = colours[:, 3:] >= _FAINTEST
    colours = np.where(drawn, np.insert(colours[:, :3], 3, 1.0, axis=1), 0.0)
    for index, (share, colour) in enumerate(zip(shares, colours.tolist(), strict=True)):
        node.SetColor(index, f"{share:.2f} of the threshold", *colour)
    node.GetLookupTable().SetRange(0, _COLOURS - 1)
    scene.AddNode(node)
    node.AddDefaultStorageNode()
    return node


def show_scores(
    scene: Any, logics: Logics, score_node: Any, threshold: float, *, probabilities: bool = False
) -> None:
    """Give a score volume its colours and its legend: red from the threshold up.

    The visibility of the legend is not changed if the user has set it.

    Args:
        threshold: scores above it are suspected.
        probabilities: whether the scale ends near 1, or at four times the threshold.
    """
    threshold = max(threshold, 1e-3)
    share = threshold / lightest_score(threshold, probabilities=probabilities)
    edge = int(np.clip(_STEP * round(_COLOURS / _STEP * share), _STEP, _COLOURS - _STEP))
    score_node.CreateDefaultDisplayNodes()
    display = score_node.GetDisplayNode()
    with one_change(display):
        display.SetAndObserveColorNodeID(colour_table(scene, edge).GetID())
        display.SetAutoWindowLevel(False)
        display.SetInterpolate(False)  # no interpolation: each cell is either red or not
        # Slicer divides the window into 255 steps. With this width a step begins exactly at the threshold.
        width = threshold * (_COLOURS - 1) / edge
        display.SetWindowLevelMinMax(0.0, width)
        display.ApplyThresholdOff()
    _show_legend(logics, score_node)


def set_legend_visible(logics: Logics, score_node: Any, visible: bool) -> None:
    """Show or hide the legend of a score volume."""
    legend = logics.colors.GetColorLegendDisplayNode(score_node)
    if legend is not None:
        legend.SetVisibility(visible)


def _show_legend(logics: Logics, score_node: Any) -> None:
    legend = logics.colors.GetColorLegendDisplayNode(score_node)
    if legend is not None:
        legend.Modified()  # its views do not observe the window of the volume
        return
    legend = logics.colors.AddDefaultColorLegendDisplayNode(score_node)
    with one_change(legend):
        legend.SetTitleText(LEGEND_TITLE)
        legend.SetNumberOfLabels(5)  # labels: 0, the threshold, and its multiples
        legend.SetLabelFormat("%.2g")
        legend.SetMaxNumberOfColors(_COLOURS)
        # In the lower right corner, where an axial slice shows air. The size of the box sets the font size.
        legend.SetSize(0.04, 0.22)
        legend.SetPosition(0.98, 0.03)
        for text in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
            text.SetFontFamilyToArial()
            text.SetBold(False)
