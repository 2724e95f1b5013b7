"""`slicer.parameterNodeWrapper`: typed attributes over a scripted module node, bound to widgets.

The types, annotations and pairs of type and widget that are supported here are those that Slicer supports and the
panel uses; any other is refused, as Slicer refuses what it does not know.
"""

# ruff: noqa: N802, N803, N815 (names are those of Qt and Slicer)
from __future__ import annotations

import enum
import pathlib
import typing
from collections.abc import Callable
from types import ModuleType
from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets

from . import ctk_module
from .qmrml import qMRMLNodeComboBox

WIDGET_PROPERTY = "SlicerParameterName"


# -- annotations


class Default:
    def __init__(self, value: Any) -> None:
        self.value = value


class WithinRange:
    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} to {self.maximum}")


class Minimum(WithinRange):
    def __init__(self, minimum: float) -> None:
        super().__init__(minimum, float("inf"))


class Maximum(WithinRange):
    def __init__(self, maximum: float) -> None:
        super().__init__(float("-inf"), maximum)


class Choice:
    def __init__(self, choices: Any) -> None:
        self.choices = choices

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"{value!r} is none of {self.choices}")


class Decimals:
    def __init__(self, value: int) -> None:
        self.value = value


class SingleStep:
    def __init__(self, value: float) -> None:
        self.value = value


def _split(annotated: Any) -> tuple[Any, list[Any]]:
    if typing.get_origin(annotated) is typing.Annotated:
        kind, *annotations = typing.get_args(annotated)
        return kind, annotations
    return annotated, []


def _first(annotations: list[Any], kind: type) -> Any:
    return next((annotation for annotation in annotations if isinstance(annotation, kind)), None)


# -- one parameter in the node


class _Parameter:
    """A name, its type and what may be in it."""

    def __init__(self, name: str, annotated: Any, default: Any) -> None:
        self.name, (self.kind, self.annotations) = name, _split(annotated)
        self.node_classes = _node_classes(self.kind)
        self.is_enum = isinstance(self.kind, type) and issubclass(self.kind, enum.Enum)
        if not (self.node_classes or self.is_enum or self.kind in (int, float, str, bool, pathlib.Path)):
            raise TypeError(f"no serializer for {name}: {annotated}")
        given = _first(self.annotations, Default)
        self.default = given.value if given is not None else default
        if self.default is _NOTHING:
            self.default = (
                None if self.node_classes else next(iter(self.kind)) if self.is_enum else self.kind()
            )

    def is_in(self, node: Any) -> bool:
        return bool(node.HasParameter(self.name))

    def read(self, node: Any) -> Any:
        if self.node_classes:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if self.kind is bool:
            return text == "True"
        return self.kind[text] if self.is_enum else self.kind(text)

    def write(self, node: Any, value: Any) -> None:
        self._check(value)
        if self.node_classes:
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
        else:
            node.SetParameter(self.name, value.name if self.is_enum else str(value))

    def _check(self, value: Any) -> None:
        if self.node_classes:
            if value is not None and not isinstance(value, self.node_classes):
                raise TypeError(f"{self.name} must be one of {self.node_classes}, not {type(value)}")
            return
        allowed = (int, float) if self.kind is float else self.kind
        if value is None or not isinstance(value, allowed):
            raise TypeError(f"{self.name} must be {self.kind}, not {value!r}")
        for annotation in self.annotations:
            if hasattr(annotation, "validate"):
                annotation.validate(value)


_NOTHING = object()


def _node_classes(kind: Any) -> tuple[type, ...]:
    """Slicer writes None into a union only if None is named in it, and knows `Union[...]` but not `A | B`."""
    members = typing.get_args(kind) if typing.get_origin(kind) is typing.Union else (kind,)
    if len(members) > 1 and type(None) not in members:
        raise TypeError(f"None cannot be written into {kind}")
    classes = tuple(member for member in members if member is not type(None))
    is_node = all(isinstance(member, type) and issubclass(member, slicer.vtkMRMLNode) for member in classes)
    return classes if is_node else ()


# -- a parameter and its widget


