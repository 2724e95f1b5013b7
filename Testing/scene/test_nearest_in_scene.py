"""The most similar normal tissue to a finding of the scene: looked up when it can be, else a sentence says why not."""

import hashlib
import sys

import numpy as np
import pytest
from AnomalyDetectionLib.detection.nearest_normal import NormalTissue
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.model_file import save_model
from AnomalyDetectionLib.scene.export import export_pictures
from AnomalyDetectionLib.scene.nearest_tissue import comparison_of
from AnomalyDetectionLib.scene.result import findings_of, rederive, results_in, score_map_of
from normal_tissue import a_model_with_library
from PIL import Image
from result_in_scene import a_result, saved_and_opened


@pytest.fixture(scope="module")
def model():
    return a_model_with_library()


@pytest.fixture
def model_file(model, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_model(model, path)
    return path


def made_by(path):
    """What the provenance of a result says about its model."""
    return {
        "model": {"name": "mine", "file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    }


def compared(result, number=1):
    return comparison_of(result, number)


def test_a_finding_of_the_scene_is_compared_as_the_engine_would(a_slicer_scene, model, model_file):
    result = a_result(a_slicer_scene, provenance=made_by(model_file))
    scores, tissue = score_map_of(result), NormalTissue.of(model)
    items = findings_of(result).items
    assert len(items) > 1
    for finding in items:
        wanted = tissue.of_patch(scores, finding.peak_patch)
        found = compared(result, finding.number)
        np.testing.assert_array_equal(found.patch, wanted.patch)
        np.testing.assert_array_equal(found.which, wanted.which)
        np.testing.assert_allclose(found.distances, wanted.distances)


def test_it_is_there_for_findings_of_another_threshold(a_slicer_scene, model_file):
    result = a_result(a_slicer_scene, provenance=made_by(model_file))
    findings = rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=5.5, min_patches=1)
    newest = max(finding.number for finding in findings.items)
    assert newest > 1
    assert len(compared(result, newest).distances) == 5
    with pytest.raises(KeyError):
        compared(result, 99)


def test_it_is_there_in_a_scene_that_was_saved_and_opened(a_slicer_scene, model_file, tmp_path):
    result = a_result(a_slicer_scene, provenance=made_by(model_file))
    before = compared(result)
    made = saved_and_opened(a_slicer_scene.scene, tmp_path)
    after = compared(results_in(made.scene)[0])
    np.testing.assert_array_equal(after.which, before.which)
    np.testing.assert_array_equal(after.patch, before.patch)


def test_a_model_that_is_gone_is_a_sentence(a_slicer_scene, model_file):
    result = a_result(a_slicer_scene, provenance=made_by(model_file))
    model_file.unlink()
    with pytest.raises(InputError, match='"mine", which made this result, no longer exists'):
        compared(result)


def test_a_model_that_was_replaced_is_not_taken_for_the_one_that_made_the_result(a_slicer_scene, model_file):
    result = a_result(a_slicer_scene, provenance=made_by(model_file))
    compared(result)
    save_model(a_model_with_library(patches=30), model_file)
    with pytest.raises(InputError, match="has been replaced"):
        compared(result)


def test_a_model_without_a_library_is_a_sentence(a_slicer_scene, a_random_model):
    result = a_result(a_slicer_scene, provenance=made_by(a_random_model))
    with pytest.raises(InputError, match="contains no normal tissue"):
        compared(result)


def test_a_damaged_model_is_a_sentence(a_slicer_scene, model_file):
    model_file.write_bytes(model_file.read_bytes()[:5000])
    result = a_result(a_slicer_scene, provenance=made_by(model_file))
    with pytest.raises(InputError, match="damaged"):
        compared(result)


@pytest.mark.parametrize("provenance", [{}, {"model": "none"}, {"model": {"name": "mine"}}])
def test_a_result_that_does_not_say_its_model_is_a_sentence(a_slicer_scene, provenance):
    result = a_result(a_slicer_scene, provenance=provenance)
    with pytest.raises(InputError, match="does not say which model"):
        compared(result)


def test_a_missing_package_is_a_sentence(a_slicer_scene, model_file, monkeypatch):
    result = a_result(a_slicer_scene, provenance=made_by(model_file))
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(InputError, match="safetensors is not installed"):
        compared(result)


def test_exported_pictures_show_it_where_it_can_be_looked_up(a_slicer_scene, model_file, tmp_path):
    result = a_result(a_slicer_scene, provenance=made_by(model_file))
    with_it = Image.open(export_pictures(result, tmp_path / "with")[0]).size
    model_file.unlink()
    without = Image.open(export_pictures(result, tmp_path / "without")[0]).size
    assert with_it[0] == without[0]
    assert with_it[1] > without[1] + 100
