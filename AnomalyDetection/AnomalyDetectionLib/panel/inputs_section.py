"""Inputs: the volumes, suggestions for them, and problems that are shown before a run."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ..dicom.headers import read_header
from ..dicom.sequence import MrSequence
from ..scene.input_checks import problems, warnings
from ..scene.nodes import nodes_of_class
from ..scene.suggested_inputs import SuggestedInputs, suggest_inputs
from ..scene.titles import title_of
from .dicom_files import instance_files
from .sample_data import load_sample
from .widgets import Line, say


class InputsSection:
    """The section "Inputs" of the panel."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._checked: tuple[Any, ...] = ()
        self._problems: list[str] = []
        self._warnings: list[str] = []
        self._guess = SuggestedInputs(None, None)
        self._sequences: dict[str, MrSequence | None] = {}
        self._emptied: dict[str, set[str]] = {}
        self._title = Line(panel.ui.studyLabel)
        panel.ui.loadSampleButton.clicked.connect(self.load_sample)

    def guess(self) -> None:
        """Suggest volumes for empty selectors; never replaces a user's choice or a volume that was deleted."""
        parameters = self._panel.parameters
        if parameters is None or (parameters.t1 is not None and parameters.flair is not None):
            return
        guess = self._guess = suggest_inputs(
            self._panel.scene, self._sequence_of, t1=parameters.t1, flair=parameters.flair
        )
        t1, flair = guess.t1, guess.flair
        if parameters.t1 is None and t1 is not parameters.flair and self._may_take("t1", t1):
            parameters.t1 = t1
        if parameters.flair is None and flair is not parameters.t1 and self._may_take("flair", flair):
            parameters.flair = flair

    def emptied(self, name: str) -> None:
        """Called before the volume in a selector is deleted, so that no existing volume is suggested in its place."""
        nodes = nodes_of_class(self._panel.scene, "vtkMRMLScalarVolumeNode")
        self._emptied[name] = {node.GetID() for node in nodes}

    def begin(self) -> None:
        """Called for another scene: forget deleted volumes."""
        self._emptied = {}

    def problems(self) -> list[str]:
        """The reasons why a run cannot start, one sentence each; empty if it can."""
        self._check()
        return self._problems

    def refresh(self) -> None:
        """Show problems and warnings below the selectors, and the title of the result."""
        self._check()
        result = self._panel.result
        self._title.say("" if result is None else title_of(self._panel.scene, result))
        parameters = self._panel.parameters
        nothing_chosen = parameters is None or (parameters.t1 is None and parameters.flair is None)
        if nothing_chosen:
            say(
                self._panel.ui.inputsMessageLabel, _("Load a T1 and a FLAIR of the same head, or the sample.")
            )
        elif self._problems:
            say(self._panel.ui.inputsMessageLabel, "\n".join([self._problems[0], *self._taken()]), "error")
        elif self._warnings:
            say(self._panel.ui.inputsMessageLabel, "\n".join([*self._warnings, *self._taken()]), "warning")
        else:
            say(self._panel.ui.inputsMessageLabel, "\n".join(self._taken()))

    def load_sample(self) -> None:
        """The button "Load the sample": its volumes become the inputs."""
        with slicer.util.tryWithErrorDisplay(_("The sample could not be loaded."), waitCursor=True):
            t1, flair = load_sample()
            parameters = self._panel.parameters
            parameters.t1, parameters.flair, parameters.brainMask = t1, flair, None
        self._panel.refresh()

    def fold(self, folded: bool) -> None:
        """Collapse the selectors to the title of the result; without a result, expand them."""
        self._panel.ui.inputsCollapsibleButton.collapsed = folded

    def forget(self) -> None:
        """Check the volumes again, as they may have changed in the same nodes."""
        self._checked = ()

    def _taken(self) -> list[str]:
        """Why DICOM series were suggested, for selectors that still hold them, or why a selector was left empty."""
        parameters, guess = self._panel.parameters, self._guess
        return [
            why
            for box, node, why in (
                (parameters.t1, guess.t1, guess.t1_why),
                (parameters.flair, guess.flair, guess.flair_why),
            )
            if why and box is node
        ]

    def _may_take(self, name: str, node: Any) -> bool:
        return node is not None and node.GetID() not in self._emptied.get(name, ())

    def _sequence_of(self, node: Any) -> MrSequence | None:
        """The acquisition of a node's images; None if it is not from DICOM or its files are missing."""
        identifiers = node.GetAttribute("DICOM.instanceUIDs")
        if not identifiers:
            return None
        if identifiers not in self._sequences:
            files = instance_files(node)
            header = read_header(files[0]) if files else None
            self._sequences[identifiers] = None if header is None else header.sequence
        return self._sequences[identifiers]

    def _check(self) -> None:
        """Check the volumes, but only if something about them has changed."""
        parameters = self._panel.parameters
        if parameters is None:
            self._checked, self._problems, self._warnings = (), [_("Choose a T1 and a FLAIR volume.")], []
            return
        nodes = (parameters.t1, parameters.flair, parameters.brainMask)
        state = tuple(_state(node) for node in nodes)
        if state == self._checked:
            return
        self._checked = state
        self._problems = problems(*nodes)
        self._warnings = [] if self._problems else warnings(nodes[0], nodes[1])


def _state(node: Any) -> tuple[Any, ...]:
    """A key of what the checks depend on: the node, its name, its voxels and its position."""
    if node is None:
        return ()
    image = node.GetImageData() if hasattr(node, "GetImageData") else None
    transform = node.GetParentTransformNode()
    return (
        node.GetID(),
        node.GetName(),
        image.GetMTime() if image is not None else 0,
        node.GetMTime(),
        transform.GetMTime() if transform is not None else 0,
    )
