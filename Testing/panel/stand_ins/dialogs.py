"""Dialogs that nobody sees: what they would have shown is kept, and what the user would have said is told before."""

# ruff: noqa: N802, N815 (names are those of Qt and Slicer)
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PySide6 import QtWidgets


@dataclass(frozen=True)
class Shown:
    """A message that was shown: its words, those behind its Details button, and the buttons it offered."""

    text: str
    details: str
    title: str
    buttons: Any


@dataclass
class Dialogs:
    """What was shown, and what is answered next.

    Attributes:
        shown: every message, oldest first.
        answers: for messages, oldest first; without one the default button, else Ok.
        paths: for file and folder choosers, oldest first; without one the chooser is cancelled.
    """

    shown: list[Shown] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The words of every message that was shown."""
        return [shown.text for shown in self.shown]

    def clear(self) -> None:
        """As at the beginning."""
        self.shown.clear()
        self.answers.clear()
        self.paths.clear()

    def answer(self) -> Any:
        """What the user says to the message that was shown last."""
        if self.answers:
            return self.answers.pop(0)
        return QtWidgets.QMessageBox.Ok

    def path(self) -> str:
        """What the user chooses; "" is Cancel."""
        return str(self.paths.pop(0)) if self.paths else ""


DIALOGS = Dialogs()


class MessageBox(QtWidgets.QMessageBox):
    """QMessageBox and ctkMessageBox."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._clicked = None

    def exec_(self) -> Any:
        shown = Shown(self.text, self.detailedText, self.windowTitle.strip(), self.standardButtons)
        DIALOGS.shown.append(shown)
        answer = DIALOGS.answer()
        if isinstance(answer, str):  # the text of one of its own buttons
            self._clicked = next(
                button for button in self.buttons() if button.text.replace("&", "") == answer
            )
            return 0
        return answer

    exec = exec_

    def clickedButton(self) -> Any:
        return self._clicked

    @staticmethod
    def _say(parent: Any, title: str, text: str, buttons: Any = QtWidgets.QMessageBox.Ok, *_: Any) -> Any:
        DIALOGS.shown.append(Shown(text, "", title, buttons))
        return DIALOGS.answer()

    question = information = warning = critical = _say


class FileDialog(QtWidgets.QFileDialog):
    """QFileDialog's choosers; in PythonQt they return the path alone, not the filter."""

    @staticmethod
    def _choose(parent: Any = None, caption: str = "", directory: str = "", *_: Any) -> str:
        return DIALOGS.path()

    getSaveFileName = getOpenFileName = getExistingDirectory = _choose


class InputDialog(QtWidgets.QInputDialog):
    """QInputDialog's question for a line of text; PythonQt returns the text alone."""

    @staticmethod
    def getText(parent: Any, title: str, label: str, *_: Any) -> str:
        return DIALOGS.path()
