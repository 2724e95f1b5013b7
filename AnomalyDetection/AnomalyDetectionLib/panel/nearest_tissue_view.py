"""The selected finding beside the most similar normal tissue of the model's training data."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

from slicer.i18n import tr as _

from ..errors import InputError
from ..scene.nearest_tissue import comparison_of
from .widgets import say, timer

REST_MS = 150
"""How long a finding must be selected before it is compared, ms, so that stepping through stays smooth."""

TILE = 38  # pixels along the side of a patch; six patches fit into a narrow panel


class NearestTissueView:
    """The picture at the end of the section "Findings", or the reason why it is missing."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._number: int | None = None
        self._timer = timer(REST_MS, self._compare)
        say(panel.ui.nearestLabel, "")

    def show(self, number: int | None) -> None:
        """Compare a finding after it has been selected for a moment; None: show nothing."""
        self._number = number
        label = self._panel.ui.nearestLabel
        if number is None or self._panel.result is None:
            label.minimumHeight = 0
            say(label, "")
            self._timer.stop()
            return
        if label.visible:  # keep the height meanwhile, so that widgets below do not move
            label.minimumHeight = label.height
        label.text = ""
        self._timer.start()

    def stop(self) -> None:
        """Cancel a pending comparison."""
        self._timer.stop()

    def _compare(self) -> None:
        result, label, number = self._panel.result, self._panel.ui.nearestLabel, self._number
        label.minimumHeight = 0
        if result is None or number is None:
            return
        try:
            say(label, self._picture(result, number))
        except InputError as error:
            say(label, _("No normal tissue to compare with: {reason}").format(reason=error))
        except KeyError:  # it has vanished at this threshold
            say(label, "")

    def _picture(self, result: Any, number: int) -> str:
        """The comparison as rich text for a label, with the image embedded."""
        comparison = comparison_of(result, number)
        try:
            from ..reporting.nearest_picture import as_png, draw_comparison

            png = as_png(draw_comparison(comparison, tile=TILE))
        except ImportError as error:
            raise InputError(
                _(
                    "The Python package {name} is not installed: the next detection offers to install it."
                ).format(name=error.name)
            ) from error
        usual, rare = comparison.usual
        heading = _("Most similar normal tissue of the training data:")
        meaning = _(
            "The numbers are distances; for normal tissue of other people they are about {usual:.1f}, rarely over {rare:.1f}."
        )
        return (
            f'{escape(heading)}<br><img src="data:image/png;base64,{base64.b64encode(png).decode("ascii")}">'
            f"<br>{escape(meaning.format(usual=usual, rare=rare))}"
        )
