"""`slicer.app` and what hangs on it: main window, layout manager over the real layout logic, reading and writing."""

# ruff: noqa: N802, N815 (names are those of Qt and Slicer)
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from slice_rendering import map_views

from .dialogs import DIALOGS


class Signals:
    """Connections in the old style that Slicer's modules use: `connect("startupCompleted()", f)`."""

    def __init__(self) -> None:
        self._slots: dict[str, list[Callable[..., None]]] = {}

    def connect(self, signal: str, slot: Callable[..., None]) -> bool:
        self._slots.setdefault(signal, []).append(slot)
        return True

    def disconnect(self, signal: str, slot: Callable[..., None]) -> bool:
        if slot in self._slots.get(signal, []):
            self._slots[signal].remove(slot)
            return True
        return False

    def emit(self, signal: str, *values: Any) -> None:
        for slot in list(self._slots.get(signal, [])):
            slot(*values)


class SliceWidget:
    """One slice view of the layout, without a window: its logic, its nodes, and the interactor that a mouse meets."""

    def __init__(self, logic: Any) -> None:
        self._logic, self._interactor = logic, vtk.vtkRenderWindowInteractor()

    def sliceView(self) -> SliceWidget:
        return self

    def interactor(self) -> Any:
        return self._interactor

    def sliceLogic(self) -> Any:
        return self._logic

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()


class LayoutManager:
    """Makes slice nodes, slice logics and composite nodes as layouts need them, as the real one does."""

    def __init__(self, scene: Any, application_logic: Any) -> None:
        self._scene, self._application_logic = scene, application_logic
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
        application_logic.SetSliceLogics(vtk.vtkCollection())
        application_logic.SetViewLogics(vtk.vtkCollection())
        self._widgets: dict[str, SliceWidget] = {}
        if scene.GetFirstNodeByClass("vtkMRMLCrosshairNode") is None:
            crosshair = slicer.vtkMRMLCrosshairNode()
            crosshair.SetCrosshairName("default")
            scene.AddNode(crosshair)
        self._following = False
        self._layout = slicer.vtkMRMLLayoutLogic()
        self._layout.SetMRMLApplicationLogic(application_logic)
        self._layout.SetMRMLScene(scene)
        self._tags = [
            scene.AddObserver(event, lambda caller, event: self._follow())
            for event in (slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.EndBatchProcessEvent)
        ]
        self._layout.GetLayoutNode().AddObserver(vtk.vtkCommand.ModifiedEvent, self._layout_changed)
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self._follow()

    def close(self) -> None:
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        for logic in (*self._logics(), self._layout):
            logic.SetMRMLScene(None)

    def _logics(self) -> list[Any]:
        return [widget.sliceLogic() for widget in self._widgets.values()]

    def _layout_changed(self, *_: Any) -> None:
        if self._layout.GetMRMLScene() is not None:
            map_views(self._scene, self._layout)

    @property
    def layout(self) -> int:
        return int(self._layout.GetLayoutNode().GetViewArrangement())

    def setLayout(self, identifier: int) -> None:
        self._layout.GetLayoutNode().SetViewArrangement(identifier)

    def sliceViewNames(self) -> list[str]:
        """Of the layout that is shown."""
        views = self._layout.GetViewNodes()
        nodes = [views.GetItemAsObject(index) for index in range(views.GetNumberOfItems())]
        return [node.GetLayoutName() for node in nodes if node.IsA("vtkMRMLSliceNode")]

    def sliceWidget(self, name: str) -> SliceWidget | None:
        return self._widgets.get(name)

    @property
    def threeDViewCount(self) -> int:
        """The stand-in draws none."""
        return 0

    def mrmlSliceLogics(self) -> Any:
        return self._application_logic.GetSliceLogics()

    def resetSliceViews(self) -> None:
        for logic in self._logics():
            logic.FitSliceToAll()

    def _follow(self) -> None:
        """Every slice node gets its logic, and with it its composite node."""
        if self._following or self._scene.IsBatchProcessing():
            return
        self._following = True  # a slice logic adds nodes of its own
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode", self._scene):
            name = node.GetLayoutName()
            if name not in self._widgets:
                logic = slicer.vtkMRMLSliceLogic()
                self._widgets[name] = SliceWidget(logic)
                logic.SetMRMLApplicationLogic(self._application_logic)
                self._application_logic.GetSliceLogics().AddItem(logic)
                logic.SetMRMLScene(self._scene)
            logic = self._widgets[name].sliceLogic()
            if logic.GetSliceNode() is not node:
                logic.SetSliceNode(node)
                node.SetDimensions(400, 400, 1)
        self._following = False


class ModuleManager(Signals):
    """Slicer's modules by name."""

    def __init__(self) -> None:
        super().__init__()
        self.modules: dict[str, Any] = {}

    def module(self, name: str) -> Any:
        return self.modules.get(name)