class _Binding:
    """Reads and writes one widget, in the pairs of type and widget that Slicer has connectors for."""

    def __init__(self, widget: Any, parameter: _Parameter) -> None:
        self.widget, self.parameter = widget, parameter
        self.signal, self.read, self.write = self._connector(type(widget), parameter.kind)
        self._callback: Callable[[], None] | None = None

    def _connector(self, kind: type, holds: Any) -> tuple[Any, Callable[[], Any], Callable[[Any], None]]:
        widget, parameter = self.widget, self.parameter
        if kind is QtWidgets.QCheckBox and holds is bool:
            return widget.stateChanged, *_attribute(widget, "checked")
        if kind is QtWidgets.QPushButton and holds is bool:
            widget.checkable = True
            return widget.toggled, *_attribute(widget, "checked")
        if kind in (QtWidgets.QSlider, QtWidgets.QSpinBox) and holds is int:
            self._limit(2**31 - 1, needed=kind is QtWidgets.QSlider)
            return widget.valueChanged, *_attribute(widget, "value")
        if kind in (QtWidgets.QDoubleSpinBox, ctk_module.ctkSliderWidget) and holds is float:
            self._limit(float("inf"), needed=kind is ctk_module.ctkSliderWidget)
            return widget.valueChanged, *_attribute(widget, "value")
        if kind is QtWidgets.QComboBox and (parameter.is_enum or holds in (int, float, str, bool)):
            return self._choices(list(holds) if parameter.is_enum else None)
        if kind is QtWidgets.QLineEdit and holds is str:
            return widget.textChanged, *_attribute(widget, "text")
        if kind is QtWidgets.QTextEdit and holds is str:
            return widget.textChanged, widget.toPlainText, widget.setPlainText
        if kind is ctk_module.ctkPathLineEdit and holds is pathlib.Path:
            read, write = _attribute(widget, "currentPath")
            return widget.currentPathChanged, lambda: pathlib.Path(read()), lambda value: write(str(value))
        if kind is qMRMLNodeComboBox and parameter.node_classes:
            widget.nodeTypes = [node_class.__name__ for node_class in parameter.node_classes]
            return widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode
        raise RuntimeError(f"Slicer has no connector from {holds} to {kind.__name__} ({parameter.name})")

    def _limit(self, largest: float, *, needed: bool) -> None:
        """The parameter's range becomes that of the widget, whatever the .ui file says."""
        ranges = [
            annotation for annotation in self.parameter.annotations if isinstance(annotation, WithinRange)
        ]
        lowest = max((limit.minimum for limit in ranges), default=float("-inf"))
        highest = min((limit.maximum for limit in ranges), default=float("inf"))
        unbounded = lowest == float("-inf") or highest == float("inf")
        if needed and unbounded:
            raise RuntimeError(f"a slider needs a parameter with a range ({self.parameter.name})")
        for annotation in self.parameter.annotations:
            if isinstance(annotation, Decimals):
                self.widget.decimals = annotation.value
            elif isinstance(annotation, SingleStep):
                self.widget.singleStep = annotation.value
        self.widget.setRange(max(lowest, -largest - 1), min(highest, largest))

    def _choices(self, members: list[Any] | None) -> tuple[Any, Callable[[], Any], Callable[[Any], None]]:
        choice = _first(self.parameter.annotations, Choice)
        if members is None and choice is None:
            raise RuntimeError(f"a combo box needs a parameter with choices ({self.parameter.name})")
        values = members if members is not None else list(choice.choices)
        self.widget.clear()
        for value in values:
            self.widget.addItem(value.name if members is not None else str(value))

        def write(value: Any) -> None:
            self.widget.currentIndex = values.index(value)

        return self.widget.currentIndexChanged, lambda: values[self.widget.currentIndex], write

    def connect(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self.signal.connect(self._changed)

    def disconnect(self) -> None:
        self._callback = None
        self.signal.disconnect(self._changed)

    def _changed(self) -> None:
        if self._callback is not None:
            self._callback()


def _attribute(widget: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    return lambda: getattr(widget, name), lambda value: setattr(widget, name, value)


# -- the wrapper


class _Wrapper:
    """What a wrapped class can do; Slicer's names."""

    allParameters: typing.ClassVar[dict[str, _Parameter]]

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        self.parameterNode = parameterNode
        self._guis: dict[int, list[_Binding]] = {}
        self._next_gui = 0
        self._updating = False
        self._values: dict[str, Any] = {}
        self._remember()
        self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._remember())

    def _remember(self) -> None:
        """As in Slicer, values are read when the node is modified and not when they are asked for: a node that
        has come into the scene since, or has left it, is not noticed."""
        for name, parameter in self.allParameters.items():
            if not parameter.is_in(self.parameterNode):
                parameter.write(self.parameterNode, parameter.default)
            self._values[name] = parameter.read(self.parameterNode)

    def getValue(self, name: str) -> Any:
        return self._values[name]

    def setValue(self, name: str, value: Any) -> None:
        parameter = self.allParameters[name]
        with slicer.util.NodeModify(self.parameterNode):
            parameter.write(self.parameterNode, value)
            self._values[name] = parameter.read(self.parameterNode)

    def default(self, name: str) -> Default:
        return Default(self.allParameters[name].default)

    def connectGui(self, gui: Any) -> None:
        """As in Slicer, whose own returns nothing: what it connects cannot be disconnected."""
        is_widget = isinstance(gui, QtWidgets.QWidget)
        widgets = gui.findChildren(QtWidgets.QWidget) if is_widget else list(vars(gui).values())
        named = {
            widget.property(WIDGET_PROPERTY): widget for widget in widgets if widget.property(WIDGET_PROPERTY)
        }
        self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        for name in mapping:
            if name not in self.allParameters:
                raise ValueError(f"there is no parameter {name}")
        tag, self._next_gui = self._next_gui, self._next_gui + 1
        self._guis[tag] = [_Binding(widget, self.allParameters[name]) for name, widget in mapping.items()]
        for binding in self._guis[tag]:
            binding.write(self.getValue(binding.parameter.name))
            binding.connect(self._taker(binding))
        self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._show())
        return tag

    def disconnectGui(self, tag: Any) -> None:
        for binding in self._guis.pop(tag, []):
            binding.disconnect()

    def _taker(self, binding: _Binding) -> Callable[[], None]:
        def take() -> None:
            if not self._updating:
                self.setValue(binding.parameter.name, binding.read())

        return take

    def _show(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            for bindings in self._guis.values():
                for binding in bindings:
                    binding.write(self.getValue(binding.parameter.name))
        finally:
            self._updating = False

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self) -> Any:
        return self.parameterNode.StartModify()

    def EndModify(self, was_modified: Any) -> None:
        self.parameterNode.EndModify(was_modified)

    def Modified(self) -> None:
        self.parameterNode.Modified()


