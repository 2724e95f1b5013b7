"""Display: threshold and size, overlay, outlines, and the bare image."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from slicer.i18n import tr as _

from ..errors import InputError
from ..model.false_positive_curve import in_words
from ..scene import overlay, slice_views
from ..scene import result as results
from ..scene.result import Result, has_probabilities, results_in, settings_of
from .labels import about_setting
from .widgets import say, timer

LEAST_THRESHOLD = 0.5  # minimum of the threshold slider, unless the model's own threshold is nearly as low
REST_MS = 120
"""How long a slider must rest before the findings are updated, ms, so that dragging stays smooth."""


class DisplaySection:
    """The section "Display" of the panel."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._hidden: slice_views.HiddenOverlay | None = None
        self._timer = timer(REST_MS, self.rederive)
        ui = panel.ui
        slider = ui.thresholdSlider
        # The range in the .ui file is for scores that are deviations.
        self._deviations = slider.maximum, slider.singleStep, slider.decimals
        slider.valueChanged.connect(self._slider_moved)
        ui.minimumSizeSlider.valueChanged.connect(self._slider_moved)
        ui.opacitySlider.valueChanged.connect(self._opacity_changed)
        ui.showOverlayCheckBox.toggled.connect(self._overlay_toggled)
        ui.showOutlinesCheckBox.toggled.connect(self._outlines_toggled)
        ui.fillOutlinesCheckBox.toggled.connect(self._fill_toggled)
        ui.hideOverlayButton.pressed.connect(self.hide_overlay)
        ui.hideOverlayButton.released.connect(self.restore_overlay)

    def take(self, result: Result | None) -> None:
        """Follow another result: set the sliders to its settings."""
        self.forget()
        if result is None:
            return
        threshold, min_patches = settings_of(result)
        slider = self._panel.ui.thresholdSlider
        scale = (1.0, 0.01, 3) if has_probabilities(result) else self._deviations
        most, slider.singleStep, slider.decimals = scale
        slider.minimum, slider.maximum = min(LEAST_THRESHOLD, threshold / 5), most
        for slider, value in (
            (self._panel.ui.thresholdSlider, threshold),
            (self._panel.ui.minimumSizeSlider, float(min_patches)),
        ):
            slider.maximum = max(slider.maximum, value)
            slider.value = value
        slice_views.update_legend(result)  # views do not notice the legend when a scene is opened
        self._timer.stop()  # nothing needs to be derived again

    def refresh(self) -> None:
        """Enable the widgets that apply to the current result."""
        ui, result = self._panel.ui, self._panel.result
        for widget in (
            ui.thresholdSlider,
            ui.minimumSizeSlider,
            ui.opacitySlider,
            ui.showOverlayCheckBox,
            ui.showOutlinesCheckBox,
            ui.fillOutlinesCheckBox,
            ui.hideOverlayButton,
        ):
            widget.enabled = result is not None
        fixed = "" if result is None else results.why_fixed(result)
        of_paper = result is None or not has_probabilities(result)
        at_once = _(
            "The findings follow at once, without another detection, and keep their numbers and reviews."
        )
        for widget, name in ((ui.thresholdSlider, "threshold"), (ui.minimumSizeSlider, "min_patches")):
            widget.enabled = result is not None and not fixed
            widget.toolTip = fixed or f"{about_setting(name, of_paper=of_paper)} {at_once}"
        say(ui.normalRateLabel, "" if result is None else self._findings_in_a_normal_scan(result))
        say(ui.minimumVolumeLabel, "" if result is None else fixed or self._smallest(result))
        if result is not None:
            one = round(ui.minimumSizeSlider.value) == 1
            if results.scores_voxels(result):
                ui.minimumSizeSlider.suffix = _(" voxel") if one else _(" voxels")
            else:
                ui.minimumSizeSlider.suffix = _(" patch") if one else _(" patches")

    def show_in_views(self, views: Collection[str] | None = None) -> None:
        """Show the result in the slice views: overlay on the FLAIR, outlines, legend; without one hide all.

        `views`: as for `slice_views.show_result`; None: those that results are shown in.
        """
        result = self._panel.result
        if result is None:
            self.show_nothing()
            return
        self.restore_overlay()
        ui = self._panel.ui
        threshold, _min_patches = settings_of(result)
        overlay.show_scores(
            self._panel.scene,
            self._panel.logics,
            result.score,
            threshold,
            probabilities=has_probabilities(result),
        )
        slice_views.show_result(
            self._panel.scene,
            result,
            opacity=ui.opacitySlider.value,
            views=self._panel.views.own if views is None else views,
        )
        visible = ui.showOverlayCheckBox.checked
        if not visible:
            slice_views.set_overlay_visible(self._panel.scene, result, False)
        overlay.set_legend_visible(self._panel.logics, result.score, visible)
        self._outlines_toggled(ui.showOutlinesCheckBox.checked)
        self._fill_toggled(ui.fillOutlinesCheckBox.checked)

    def show_nothing(self) -> None:
        """Hide all results, as they would be shown over images of another scan."""
        for result in results_in(self._panel.scene):
            self.keep_out_of_sight(result)

    def keep_out_of_sight(self, result: Result) -> None:
        """Hide a result other than the current one in the views."""
        slice_views.set_overlay_visible(self._panel.scene, result, False)
        overlay.set_legend_visible(self._panel.logics, result.score, False)
        result.segmentation.CreateDefaultDisplayNodes()
        result.segmentation.GetDisplayNode().SetVisibility(False)

    def rederive(self) -> None:
        """Derive the findings for the sliders' values."""
        self._timer.stop()
        result, ui = self._panel.result, self._panel.ui
        if result is None:
            return
        wanted = round(ui.thresholdSlider.value, 3), round(ui.minimumSizeSlider.value)
        threshold, min_patches = settings_of(result)
        if wanted == (round(threshold, 3), min_patches):
            return
        self._panel.by_hand.take(adopt=True)
        try:
            results.rederive(
                self._panel.scene, self._panel.logics, result, threshold=wanted[0], min_patches=wanted[1]
            )
        except InputError as error:
            self._panel.review.tell(str(error), "error")
            self.take(result)  # reset the sliders
            return
        self._panel.findings_changed()
        self.refresh()

    def hide_overlay(self) -> None:
        """Hide overlays and outlines until `restore_overlay`."""
        if self._hidden is None and self._panel.result is not None:
            self._hidden = slice_views.HiddenOverlay.hide(self._panel.scene, *results_in(self._panel.scene))

    def restore_overlay(self) -> None:
        """Show what was visible before `hide_overlay`."""
        hidden, self._hidden = self._hidden, None
        if hidden is not None:
            hidden.restore()

    def forget(self) -> None:
        """Show hidden overlays again, and cancel a pending update of the sliders."""
        self._timer.stop()
        self.restore_overlay()

    def _findings_in_a_normal_scan(self, result: Result) -> str:
        """Findings per normal scan at the slider's threshold; "" if the model does not know."""
        curve, ui = results.rates_of(result), self._panel.ui
        if curve is None:
            return ""
        threshold, size = ui.thresholdSlider.value, round(ui.minimumSizeSlider.value)
        rate = in_words(curve.rate(threshold))
        if threshold < curve.scores[0] or size < curve.min_patches:
            return _("more than {rate} findings in a normal scan at this threshold, besides WMH").format(
                rate=rate
            )
        if size > curve.min_patches:
            return _("at most about {rate} findings in a normal scan at this threshold, besides WMH").format(
                rate=rate
            )
        low, high = map(in_words, curve.interval(threshold))
        text = _("about {rate} findings in a normal scan at this threshold, besides WMH ({low} to {high})")
        return text.format(rate=rate, low=low, high=high)

    def _smallest(self, result: Result) -> str:
        """The minimum size of a finding in millilitres, and the size of a patch or voxel."""
        size = result.patch_scores.GetSpacing()
        count = round(self._panel.ui.minimumSizeSlider.value)
        one = _("a voxel") if results.scores_voxels(result) else _("a patch stands for")
        text = _("about {ml:.2f} ml ({one} {dx:.1f} x {dy:.1f} x {dz:.1f} mm)")
        ml = count * size[0] * size[1] * size[2] / 1000
        return text.format(ml=ml, one=one, dx=size[0], dy=size[1], dz=size[2])

    def _slider_moved(self, _value: float) -> None:
        if self._panel.result is not None:
            self._timer.start()
            self.refresh()

    def _opacity_changed(self, opacity: float) -> None:
        result = self._panel.result
        if result is not None:
            slice_views.set_overlay_opacity(self._panel.scene, result, opacity)

    def _overlay_toggled(self, visible: bool) -> None:
        result = self._panel.result
        if result is None:
            return
        slice_views.set_overlay_visible(self._panel.scene, result, visible)
        overlay.set_legend_visible(self._panel.logics, result.score, visible)

    def _outlines_toggled(self, visible: bool) -> None:
        result = self._panel.result
        if result is not None:
            slice_views.show_outlines_of(results_in(self._panel.scene), result, visible)

    def _fill_toggled(self, filled: bool) -> None:
        slice_views.set_filled(results_in(self._panel.scene), filled)
