"""A Slicer to test in: real scene and logics, stand-ins for the rest, put where `import` finds them."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import slicer
import slicer.util
from PySide6 import QtCore, QtTest
from slicer_scene import SlicerScene, make_scene

from . import attributes, parameter_node_wrapper, scripted_module
from .application import Application
from .ctk_module import make_ctk
from .dialogs import DIALOGS, Dialogs
from .qmrml import WIDGETS
from .qt_module import make_qt


class SlicerApplication:
    """One start of Slicer, until `stop`.

    Attributes:
        scene: vtkMRMLScene.
        logics: that belong to it.
        app: `slicer.app`.
        dialogs: what was shown, and what is answered.
        errors: tracebacks of what was raised in slots and observers, where Qt and VTK only print it.
    """

    def __init__(self, folder: Path) -> None:
        install()
        self.errors: list[str] = []
        self._excepthook, sys.excepthook = sys.excepthook, self._note
        DIALOGS.clear()
        self.dialogs: Dialogs = DIALOGS
        made = make_scene()
        self.scene, self.logics = made.scene, made.logics
        slicer.modules = SimpleNamespace(
            colors=_module_with(self.logics.colors),
            segmentations=_module_with(self.logics.segmentations),
            volumes=_module_with(_volumes_logic(made)),
        )
        self.app = Application(folder)
        slicer.app = self.app
        self.app.start(self.scene, self.logics.application)

    def load_module(self, path: Path) -> Any:
        """Load a scripted module as Slicer does at its start; `slicer.modules.<name>` is returned."""
        module = scripted_module.LoadedModule(path)
        self.app.moduleManager().modules[module.name] = module
        self.app.emit("startupCompleted()")
        return module

    def open(self, module: Any) -> Any:
        """Open a module's panel, and return the Python object behind it."""
        self.app.window.show()
        self.app.window.activateWindow()
        self.app.window.moduleSelector().selectModule(module.name)
        self.app.processEvents()
        return module.widgetRepresentation().self()

    def close_scene(self) -> None:
        """File, Close Scene."""
        self.scene.Clear(False)

    def save_scene(self, path: Path) -> None:
        """File, Save, as an .mrb."""
        assert slicer.util.saveScene(str(path))

    def open_scene(self, path: Path) -> None:
        """Open an .mrb instead of what is there."""
        self.close_scene()
        assert self.app.coreIOManager().loadNodes("SceneFile", {"fileName": str(path), "clear": False})

    def wait(self, until: Callable[[], Any], seconds: float = 20.0) -> None:
        """Let events happen until something is so; fails when it never is."""
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end, "it did not happen in time"
            self.app.processEvents()
            time.sleep(0.01)

    def rest(self, seconds: float = 0.3) -> None:
        """Let events happen for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.app.processEvents()
            time.sleep(0.01)

    def leave(self) -> None:
        """Another module is opened."""
        self.app.window.moduleSelector().selectModule("")

    def press(self, key: str) -> None:
        """Hold a key down, with the main window in front and the focus not in a text field."""
        self._send(QtTest.QTest.keyPress, key)

    def release(self, key: str) -> None:
        """Let it go."""
        self._send(QtTest.QTest.keyRelease, key)

    def type(self, key: str) -> None:
        """Press a key, and let it go."""
        self.press(key)
        self.release(key)

    def _send(self, send: Callable[..., None], key: str) -> None:
        send(self.app.window, getattr(QtCore.Qt, f"Key_{key}"))
        self.app.processEvents()

    def stop(self) -> None:
        """Quit."""
        self.app.stop()
        self.scene.Clear(True)
        sys.excepthook = self._excepthook
        del slicer.app, slicer.modules

    def _note(self, *raised: Any) -> None:
        self.errors.append("".join(traceback.format_exception(*raised)))


def _volumes_logic(made: SlicerScene) -> Any:
    logic = slicer.vtkSlicerVolumesLogic()
    logic.SetMRMLApplicationLogic(made.logics.application)
    logic.SetMRMLScene(made.scene)
    return logic


def _module_with(logic: Any) -> Any:
    return SimpleNamespace(logic=lambda: logic)


def install() -> None:
    """`import qt`, `import ctk`, `from slicer.i18n import tr` and so on find the stand-ins from now on."""
    if "qt" not in sys.modules:
        _put_modules_in_place()
    attributes.switch_on()


def _put_modules_in_place() -> None:
    i18n = ModuleType("slicer.i18n")
    i18n.tr = lambda text: text
    i18n.translate = lambda context, text: text
    modules = {
        "qt": make_qt(),
        "ctk": make_ctk(),
        "slicer.i18n": i18n,
        "slicer.parameterNodeWrapper": parameter_node_wrapper.make_module(),
        "slicer.ScriptedLoadableModule": scripted_module.make_module(),
    }
    sys.modules.update(modules)
    for name, module in modules.items():
        if name.startswith("slicer."):
            setattr(slicer, name.removeprefix("slicer."), module)
    for widget in WIDGETS:
        setattr(slicer, widget.__name__, widget)
    slicer.qSlicerScriptedLoadableModuleWidget = scripted_module.qSlicerScriptedLoadableModuleWidget
    slicer.qSlicerScriptedLoadableModule = scripted_module.LoadedModule
