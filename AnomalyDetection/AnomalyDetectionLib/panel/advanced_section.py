"""Advanced: model, device, and the settings of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from ..detection.detection_settings import DetectionSettings, setting_of
from ..model.bundled import DEFAULT_MODEL, PAPER_KIND, bundled_models, model_info
from .devices import Devices
from .labels import about_setting
from .widgets import say

DEVICES = (("auto", "Automatic (GPU if there is one)"), ("cpu", "CPU"), ("gpu", "GPU"))


class AdvancedSection:
    """The section "Advanced" of the panel. Its choices are stored in the parameter node."""

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._filling = True
        ui = panel.ui
        paths = bundled_models()
        self._models = [path.stem for path in paths]
        for place, info in enumerate(map(model_info, paths)):
            ui.modelSelector.addItem(info.title)
            ui.modelSelector.setItemData(place, info.summary, qt.Qt.ToolTipRole)
        ui.modelSelector.addItem(_("A model file"))
        for _name, text in DEVICES:
            ui.deviceSelector.addItem(_(text))
        for widget, name in (
            (ui.deviceSelector, "device"),
            (ui.percentileSpinBox, "percentile"),
            (ui.strideSpinBox, "stride"),
            (ui.registerCheckBox, "register"),
            (ui.biasCorrectionCheckBox, "bias_correction"),
        ):
            widget.toolTip = about_setting(name)
        self._filling = False
        self._devices = Devices(self._devices_found)
        ui.modelSelector.currentIndexChanged.connect(self._model_chosen)
        ui.modelFileEdit.currentPathChanged.connect(self._model_file_chosen)
        ui.deviceSelector.currentIndexChanged.connect(self._device_chosen)
        ui.advancedCollapsibleButton.contentsCollapsed.connect(self._collapsed)
        say(ui.deviceFoundLabel, "")

    def settings(self) -> DetectionSettings:
        """The settings of a run from this section."""
        parameters = self._panel.parameters
        return DetectionSettings(
            model=self.model() or DEFAULT_MODEL,
            device=self.device(),
            percentile=self._given("percentile", float(parameters.percentile)),
            stride=self._given("stride", int(parameters.stride)),
            register=parameters.register,
            bias_correction=parameters.biasCorrection,
        )

    def model(self) -> str | None:
        """The name of a bundled model, or a model file; None if no model is chosen."""
        parameters = self._panel.parameters
        if parameters.model == "file":
            return str(parameters.modelFile)
        return parameters.model or None

    def device(self) -> str:
        """The device, as the engine names it."""
        chosen = str(self._panel.parameters.device) or "auto"
        return self._devices.gpu() if chosen == "gpu" else chosen

    def problem(self) -> str:
        """A sentence that says why a run cannot start; "" if it can."""
        parameters = self._panel.parameters
        if parameters is not None and parameters.model == "file":
            path = Path(str(parameters.modelFile))
            if not path.is_file():
                return _("Choose a model file under Advanced, or a model that comes with the module.")
        return ""

    def refresh(self) -> None:
        """Update the widgets from the parameter node."""
        parameters, ui = self._panel.parameters, self._panel.ui
        if parameters is None:
            return
        self._filling = True
        names = [*self._models, "file"]
        wanted = parameters.model or DEFAULT_MODEL
        ui.modelSelector.currentIndex = names.index(wanted) if wanted in names else 0
        is_file = wanted == "file"
        ui.modelFileLabel.visible = is_file
        ui.modelFileEdit.visible = is_file
        if str(parameters.modelFile) != ui.modelFileEdit.currentPath:
            ui.modelFileEdit.currentPath = str(parameters.modelFile)
        ui.modelSelector.toolTip = model_info(Path(self._file())).summary or about_setting("model")
        for widget in (ui.percentileLabel, ui.percentileSpinBox, ui.strideLabel, ui.strideSpinBox):
            widget.enabled = self._is_papers()
        devices = [name for name, _text in DEVICES]
        ui.deviceSelector.currentIndex = (
            devices.index(parameters.device) if parameters.device in devices else 0
        )
        self._filling = False

    def stop(self) -> None:
        """Stop looking for devices."""
        self._devices.stop()

    def _file(self) -> str:
        """The file of the chosen model, whether it exists or not."""
        model = self.model() or DEFAULT_MODEL
        return next((str(path) for path in bundled_models() if path.stem == model), model)

    def _given(self, name: str, value: float) -> Any:
        """The value of a spin box; None, for the model's own, at the special value below the minimum or if it does not apply."""
        return value if self._is_papers() and not setting_of(name).problem(value) else None

    def _is_papers(self) -> bool:
        """Whether percentile and stride apply to the chosen model."""
        return model_info(Path(self._file())).kind == PAPER_KIND

    # Read the index, do not take it from the signal: Qt 5 has two signals of this name, one with a text.
    def _model_chosen(self) -> None:
        if not self._filling and self._panel.parameters is not None:
            self._panel.parameters.model = [*self._models, "file"][self._panel.ui.modelSelector.currentIndex]
            self._panel.refresh()

    def _model_file_chosen(self, path: str) -> None:
        if not self._filling and self._panel.parameters is not None:
            self._panel.parameters.modelFile = path
            self._panel.refresh()

    def _device_chosen(self) -> None:
        if not self._filling and self._panel.parameters is not None:
            self._panel.parameters.device = DEVICES[self._panel.ui.deviceSelector.currentIndex][0]

    def _collapsed(self, collapsed: bool) -> None:
        """Look for devices only when the section is opened, as torch takes some seconds."""
        if not collapsed:
            self._devices.look()

    def _devices_found(self, text: str) -> None:
        say(self._panel.ui.deviceFoundLabel, text)