def parameterNodeWrapper(classtype: type | None = None) -> Any:
    """The class decorator."""
    if classtype is None:
        return parameterNodeWrapper
    reserved = [name for name in vars(_Wrapper) if not name.startswith("_")]
    parameters = {}
    for name, annotated in typing.get_type_hints(classtype, include_extras=True).items():
        if name in reserved:
            raise ValueError(f"{name} is a name that a parameter node wrapper needs itself")
        parameters[name] = _Parameter(name, annotated, getattr(classtype, name, _NOTHING))
    for name in reserved:
        if name in vars(classtype):
            raise ValueError(f"{name} is a name that a parameter node wrapper needs itself")
    for name, member in vars(_Wrapper).items():
        if name not in ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__"):
            setattr(classtype, name, member)
    classtype.allParameters = parameters
    classtype._is_parameter_node_wrapper = True
    for name in parameters:
        setattr(classtype, name, property(_getter(name), _setter(name)))
    return classtype


def _getter(name: str) -> Callable[[Any], Any]:
    return lambda self: self.getValue(name)


def _setter(name: str) -> Callable[[Any, Any], None]:
    return lambda self, value: self.setValue(name, value)


def make_module() -> ModuleType:
    """As the module `slicer.parameterNodeWrapper`."""
    module = ModuleType("slicer.parameterNodeWrapper")
    for member in (
        Default,
        WithinRange,
        Minimum,
        Maximum,
        Choice,
        Decimals,
        SingleStep,
        parameterNodeWrapper,
    ):
        setattr(module, member.__name__, member)
    module.SlicerParameterNamePropertyName = WIDGET_PROPERTY
    return module
