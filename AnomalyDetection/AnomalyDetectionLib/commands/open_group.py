"""A group of commands that another installed package adds to."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import click


class OpenGroup(click.Group):
    """A group of commands that also has those which installed packages declare as entry points.

    They are looked for when a command is none of the group's own and for `--help`, so that the engine's start is not
    slowed down.

    Args:
        entry_point_group: whose entry points are commands.
    """

    def __init__(self, *arguments: Any, entry_point_group: str, **others: Any) -> None:
        """As `click.Group`."""
        super().__init__(*arguments, **others)
        self._entry_point_group = entry_point_group

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, of the group itself or added to it."""
        return super().get_command(ctx, cmd_name) or self._added().get(cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all."""
        return sorted({*super().list_commands(ctx), *self._added()})

    def _added(self) -> dict[str, click.Command]:
        return {entry.name: entry.load() for entry in entry_points(group=self._entry_point_group)}
