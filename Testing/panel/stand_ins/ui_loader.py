"""QUiLoader that knows the stand-ins, and is as strict with a .ui file as Slicer's Qt 5 is."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import ctk_module, qmrml


class UiLoader(QtUiTools.QUiLoader):
    """Loads a .ui file with our ctk and qMRML widgets in it.

    Raises:
        ValueError: the file uses something that Slicer's Qt 5 does not read, or a property its widget has not.
    """

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        for widget in (*ctk_module.WIDGETS, *qmrml.WIDGETS):
            self.registerCustomWidget(widget)

    def load(self, device: QtCore.QIODevice, parent: QtWidgets.QWidget | None = None) -> Any:
        text = bytes(device.readAll().data()).decode("utf-8")
        if scoped := re.search(r"<(?:enum|set)>[^<]*\w+::\w+::\w+", text):
            raise ValueError(f"Qt 5 does not know {scoped[0]}: write the enumerator without the enumeration.")
        root = ElementTree.fromstring(text)
        scene_connections = _take_scene_connections(root)
        _numbers_for_flags(root)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.ReadOnly)
        widget = super().load(buffer, parent)
        if widget is None:
            return None
        _check(root, widget)
        for sender, receiver in scene_connections:
            _named(widget, sender).mrmlSceneChanged.connect(_named(widget, receiver).setMRMLScene)
        return widget


def _take_scene_connections(root: ElementTree.Element) -> list[tuple[str, str]]:
    """The file's connections that hand on the scene, taken out: signals of stand-ins have other signatures."""
    found = []
    for block in root.iter("connections"):
        for connection in list(block):
            if "mrmlSceneChanged(vtkMRMLScene*)" in (connection.findtext("signal") or ""):
                found.append((connection.findtext("sender") or "", connection.findtext("receiver") or ""))
                block.remove(connection)
    return found


def _numbers_for_flags(root: ElementTree.Element) -> None:
    """Flags of a stand-in as numbers: Python cannot declare C++ flags to Qt."""
    for element in root.iter("widget"):
        kind = getattr(ctk_module, element.get("class", ""), None)
        for flags in element.iterfind("property/set") if kind is not None else ():
            names = [name.rpartition("::")[2] for name in (flags.text or "").split("|")]
            flags.tag, flags.text = "number", str(sum(getattr(kind, name) for name in names))


def _check(root: ElementTree.Element, widget: QtWidgets.QWidget) -> None:
    """Every widget of the file is there, is what the file says, and has the properties that the file gives it."""
    for element in root.iter("widget"):
        name, kind = element.get("name", ""), element.get("class", "")
        there = _named(widget, name)
        if type(there).__name__ != kind:
            raise ValueError(f"{name} is no {kind}: a {type(there).__name__}.")
        meta = there.metaObject()
        known = {"buddy", *(meta.property(place).name() for place in range(meta.propertyCount()))}
        for given in element.findall("property"):
            if given.get("stdset") != "0" and given.get("name") not in known:
                raise ValueError(f"{kind} {name} has no property {given.get('name')}.")


def _named(widget: QtWidgets.QWidget, name: str) -> Any:
    found = widget if widget.objectName == name else widget.findChild(QtWidgets.QWidget, name)
    if found is None:
        raise ValueError(f"the .ui file has no widget {name}, or its class is not known.")
    return found