class IOManager:
    """Reads volumes and scenes, writes scenes: `slicer.util.loadVolume`, `loadScene`, `saveScene`."""

    def loadNodes(
        self, kind: str, properties: dict[str, Any], loaded: Any = None, messages: Any = None
    ) -> bool:
        path = str(properties["fileName"])
        if kind == "SceneFile":
            return bool(slicer.mrmlScene.ReadFromMRB(path, properties.get("clear", False)))
        if kind != "VolumeFile" or not Path(path).is_file():
            return False
        node_class = "vtkMRMLLabelMapVolumeNode" if properties.get("labelmap") else "vtkMRMLScalarVolumeNode"
        node = slicer.mrmlScene.AddNewNodeByClass(
            node_class, properties.get("name") or Path(path).name.split(".")[0]
        )
        storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
        storage.SetFileName(path)
        if not storage.ReadData(node):
            slicer.mrmlScene.RemoveNode(storage)
            slicer.mrmlScene.RemoveNode(node)
            return False
        node.SetAndObserveStorageNodeID(storage.GetID())
        node.CreateDefaultDisplayNodes()
        if loaded is not None:
            loaded.AddItem(node)
        if properties.get("show", True):
            slicer.util.setSliceViewerLayers(background=node, fit=True)
        return True

    def saveNodes(self, kind: str, properties: dict[str, Any], messages: Any = None) -> bool:
        return kind == "SceneFile" and bool(slicer.mrmlScene.WriteToMRB(str(properties["fileName"])))


class MainWindow(QtWidgets.QMainWindow):
    """Slicer's main window: the panel of the open module in a scroll area, as wide as a radiologist leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self.objectName = "qSlicerMainWindow"
        self.statusBar()
        self.area = QtWidgets.QScrollArea(self)
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarAlwaysOff)
        self.setCentralWidget(self.area)
        self.resize(440, 900)
        self._selector = ModuleSelector(self.area)

    def moduleSelector(self) -> ModuleSelector:
        return self._selector


class ModuleSelector:
    """Opens one module and closes the one before."""

    def __init__(self, area: QtWidgets.QScrollArea) -> None:
        self._area = area
        self.selectedModule = ""

    def selectModule(self, name: str) -> None:
        manager = slicer.app.moduleManager()
        if (before := manager.module(self.selectedModule)) is not None:
            before.widgetRepresentation().exit()
            self._area.takeWidget()
        self.selectedModule = name
        if (now := manager.module(name)) is not None:
            self._area.setWidget(now.widgetRepresentation())
            now.widgetRepresentation().enter()


class Application(Signals):
    """`slicer.app`. What Qt's application has of its own is Qt's."""

    applicationName = "Slicer"
    majorVersion, minorVersion = 5, 13

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._qt = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
        self._qt.setApplicationName("Slicer")
        self._qt.setOrganizationName("test")
        self.temporaryPath, self.slicerHome = str(folder), str(folder / "Slicer")
        self._settings = QtCore.QSettings(str(folder / "Slicer.ini"), QtCore.QSettings.IniFormat)
        self._scene: Any = None
        self._logic: Any = None
        self._layouts: LayoutManager | None = None
        self._modules, self._io = ModuleManager(), IOManager()
        self.testing = False
        self.window = MainWindow()

    def start(self, scene: Any, application_logic: Any) -> None:
        self._scene, self._logic = scene, application_logic
        self._layouts = LayoutManager(scene, application_logic)
        cache, manager = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
        cache.SetRemoteCacheDirectory(f"{self.temporaryPath}/RemoteIO")
        manager.SetCacheManager(cache)
        scene.SetCacheManager(cache)
        scene.SetDataIOManager(manager)
        self._kept = cache, manager

    def stop(self) -> None:
        """The application quits: panels are cleaned up, windows closed."""
        for name in list(self._modules.modules):
            self._modules.emit("moduleAboutToBeUnloaded(QString)", name)
        self.window.close()
        self.window.deleteLater()
        if self._layouts is not None:
            self._layouts.close()
        self.processEvents()
        # Which Qt does in the loop that there is none of.
        self._qt.sendPostedEvents(None, QtCore.QEvent.DeferredDelete)
        DIALOGS.clear()

    def mrmlScene(self) -> Any:
        return self._scene

    def applicationLogic(self) -> Any:
        return self._logic

    def layoutManager(self) -> Any:
        return self._layouts

    def moduleManager(self) -> ModuleManager:
        return self._modules

    def coreIOManager(self) -> IOManager:
        return self._io

    ioManager = coreIOManager

    def userSettings(self) -> Any:
        return self._settings

    settings = userSettings

    def testingEnabled(self) -> bool:
        return self.testing

    def topLevelWidgets(self) -> list[Any]:
        return [self.window]

    def processEvents(self, *flags: Any) -> None:
        self._qt.processEvents(*flags)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._qt, name)
