"""Dialogs that nobody sees: what they would have shown is kept, and what the user would have said is told before."""

# ruff: noqa: N815 (names are those of Qt and Slicer)
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PySide6 import QtWidgets


@dataclass
class Dialogs:
    """What was shown, and what is answered next.

    Attributes:
        texts: the words of every message, oldest first.
        answers: for messages, oldest first; without one it is Ok.
        paths: for file and folder choosers, oldest first; without one the chooser is cancelled.
    """

    texts: list[str] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def clear(self) -> None:
        """As at the beginning."""
        for kept in (self.texts, self.answers, self.paths):
            kept.clear()

    def answer(self, text: str) -> Any:
        """Show a message; returns what the user says to it."""
        self.texts.append(text)
        return self.answers.pop(0) if self.answers else QtWidgets.QMessageBox.Ok


DIALOGS = Dialogs()


class MessageBox(QtWidgets.QMessageBox):
    """QMessageBox and ctkMessageBox."""

    def exec_(self) -> Any:
        return DIALOGS.answer(self.text)

    exec = exec_

    @staticmethod
    def _say(parent: Any, title: str, text: str, *_: Any) -> Any:
        return DIALOGS.answer(text)

    question = information = warning = critical = _say


class FileDialog(QtWidgets.QFileDialog):
    """QFileDialog's choosers; in PythonQt they return the path alone, not the filter."""

    @staticmethod
    def _choose(*_: Any) -> str:
        return str(DIALOGS.paths.pop(0)) if DIALOGS.paths else ""

    getSaveFileName = getOpenFileName = getExistingDirectory = _choose
