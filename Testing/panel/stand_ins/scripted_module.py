"""`slicer.ScriptedLoadableModule`: the base classes of a scripted module, and what loads one."""

# ruff: noqa: N801, N802, N803 (names are those of Qt and Slicer)
from __future__ import annotations

import importlib.util
import sys
import unittest
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import slicer
from PySide6 import QtGui, QtWidgets

from .qmrml import qMRMLWidget


class ScriptedLoadableModule:
    """A module's name, texts and icon."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title, parent.categories, parent.dependencies, parent.contributors = "", [], [], []
        parent.helpText = parent.acknowledgementText = ""
        folder = Path(parent.path).parent / "Resources" / "Icons"
        for ending in (".svg", ".png"):
            if (folder / f"{self.moduleName}{ending}").is_file():
                parent.icon = QtGui.QIcon(str(folder / f"{self.moduleName}{ending}"))
                break

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)


class ScriptedLoadableModuleWidget:
    """A module's panel within the widget that Slicer gives it."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent, self.layout = parent, parent.layout()
        slicer.app.moduleManager().connect(
            "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
        )

    def resourcePath(self, filename: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        """Overridden."""

    def cleanup(self) -> None:
        """Overridden."""

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect(
                "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
            )


class ScriptedLoadableModuleLogic:
    """A module's parameter node."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        found = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if found is None:
            return slicer.mrmlScene.AddNode(self.createParameterNode())
        if found.GetAttribute("ModuleName") != self.moduleName:
            found.SetAttribute("ModuleName", self.moduleName)
        return found

    def createParameterNode(self) -> Any:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A module's own test."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.enableScreenshots = False

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        slicer.app.processEvents()

    def runTest(self) -> None:
        """Overridden."""


def make_module() -> ModuleType:
    """As the module `slicer.ScriptedLoadableModule`."""
    module = ModuleType("slicer.ScriptedLoadableModule")
    classes = (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    )
    for member in classes:
        setattr(module, member.__name__, member)
    module.__all__ = [member.__name__ for member in classes]
    return module


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The widget that Slicer gives a scripted module, and that calls the module's methods."""

    def __init__(self, module: LoadedModule) -> None:
        super().__init__()
        self._module, self._panel, self.isEntered = module, None, False
        self.setLayout(QtWidgets.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)

    def reload(self) -> None:
        """Makes the panel anew from the module as it is now in `sys.modules`."""
        name = self._module.name
        self._panel = getattr(sys.modules[name], f"{name}Widget")(self)
        setattr(slicer.modules, f"{name}Widget", self._panel)
        self._panel.setup()

    def self(self) -> Any:
        return self._panel

    def enter(self) -> None:
        self.isEntered = True
        if hasattr(self._panel, "enter"):
            self._panel.enter()

    def exit(self) -> None:
        self.isEntered = False
        if hasattr(self._panel, "exit"):
            self._panel.exit()


class LoadedModule:
    """A scripted module of a file, loaded as Slicer does: `slicer.modules.<name>` and its widget, made when asked for."""

    def __init__(self, path: Path) -> None:
        self.name, self.path = path.stem, str(path)
        self.parent = SimpleNamespace(path=self.path, name=self.name, icon=None, hidden=False, index=-1)
        spec = importlib.util.spec_from_file_location(self.name, path)
        source = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = source
        spec.loader.exec_module(source)
        self.source = source
        setattr(slicer.modules, self.name.lower(), self)
        setattr(slicer.modules, f"{self.name}Instance", getattr(source, self.name)(self.parent))
        self._widget: qSlicerScriptedLoadableModuleWidget | None = None

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        if self._widget is None:
            self._widget = qSlicerScriptedLoadableModuleWidget(self)
            self._widget.reload()
        return self._widget

    def logic(self) -> None:
        return None
