"""The module `ctk`: the few widgets of the Common Toolkit that the panel uses."""

# ruff: noqa: N801, N802, N815 (names are those of Qt and Slicer)
from __future__ import annotations

from types import ModuleType
from typing import Any

from PySide6.QtCore import Property, QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QDoubleSpinBox,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSlider,
    QStyle,
    QStyleOptionButton,
    QTextBrowser,
    QToolButton,
    QWidget,
)

from .attributes import quiet
from .dialogs import DIALOGS, MessageBox


class ctkCollapsibleButton(QAbstractButton):
    """A header that shows and hides what is below it."""

    contentsCollapsed = Signal(bool)

    def __init__(self, *args: Any) -> None:
        super().__init__(args[-1] if args and isinstance(args[-1], QWidget) else None)
        if args and isinstance(args[0], str):
            self.text = args[0]
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

    def _collapsed(self) -> bool:
        return not self.isChecked()

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, _collapsed, _set_collapsed)

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


class ctkDoubleSlider(QWidget):
    """A slider of numbers that are not whole."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)

    def __init__(self, *args: Any) -> None:
        super().__init__(args[-1] if args and isinstance(args[-1], QWidget) else None)
        self._minimum, self._maximum, self._step, self._value, self._tracking = 0.0, 99.0, 1.0, 0.0, True
        self._slider = QSlider(Qt.Horizontal, self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self._layout = layout
        self._slider.valueChanged.connect(self._on_moved)
        self._fit()

    def _fit(self) -> None:
        steps = max(round((self._maximum - self._minimum) / self._step), 1)
        with quiet(self._slider):
            self._slider.setRange(0, steps)
            self._slider.setValue(round((self._value - self._minimum) / self._step))

    def _on_moved(self, step: int) -> None:
        self.setValue(self._minimum + step * self._step)

    def _rounded(self, value: float) -> float:
        return min(max(float(value), self._minimum), self._maximum)

    def setValue(self, value: float) -> None:
        value = self._rounded(value)
        changed, self._value = value != self._value, value
        self._fit()
        if changed:
            self.valueChanged.emit(value)

    def _set(self, name: str, value: Any) -> None:
        setattr(self, name, value)
        self._fit()
        self.setValue(self._value)

    def _get_value(self) -> float:
        return self._value

    value = Property(float, _get_value, setValue)
    minimum = Property(float, lambda self: self._minimum, lambda self, v: self._set("_minimum", v))
    maximum = Property(float, lambda self: self._maximum, lambda self, v: self._set("_maximum", v))
    singleStep = Property(float, lambda self: self._step, lambda self, v: self._set("_step", v))
    pageStep = Property(float, lambda self: self._step, lambda self, v: None)
    tracking = Property(bool, lambda self: self._tracking, lambda self, v: self._set("_tracking", v))

    def setMinimum(self, value: float) -> None:
        self.minimum = value

    def setMaximum(self, value: float) -> None:
        self.maximum = value

    def setRange(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum


class ctkSliderWidget(ctkDoubleSlider):
    """The slider with a spin box beside it.

    As in CTK, sliders below one parent take each other's decimals unless they are told not to.
    """

    NoSynchronize, SynchronizeWidth, SynchronizeDecimals = 0x0, 0x1, 0x2

    def __init__(self, *args: Any) -> None:
        self._box = None
        self._synchronized = self.SynchronizeWidth | self.SynchronizeDecimals
        super().__init__(*args)
        self._decimals, self._suffix, self._prefix = 2, "", ""
        self._box = QDoubleSpinBox(self)
        self._box.valueChanged.connect(self.setValue)
        self._layout.addWidget(self._box)
        self._fit()

    def _fit(self) -> None:
        super()._fit()
        if self._box is not None:
            with quiet(self._box):
                self._box.setDecimals(self._decimals)
                self._box.setSuffix(self._suffix)
                self._box.setPrefix(self._prefix)
                self._box.setSingleStep(self._step)
                self._box.setRange(self._minimum, self._maximum)
                self._box.setValue(self._value)

    def _rounded(self, value: float) -> float:
        return round(super()._rounded(value), getattr(self, "_decimals", 2))

    def _set_decimals(self, decimals: int) -> None:
        siblings = [self]
        if self._synchronized & self.SynchronizeDecimals and self.parent() is not None:
            found = self.parent().findChildren(ctkSliderWidget)
            siblings += [each for each in found if each._synchronized & self.SynchronizeDecimals]
        for slider in siblings:
            slider._set("_decimals", decimals)

    decimals = Property(int, lambda self: self._decimals, _set_decimals)
    synchronizeSiblings = Property(
        int, lambda self: self._synchronized, lambda self, v: setattr(self, "_synchronized", v)
    )
    suffix = Property(str, lambda self: self._suffix, lambda self, v: self._set("_suffix", v))
    prefix = Property(str, lambda self: self._prefix, lambda self, v: self._set("_prefix", v))
    spinBoxVisible = Property(
        bool, lambda self: not self._box.isHidden(), lambda self, visible: self._box.setVisible(visible)
    )


class ctkPathLineEdit(QWidget):
    """A line for a path, with a button that browses for it."""

    currentPathChanged = Signal(str)
    Dirs, Files = 0x1, 0x2

    def __init__(self, *args: Any) -> None:
        super().__init__(args[-1] if args and isinstance(args[-1], QWidget) else None)
        self._line, browse = QLineEdit(self), QToolButton(self)
        browse.setText("...")
        browse.clicked.connect(self.browse)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line)
        layout.addWidget(browse)
        self._kept: dict[str, Any] = {"nameFilters": [], "settingKey": "", "filters": self.Files}
        self._line.textChanged.connect(self.currentPathChanged.emit)

    def browse(self) -> None:
        if path := DIALOGS.path():
            self.setCurrentPath(path)

    def setCurrentPath(self, path: str) -> None:
        self._line.setText(path)

    def _path(self) -> str:
        return self._line.text

    currentPath = Property(str, _path, setCurrentPath)
    nameFilters = Property(
        "QStringList",
        lambda self: self._kept["nameFilters"],
        lambda self, v: self._kept.update(nameFilters=v),
    )
    settingKey = Property(
        str, lambda self: self._kept["settingKey"], lambda self, v: self._kept.update(settingKey=v)
    )
    filters = Property(int, lambda self: self._kept["filters"], lambda self, v: self._kept.update(filters=v))

    def addCurrentPathToHistory(self) -> None:
        pass


class ctkDirectoryButton(QPushButton):
    """A button that shows a folder and asks for another."""

    directoryChanged = Signal(str)

    def __init__(self, *args: Any) -> None:
        super().__init__(args[-1] if args and isinstance(args[-1], QWidget) else None)
        self.clicked.connect(lambda: self.setDirectory(DIALOGS.path() or self.text))

    def setDirectory(self, directory: str) -> None:
        if directory != self.text:
            self.setText(directory)
            self.directoryChanged.emit(directory)

    directory = Property(str, lambda self: self.text, setDirectory)


class ctkComboBox(QComboBox):
    """A combo box whose text is cut short where it does not fit."""


class ctkCollapsibleGroupBox(QGroupBox):
    """A group box that can be collapsed."""

    collapsed = Property(bool, lambda self: not self.isChecked(), lambda self, v: self.setChecked(not v))


class ctkFittedTextBrowser(QTextBrowser):
    """Text in a frame of its own height."""


WIDGETS = (
    ctkCollapsibleButton,
    ctkDoubleSlider,
    ctkSliderWidget,
    ctkPathLineEdit,
    ctkDirectoryButton,
    ctkComboBox,
    ctkCollapsibleGroupBox,
    ctkFittedTextBrowser,
)


def make_ctk() -> ModuleType:
    """The widgets as the module `ctk`."""
    ctk = ModuleType("ctk")
    for widget in WIDGETS:
        setattr(ctk, widget.__name__, widget)
    ctk.ctkMessageBox = MessageBox
    return ctk
