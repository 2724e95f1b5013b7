"""The simulated patient that ships with the module, for Slicer's Sample Data module and the panel's button."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..errors import InputError
from ..files.file_hash import sha256_of

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"
THUMBNAIL = RESOURCES / "Icons" / "AnomalyDetection_sample.png"
CATEGORY = "AnomalyDetection"
NAME = "AnomalyDetection: simulated chronic infarcts"


@dataclass(frozen=True)
class SampleFile:
    """A file of the sample, the name of its node, and the hash of the file."""

    file: str
    node: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return RESOURCES / "SampleData" / self.file


T1 = SampleFile(
    "simulated_T1.nii.gz", "Simulated T1", "9ea87de103ac104ab83b8d13fbd298f81b9093f07d9b3245581be470623b7bd5"
)
FLAIR = SampleFile(
    "simulated_FLAIR.nii.gz",
    "Simulated FLAIR",
    "f5d901f9f58c21ed657b7084422d1da76affb0de657c3a689f100db928cfc7ec",
)
VOLUMES = (T1, FLAIR)


def register() -> None:
    """Register the sample in the Sample Data module, at most once.

    Does nothing if Slicer lacks that module.
    """
    try:
        import SampleData
    except ImportError:
        return
    # `load` loads the files of the package; the addresses are for programs that download files themselves.
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        uris=[volume.path.as_uri() for volume in VOLUMES],
        fileNames=[volume.file for volume in VOLUMES],
        nodeNames=[volume.node for volume in VOLUMES],
        checksums=[f"SHA256:{volume.sha256}" for volume in VOLUMES],
        thumbnailFileName=str(THUMBNAIL),
        loadFileType=["VolumeFile", "VolumeFile"],
        customDownloader=load,
    )


def load(_source: Any = None) -> list[Any]:
    """Called by the button in Sample Data: load both volumes and show the FLAIR."""
    with slicer.util.tryWithErrorDisplay(_("The sample could not be loaded."), waitCursor=True):
        return list(load_sample())


def load_sample() -> tuple[Any, Any]:
    """Load the sample into the scene.

    Returns volume nodes of T1 and FLAIR; the FLAIR is in the slice views. Raises an InputError if a file is
    missing or damaged. Raises a RuntimeError if Slicer could not read it.
    """
    for volume in VOLUMES:
        _check(volume)
    t1, flair = (_load(volume) for volume in VOLUMES)
    slicer.util.setSliceViewerLayers(background=flair, foreground=None, label=None, fit=True)
    return t1, flair


def _load(volume: SampleFile) -> Any:
    node = slicer.util.loadVolume(str(volume.path), {"name": volume.node, "show": False})
    storage = node.GetStorageNode()
    if storage is not None:  # otherwise Slicer would offer to overwrite the extension's file
        node.SetAndObserveStorageNodeID(None)
        slicer.mrmlScene.RemoveNode(storage)
    return node


def _check(volume: SampleFile) -> None:
    try:
        digest = sha256_of(volume.path)
    except OSError as error:
        raise InputError(
            _("The sample's file {file} cannot be read: install the extension again.").format(
                file=volume.file
            )
        ) from error
    if digest != volume.sha256:
        raise InputError(
            _("The sample's file {file} is damaged: install the extension again.").format(file=volume.file)
        )
