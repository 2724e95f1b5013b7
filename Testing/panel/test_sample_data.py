"""The sample: in Slicer's Sample Data module, and loaded by the panel's button."""

# ruff: noqa: N802, N803 (Slicer's names)
from __future__ import annotations

import sys
from types import ModuleType
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.panel import sample_data
from AnomalyDetectionLib.scene.volumes import image_of


@pytest.fixture
def sample_data_module(a_slicer_application, monkeypatch):
    """Slicer's module SampleData: what was registered with it."""
    registered = []

    class SampleDataLogic:
        @staticmethod
        def registerCustomSampleDataSource(
            category="Custom",
            sampleName=None,
            uris=None,
            fileNames=None,
            nodeNames=None,
            customDownloader=None,
            thumbnailFileName=None,
            loadFileType="VolumeFile",
            loadFiles=None,
            loadFileProperties=None,
            checksums=None,
        ):
            assert len(uris) == len(fileNames) == len(nodeNames) == len(loadFileType) == len(checksums)
            registered.append({key: value for key, value in locals().items() if key != "registered"})

    module = ModuleType("SampleData")
    module.SampleDataLogic = SampleDataLogic
    monkeypatch.setitem(sys.modules, "SampleData", module)
    return registered


def test_the_sample_is_registered_with_files_that_are_there(sample_data_module):
    sample_data.register()
    (source,) = sample_data_module
    assert source["sampleName"] == "AnomalyDetection: simulated chronic infarcts"
    assert sample_data.THUMBNAIL.is_file()
    assert source["nodeNames"] == ["Simulated T1", "Simulated FLAIR"]
    for uri, checksum in zip(source["uris"], source["checksums"], strict=True):
        algorithm, digest = slicer.util.extractAlgoAndDigest(checksum)
        assert slicer.util.computeChecksum(algorithm, url2pathname(urlparse(uri).path)) == digest


def test_without_the_sample_data_module_nothing_happens(a_slicer_application, monkeypatch):
    monkeypatch.setitem(sys.modules, "SampleData", None)
    sample_data.register()


def test_its_button_loads_both_volumes_and_shows_the_flair(sample_data_module):
    sample_data.register()
    (source,) = sample_data_module
    source["customDownloader"](source)
    t1, flair = slicer.util.getNode("Simulated T1"), slicer.util.getNode("Simulated FLAIR")
    assert slicer.util.arrayFromVolume(t1).any()
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == flair.GetID()


def test_the_volumes_stand_where_the_files_say(a_slicer_application):
    for node, volume in zip(sample_data.load_sample(), sample_data.VOLUMES, strict=True):
        file, image = sitk.ReadImage(str(volume.path)), image_of(node)
        np.testing.assert_allclose(image.GetOrigin(), file.GetOrigin(), atol=1e-3)
        np.testing.assert_allclose(image.GetDirection(), file.GetDirection(), atol=1e-5)
        assert node.GetStorageNode() is None, "Slicer must not offer to save over the extension's files"


def test_a_damaged_file_is_a_sentence_and_loads_nothing(a_slicer_application, monkeypatch):
    damaged = sample_data.SampleFile("simulated_FLAIR.nii.gz", "Simulated FLAIR", "0" * 64)
    monkeypatch.setattr(sample_data, "VOLUMES", (sample_data.T1, damaged))
    with pytest.raises(InputError, match=r"simulated_FLAIR\.nii\.gz is damaged"):
        sample_data.load_sample()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    with pytest.raises(InputError):
        sample_data.load()
    assert "damaged" in a_slicer_application.dialogs.texts[0]
