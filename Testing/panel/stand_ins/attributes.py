"""Qt properties as attributes, as PythonQt has them: `button.enabled = False`, `label.text`, `table.rowCount`.

PySide6 calls that the feature "true_property". It is chosen by the name of the module that runs; modules it does not
know keep what was chosen last, so that choosing it once switches it on for all of ours; only modules that name
PySide6 themselves (these tests, the stand-ins) have to be named. PySide6 then hides the methods
behind a property; PythonQt does not (`label.setText("...")`, `widget.isVisible()`), so they are put back.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from shibokensupport import feature

METHODS, PROPERTIES = 0, 2
_MODULES = (QtCore, QtGui, QtWidgets)
_switched = False


def switch_on() -> None:
    """Properties are attributes from now on, in every module of this process. Safe to call twice."""
    with _torch_out_of_sight():
        _switch_on()


def _switch_on() -> None:
    global _switched
    _keep_none()
    feature.set_selection(METHODS, __name__)
    if not _switched:
        methods = {kind: dict(vars(kind)) for module in _MODULES for kind in _classes(module)}
        feature.set_selection(PROPERTIES, __name__)
        for kind, members in methods.items():
            _put_back(kind, members)
        QtCore.QObject.name = property(_object_name, _set_object_name)  # PythonQt's other name for objectName
        _switched = True
    package = __name__.partition(".")[0]
    for name in [name for name in sys.modules if name.partition(".")[0] in (package, "qt", "ctk")]:
        feature.set_selection(PROPERTIES, name)


def _keep_none() -> None:
    """PySide6 6.12 takes None for immortal, which it is since Python 3.12 only: in older ones each method that
    returns None loses a reference to it, until the interpreter aborts."""
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value = 1 << 60


@contextmanager
def quiet(thing: Any) -> Iterator[None]:
    """Without signals of a QObject."""
    before = thing.blockSignals(True)
    yield
    thing.blockSignals(before)


@contextmanager
def _torch_out_of_sight() -> Iterator[None]:
    """PySide6 asks every module for its source, and torch's made-up modules (torch.classes) answer with an error."""
    hidden = {
        name: sys.modules.pop(name)
        for name, module in list(sys.modules.items())
        if name.startswith("torch") and type(module) is not ModuleType
    }
    try:
        yield
    finally:
        sys.modules.update(hidden)


def _classes(module: ModuleType) -> list[type]:
    found = [getattr(module, name) for name in dir(module)]
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, QtCore.QObject)]


def _put_back(kind: type, members: dict[str, Any]) -> None:
    for name, member in members.items():
        if not name.startswith("__") and not hasattr(kind, name):
            setattr(kind, name, member)


def _object_name(thing: Any) -> str:
    return thing.objectName


def _set_object_name(thing: Any, name: str) -> None:
    thing.objectName = name
