"""`slicer.parameterNodeWrapper`: typed attributes over a scripted module node, bound to widgets.

The types and the pairs of type and widget that are supported are those that Slicer supports and the panel uses; any
other is refused, as Slicer refuses what it does not know.
"""

# ruff: noqa: N802, N803, N815 (names are those of Qt and Slicer)
from __future__ import annotations

import typing
from collections.abc import Callable
from types import ModuleType
from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets

from .ctk_module import ctkSliderWidget
from .qmrml import qMRMLNodeComboBox


class WithinRange:
    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum


class _Parameter:
    """A name, its type and what may be in it."""

    def __init__(self, name: str, annotated: Any, default: Any) -> None:
        is_annotated = typing.get_origin(annotated) is typing.Annotated
        self.kind, *limits = typing.get_args(annotated) if is_annotated else (annotated,)
        self.name, self.limits = name, limits[0] if limits else None
        self.node_classes = _node_classes(self.kind)
        if not self.node_classes and self.kind not in (int, float, str, bool):
            raise TypeError(f"no serializer for {name}: {annotated}")
        self.default = default

    def is_in(self, node: Any) -> bool:
        return bool(node.HasParameter(self.name))

    def read(self, node: Any) -> Any:
        if self.node_classes:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        return text == "True" if self.kind is bool else self.kind(text)

    def write(self, node: Any, value: Any) -> None:
        if self.node_classes:
            if value is not None and not isinstance(value, self.node_classes):
                raise TypeError(f"{self.name} must be one of {self.node_classes}, not {type(value)}")
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            return
        allowed = (int, float) if self.kind is float else self.kind
        if value is None or not isinstance(value, allowed):
            raise TypeError(f"{self.name} must be {self.kind}, not {value!r}")
        if self.limits is not None and not self.limits.minimum <= value <= self.limits.maximum:
            raise ValueError(f"{value} is not within {self.limits.minimum} to {self.limits.maximum}")
        node.SetParameter(self.name, str(value))


def _node_classes(kind: Any) -> tuple[type, ...]:
    """Slicer writes None into a union only if None is named in it, and knows `Union[...]` but not `A | B`."""
    members = typing.get_args(kind) if typing.get_origin(kind) is typing.Union else (kind,)
    if len(members) > 1 and type(None) not in members:
        raise TypeError(f"None cannot be written into {kind}")
    classes = tuple(member for member in members if member is not type(None))
    is_node = all(isinstance(member, type) and issubclass(member, slicer.vtkMRMLNode) for member in classes)
    return classes if is_node else ()


class _Binding:
    """Reads and writes one widget, in the pairs of type and widget that Slicer has connectors for."""

    def __init__(self, widget: Any, parameter: _Parameter, changed: Callable[[_Binding], None]) -> None:
        self.widget, self.parameter, self._told = widget, parameter, changed
        kind, holds, self._attribute = type(widget), parameter.kind, "value"
        if kind is QtWidgets.QCheckBox and holds is bool:
            self.signal, self._attribute = widget.stateChanged, "checked"
        elif kind is qMRMLNodeComboBox and parameter.node_classes:
            widget.nodeTypes = [node_class.__name__ for node_class in parameter.node_classes]
            self.signal, self._attribute = widget.currentNodeChanged, ""
        elif (kind, holds) in (
            (QtWidgets.QSpinBox, int),
            (QtWidgets.QDoubleSpinBox, float),
            (ctkSliderWidget, float),
        ):
            if parameter.limits is None:
                raise RuntimeError(f"a slider needs a parameter with a range ({parameter.name})")
            # The parameter's range becomes that of the widget, whatever the .ui file says.
            widget.setRange(parameter.limits.minimum, parameter.limits.maximum)
            self.signal = widget.valueChanged
        else:
            raise RuntimeError(f"Slicer has no connector from {holds} to {kind.__name__} ({parameter.name})")

    def read(self) -> Any:
        return getattr(self.widget, self._attribute) if self._attribute else self.widget.currentNode()

    def write(self, value: Any) -> None:
        if self._attribute:
            setattr(self.widget, self._attribute, value)
        else:
            self.widget.setCurrentNode(value)

    def connect(self) -> None:
        self.signal.connect(self._changed)

    def disconnect(self) -> None:
        self.signal.disconnect(self._changed)

    def _changed(self) -> None:
        self._told(self)


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

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        tag, self._next_gui = self._next_gui, self._next_gui + 1
        self._guis[tag] = [
            _Binding(widget, self.allParameters[name], self._take) for name, widget in mapping.items()
        ]
        for binding in self._guis[tag]:
            binding.write(self.getValue(binding.parameter.name))
            binding.connect()
        self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._show())
        return tag

    def disconnectGui(self, tag: Any) -> None:
        for binding in self._guis.pop(tag, []):
            binding.disconnect()

    def _take(self, binding: _Binding) -> None:
        if not self._updating:
            self.setValue(binding.parameter.name, binding.read())

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


def parameterNodeWrapper(classtype: type) -> type:
    """The class decorator."""
    reserved = [name for name in vars(_Wrapper) if not name.startswith("_")]
    parameters = {}
    for name, annotated in typing.get_type_hints(classtype, include_extras=True).items():
        if name in reserved:
            raise ValueError(f"{name} is a name that a parameter node wrapper needs itself")
        parameters[name] = _Parameter(name, annotated, getattr(classtype, name, None))
    for name, member in vars(_Wrapper).items():
        if name not in ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__"):
            setattr(classtype, name, member)
    classtype.allParameters = parameters
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
    module.WithinRange, module.parameterNodeWrapper = WithinRange, parameterNodeWrapper
    return module
