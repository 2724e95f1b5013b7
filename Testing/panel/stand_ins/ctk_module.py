"""The module `ctk`: the few widgets of the Common Toolkit that the panel uses."""

# ruff: noqa: N801, N802, N815 (names are those of Qt and Slicer)
from __future__ import annotations

from types import ModuleType
from typing import Any

from PySide6.QtCore import Property, QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QAbstractButton,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QSlider,
    QStyle,
    QStyleOptionButton,
    QWidget,
)

from .attributes import quiet
from .dialogs import MessageBox


class ctkCollapsibleButton(QAbstractButton):
    """A header that shows and hides what is below it."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._on_toggled)
        self._fit()

    def _header(self) -> int:
        return self.fontMetrics().height() + 10

    def _fit(self) -> None:
        self.setContentsMargins(0, self._header(), 0, 0)
        self.setMaximumHeight(self._header() if self.collapsed else 16777215)

    def _on_toggled(self, checked: bool) -> None:
        self._fit()
        self.contentsCollapsed.emit(not checked)

    collapsed = Property(bool, lambda self: not self.isChecked(), lambda self, v: self.setChecked(not v))

    def sizeHint(self) -> QSize:
        inner = self.layout().totalSizeHint() if self.layout() else QSize(0, 0)
        return QSize(max(inner.width(), 100), self._header() if self.collapsed else inner.height())

    def minimumSizeHint(self) -> QSize:
        inner = self.layout().totalMinimumSize() if self.layout() else QSize(0, 0)
        return QSize(inner.width(), self._header() if self.collapsed else inner.height())

    def hitButton(self, position: Any) -> bool:
        return position.y() < self._header()

    def paintEvent(self, event: Any) -> None:
        painter, option = QPainter(self), QStyleOptionButton()
        option.initFrom(self)
        option.rect = QRect(0, 0, self.width, self._header())
        option.text = ("▸  " if self.collapsed else "▾  ") + self.text
        self.style().drawControl(QStyle.CE_PushButton, option, painter, self)
        painter.end()


class ctkSliderWidget(QWidget):
    """A slider of numbers that are not whole, with a spin box beside it.

    As in CTK, sliders below one parent take each other's decimals unless they are told not to.
    """

    NoSynchronize, SynchronizeWidth, SynchronizeDecimals = 0x0, 0x1, 0x2
    valueChanged = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._minimum, self._maximum, self._step, self._value = 0.0, 99.0, 1.0, 0.0
        self._synchronized = self.SynchronizeWidth | self.SynchronizeDecimals
        self._decimals, self._suffix = 2, ""
        self._slider, self._box = QSlider(Qt.Horizontal, self), QDoubleSpinBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self._slider.valueChanged.connect(self._on_moved)
        self._box.valueChanged.connect(self.setValue)
        self._fit()

    def _fit(self) -> None:
        steps = max(round((self._maximum - self._minimum) / self._step), 1)
        with quiet(self._slider), quiet(self._box):
            self._slider.setRange(0, steps)
            self._slider.setValue(round((self._value - self._minimum) / self._step))
            self._box.setDecimals(self._decimals)
            self._box.setSuffix(self._suffix)
            self._box.setSingleStep(self._step)
            self._box.setRange(self._minimum, self._maximum)
            self._box.setValue(self._value)

    def _on_moved(self, step: int) -> None:
        self.setValue(self._minimum + step * self._step)

    def setValue(self, value: float) -> None:
        value = round(min(max(float(value), self._minimum), self._maximum), self._decimals)
        changed, self._value = value != self._value, value
        self._fit()
        if changed:
            self.valueChanged.emit(value)

    def _set(self, name: str, value: Any) -> None:
        setattr(self, name, value)
        self._fit()
        self.setValue(self._value)

    def _set_decimals(self, decimals: int) -> None:
        siblings = [self]
        if self._synchronized & self.SynchronizeDecimals and self.parent() is not None:
            found = self.parent().findChildren(ctkSliderWidget)
            siblings += [each for each in found if each._synchronized & self.SynchronizeDecimals]
        for slider in siblings:
            slider._set("_decimals", decimals)

    value = Property(float, lambda self: self._value, setValue)
    minimum = Property(float, lambda self: self._minimum, lambda self, v: self._set("_minimum", v))
    maximum = Property(float, lambda self: self._maximum, lambda self, v: self._set("_maximum", v))
    singleStep = Property(float, lambda self: self._step, lambda self, v: self._set("_step", v))
    suffix = Property(str, lambda self: self._suffix, lambda self, v: self._set("_suffix", v))
    decimals = Property(int, lambda self: self._decimals, _set_decimals)
    synchronizeSiblings = Property(
        int, lambda self: self._synchronized, lambda self, v: setattr(self, "_synchronized", v)
    )

    def setRange(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum


class ctkPathLineEdit(QWidget):
    """A line for a path."""

    currentPathChanged = Signal(str)
    Dirs, Files = 0x1, 0x2

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._line, self._filters = QLineEdit(self), self.Files
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line)
        self._line.textChanged.connect(self.currentPathChanged.emit)

    currentPath = Property(str, lambda self: self._line.text, lambda self, v: self._line.setText(v))
    filters = Property(int, lambda self: self._filters, lambda self, v: setattr(self, "_filters", v))


WIDGETS = (ctkCollapsibleButton, ctkSliderWidget, ctkPathLineEdit)


def make_ctk() -> ModuleType:
    """The widgets as the module `ctk`."""
    ctk = ModuleType("ctk")
    for widget in WIDGETS:
        setattr(ctk, widget.__name__, widget)
    ctk.ctkMessageBox = MessageBox
    return ctk
