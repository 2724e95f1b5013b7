"""The module `qt`: Qt's classes under one roof."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtTest, QtWidgets

from .dialogs import FileDialog, MessageBox
from .ui_loader import UiLoader

_NEWER_THAN_QT_5 = {"QPermission", "QUndoGroup"}


class _Qt(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name not in _NEWER_THAN_QT_5:
            for module in (QtCore, QtGui, QtWidgets, QtTest):
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module 'qt' has no attribute {name!r}")


def make_qt() -> ModuleType:
    """PySide6 as the module `qt`."""
    qt = _Qt("qt")
    qt.__file__ = __file__
    qt.QUiLoader = UiLoader
    qt.QMessageBox = MessageBox
    qt.QFileDialog = FileDialog
    return qt
