"""qMRML widgets over a real scene: the node combo box, and widgets that hand on their scene."""

# ruff: noqa: N801, N802, N815 (names are those of Qt and Slicer)
from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import slicer
import vtk
from PySide6.QtCore import Property, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget
from shiboken6 import isValid

from .attributes import quiet


def _setting(kind: Any, name: str) -> Any:
    return Property(kind, lambda self: self._settings[name], lambda self, value: self._set(name, value))


class qMRMLWidget(QWidget):
    """A widget that knows the scene and tells its children when it changes."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene


class qMRMLNodeComboBox(QWidget):
    """Chooses a node of the scene, and follows the scene.

    As in Slicer: nodes hidden from editors are left out; subclasses of the node types are shown unless
    `showChildNodeTypes` is off; without `noneEnabled` the first node is taken by itself; `nodeActivated` comes from
    the user, and also when a program sets another node (Slicer presses Enter in the list then).
    """

    currentNodeChanged = Signal(object)
    nodeActivated = Signal(object)

    nodeTypes = _setting("QStringList", "nodeTypes")
    showChildNodeTypes = _setting(bool, "showChildNodeTypes")
    noneEnabled = _setting(bool, "noneEnabled")
    addEnabled = _setting(bool, "addEnabled")
    removeEnabled = _setting(bool, "removeEnabled")
    renameEnabled = _setting(bool, "renameEnabled")
    noneDisplay = _setting(str, "noneDisplay")

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._observers: list[tuple[Any, int]] = []
        self._ids: list[str] = []
        self._current = ""
        self._attributes: list[tuple[str, str, str | None]] = []
        self._settings: dict[str, Any] = {
            "nodeTypes": [],
            "showChildNodeTypes": True,
            "noneEnabled": False,
            "noneDisplay": "None",
            "addEnabled": True,
            "removeEnabled": True,
            "renameEnabled": False,
        }
        self.combo = QComboBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.combo)
        self.combo.activated.connect(self._on_activated)
        self.combo.currentIndexChanged.connect(self._on_index)

    def setMRMLScene(self, scene: Any) -> None:
        self._let_go()
        self._scene = scene
        if scene is not None:
            added = _node_observer(self._on_added)
            removed = _node_observer(self._on_about_to_be_removed)
            for event, callback in (
                (slicer.vtkMRMLScene.NodeAddedEvent, added),
                (slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, removed),
                (slicer.vtkMRMLScene.NodeRemovedEvent, lambda *_: self._refresh()),
                (slicer.vtkMRMLScene.EndCloseEvent, lambda *_: self._refresh()),
            ):
                self._observers.append((scene, scene.AddObserver(event, callback)))
            for node in _nodes_of(scene):
                self._watch(node)
        self._refresh()

    def _let_go(self) -> None:
        for observed, tag in self._observers:
            observed.RemoveObserver(tag)
        self._observers = []

    def mrmlScene(self) -> Any:
        return self._scene

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self._current) if self._scene is not None and self._current else None

    def setCurrentNode(self, node: Any) -> None:
        """Accepts None, and ignores a node that it does not show (None is chosen then), as Slicer does."""
        row = self._row(node.GetID() if node is not None else "")
        if row != self.combo.currentIndex and row >= 0 and self._ids[row]:
            self.combo.setCurrentIndex(row)
            self.nodeActivated.emit(self.currentNode())
        else:
            self.combo.setCurrentIndex(row)

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:
        self._attributes.append((node_type, name, value))
        self._refresh()

    def choose(self, node: Any) -> None:
        """For tests: what the user does with the mouse."""
        row = self._row(node.GetID() if node is not None else "")
        assert row >= 0, "the box does not show this node"
        self.combo.setCurrentIndex(row)
        self.combo.activated.emit(row)

    def texts(self) -> list[str]:
        """For tests: what the box offers."""
        return [self.combo.itemText(row) for row in range(self.combo.count)]

    # -- following the scene

    def _row(self, identifier: str) -> int:
        if identifier in self._ids:
            return self._ids.index(identifier)
        return self._ids.index("") if "" in self._ids else -1

    def _shows(self, node: Any) -> bool:
        if node is None or node.GetHideFromEditors():
            return False
        types = self._settings["nodeTypes"]
        if not any(node.IsA(name) for name in types):
            return False
        if not self._settings["showChildNodeTypes"] and node.GetClassName() not in types:
            return False
        wanted = [(name, value) for of, name, value in self._attributes if node.IsA(of)]
        return all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
            for name, value in wanted
        )

    def _refresh(self) -> None:
        if not isValid(self):  # Qt has deleted it; Slicer's own lets go of the scene then
            self._let_go()
            return
        nodes = [] if self._scene is None else list(filter(self._shows, _nodes_of(self._scene)))
        with quiet(self.combo):
            self.combo.clear()
            self._ids = []
            if self._settings["noneEnabled"]:
                self.combo.addItem(self._settings["noneDisplay"])
                self._ids.append("")
            for node in nodes:
                self.combo.addItem(node.GetName() or "")
                self._ids.append(node.GetID())
            row = self._row(self._current)
            if row < 0 and self._ids:
                row = 0
            self.combo.setCurrentIndex(row)
        self._on_index(row)

    def _on_added(self, node: Any) -> None:
        self._watch(node)
        self._refresh()

    def _watch(self, node: Any) -> None:
        """Names change, and attributes that decide whether a node is shown."""
        for_this = weakref.ref(self)

        def renamed(caller: Any, event: str) -> None:
            box = for_this()
            if box is None or not isValid(box):
                return
            if (caller.GetID() in box._ids) != box._shows(caller):
                box._refresh()
            elif caller.GetID() in box._ids:
                box.combo.setItemText(box._ids.index(caller.GetID()), caller.GetName() or "")

        node.AddObserver(vtk.vtkCommand.ModifiedEvent, renamed)

    def _on_about_to_be_removed(self, node: Any) -> None:
        if node.GetID() == self._current:  # its row goes, and Qt takes the one beside it
            row = self._ids.index(node.GetID())
            self.combo.setCurrentIndex(row + 1 if row + 1 < len(self._ids) else row - 1)

    def _on_index(self, row: int) -> None:
        identifier = self._ids[row] if 0 <= row < len(self._ids) else ""
        if identifier != self._current:
            self._current = identifier
            self.currentNodeChanged.emit(self.currentNode())

    def _on_activated(self, row: int) -> None:
        self._on_index(row)
        self.nodeActivated.emit(self.currentNode())

    def _set(self, name: str, value: Any) -> None:
        self._settings[name] = value
        self._refresh()


def _nodes_of(scene: Any) -> list[Any]:
    return [scene.GetNthNode(place) for place in range(scene.GetNumberOfNodes())]


def _node_observer(handle: Callable[[Any], None]) -> Callable[..., None]:
    """A VTK callback that gets the node of the event."""

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def callback(caller: Any, event: str, node: Any) -> None:
        handle(node)

    return callback


WIDGETS = (qMRMLWidget, qMRMLNodeComboBox)
