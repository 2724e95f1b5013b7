"""What PythonQt refuses and PySide6 does not."""

from __future__ import annotations

import ast

import pytest
import qt
from conftest import REPOSITORY

MODULE = REPOSITORY / "AnomalyDetection" / "AnomalyDetection.py"
PANEL = REPOSITORY / "AnomalyDetection" / "AnomalyDetectionLib" / "panel"


def panel_sources():
    return [MODULE, *sorted(PANEL.glob("*.py"))]


@pytest.mark.parametrize("path", panel_sources(), ids=lambda path: path.name)
def test_no_qt_object_is_made_with_keywords(path):
    wrong = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in ("qt", "ctk") and node.keywords:
                wrong.append(f"{path.name}:{node.lineno}")
    assert not wrong


def test_no_widget_is_given_an_attribute_that_it_has_not(detected):
    widgets = detected.parent.findChildren(qt.QWidget)
    kinds = {"qt", "PySide6.QtWidgets"}
    strange = [
        (widget.objectName, name)
        for widget in widgets
        if type(widget).__module__ in kinds
        for name, value in getattr(widget, "__dict__", {}).items()
        if type(value).__name__ != "SignalInstance"
    ]
    assert not strange
