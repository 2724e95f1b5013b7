"""`anomaly-detection series`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..errors import InputError
from ..files.text import escape_controls
from .options import DEBUG, PATH, in_words

HEAD = ("No.", "Description", "Kind", "Images", "Voxels", "Why")


@click.command(short_help="List the DICOM series of a study, and those that detect would choose.")
@click.argument("folder", type=PATH, metavar="DIR")
@DEBUG
def series(folder: Path, debug: bool) -> None:
    """List the DICOM series of a folder and its subfolders, and the T1 and FLAIR that `detect --study` would choose.

    Only headers are read. The kind of a series is decided by its acquisition (echo, repetition and inversion time,
    pulses, contrast medium), or by its name if the headers lack these.
    """
    from ..dicom.study import check_patient, choose_pair, read_studies, row

    studies = read_studies(folder)
    for study in studies:
        _say(f"Study {study.name}\n  UID {study.uid}\n")
        _say(_table([HEAD, *map(row, study.series)]))
        if study.no_images:
            _say(f"Also found, without images: {', '.join(study.no_images)}.")
        if study.unread:
            _say(f"Part of the folder {study.not_read}.")
        try:
            lines = choose_pair(check_patient(study)).lines
            option = f" --study-uid {study.uid}" if len(studies) > 1 else ""
            _say(f"\ndetect --study{option} takes\n" + "\n".join(f"  {line}" for line in lines))
        except InputError as error:
            _say(f"\ndetect --study cannot choose. {in_words(error)}")
        if study is not studies[-1]:
            _say()


def _say(text: str = "") -> None:
    click.echo(escape_controls(text))  # descriptions may contain any text


def _table(rows: Sequence[Sequence[str]]) -> str:
    """The rows as aligned columns; the last column may be long."""
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEAD) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)), cells[-1]])
        for cells in rows
    )
