"""A detection job as a file: written by the program that starts the engine, read by the command `run`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..detection.detection_settings import DetectionRequest, DetectionSettings
from ..errors import InputError
from ..files.atomic_file import write_text_atomically

_IMAGES = ("t1", "flair", "brain_mask")


@dataclass(frozen=True)
class Job:
    """A detection whose results are the scores (see `job_results`).

    Attributes:
        request: of image files; a chosen DICOM series is not supported.
        output: the folder for the results; it appears complete or not at all.
        parent: id of a process; the run ends when that process ends.
    """

    request: DetectionRequest
    output: Path
    parent: int | None = None

    def write(self, path: Path) -> list[str]:
        """Write the job to a file, and return the arguments of the engine's command line that run it."""
        content = {name: getattr(self.request, name) for name in _IMAGES}
        content |= {"settings": self.request.settings.plain(), "output": self.output, "parent": self.parent}
        write_text_atomically(path, json.dumps(content, default=str))  # an engine may be waiting for it
        return _arguments(path)

    @classmethod
    def read(cls, path: Path) -> Job:
        """The reverse of `write`; InputError if the file cannot be read or holds an invalid job."""
        try:
            content = json.loads(path.read_text("utf-8"))
            t1, flair, mask = (Path(content[name]) if content[name] else None for name in _IMAGES)
            if t1 is None or flair is None:
                raise ValueError("it names no T1 or no FLAIR")
            request = DetectionRequest(t1, flair, mask, settings=DetectionSettings(**content["settings"]))
            return cls(request, Path(content["output"]), content["parent"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"The job {path} cannot be read ({error}): write it again.") from error


def standby_arguments(path: Path, parent: int) -> list[str]:
    """Arguments of an engine that is started before its job is known: it waits for the job's file.

    Args:
        path: that `Job.write` will be called with.
        parent: id of the process that will write it; when that ends, the engine ends.
    """
    return [*_arguments(path), "--standby-for", str(parent)]


def _arguments(path: Path) -> list[str]:
    return ["run", str(path), "--progress", "json"]
