"""A click group that other installed packages can add commands to."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import click


class OpenGroup(click.Group):
    """A click group that also has the commands that installed packages declare as entry points.

    Entry points are read only for an unknown command and for `--help`, so that they do not slow down the start.

    Args:
        entry_point_group: name of the group of entry points.
    """

    def __init__(self, *arguments: Any, entry_point_group: str, **others: Any) -> None:
        """As `click.Group`."""
        super().__init__(*arguments, **others)
        self._entry_point_group = entry_point_group

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, built in or added."""
        return super().get_command(ctx, cmd_name) or self._added().get(cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted({*super().list_commands(ctx), *self._added()})

    def _added(self) -> dict[str, click.Command]:
        return {entry.name: entry.load() for entry in entry_points(group=self._entry_point_group)}
