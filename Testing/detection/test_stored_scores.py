"""A score map put away and taken up again."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.candidate_probabilities import CandidateProbabilities
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.detection.midline import Midline
from AnomalyDetectionLib.detection.stored_scores import (
    IMAGES,
    StoredScores,
    read_stored,
    restore,
    store,
    write_stored,
)
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.prepared import Alignment
from AnomalyDetectionLib.imaging.voxels import voxels_of
from synthetic_study import (
    FIRST,
    FLAIR_GRID,
    MODEL_GRID,
    STRIDE,
    empty_lattice,
    prepared_study,
    rotated,
    scored,
)


@pytest.fixture(scope="module")
def scores():
    """Turned grids, tissue with noise, a registration, times: nothing that a default would restore."""
    study = prepared_study(
        flair_grid=rotated(FLAIR_GRID, 12.3), model_grid=rotated(MODEL_GRID, 12.3), degrees=12.3
    )
    random = np.random.default_rng(0)
    study = replace(
        study,
        t1=study.t1 + random.normal(0, 0.1, study.t1.shape).astype(np.float32),
        flair=study.flair + random.normal(0, 0.1, study.flair.shape).astype(np.float32),
        alignment=Alignment(True, 1 / 3, math.pi, tuple(random.random(16).tolist())),
        seconds={"brain mask": 0.1, "alignment": 1 / 7},
        fraction_outside_t1=1 / 9,
    )
    lattice = empty_lattice(study)
    lattice[4:6, 8:11, 13:15] = 4.0
    lattice[4, 9, 13] = np.float32(6.1)
    lattice[6, 14:16, 5:7] = 3.5
    return replace(scored(study, lattice, percentile=62.5, neighbourhood="8"), seconds={"scoring": 2.5})


def assert_same(restored, scores):
    np.testing.assert_array_equal(restored.lattice, scores.lattice)
    assert restored.lattice.dtype == np.float32
    for name in ("first", "settings", "seconds"):
        assert getattr(restored, name) == getattr(scores, name)
    assert Grid.of(restored.image) == Grid.of(scores.image)
    np.testing.assert_array_equal(*map(voxels_of, (restored.image, scores.image)))
    before, after = vars(scores.study), vars(restored.study)
    assert before.keys() == after.keys()
    for name, value in before.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(after[name], value)
            assert after[name].dtype == value.dtype
        else:
            assert after[name] == value, name


def assert_same_findings(restored, scores):
    for threshold, min_patches in ((3.0, 2), (0.5, 1), (5.0, 1)):
        there = derive_findings(restored, threshold=threshold, min_patches=min_patches)
        here = derive_findings(scores, threshold=threshold, min_patches=min_patches)
        assert there.items == here.items
        assert Grid.of(there.labels) == Grid.of(here.labels)
        np.testing.assert_array_equal(*map(voxels_of, (there.labels, here.labels)))


def test_files_give_back_what_was_stored_and_the_same_findings(scores, tmp_path):
    assert tuple(store(scores).images) == IMAGES
    json.dumps(store(scores).record, allow_nan=False)
    write_stored(scores, tmp_path / "score map é")
    restored = restore(read_stored(tmp_path / "score map é"))
    assert_same(restored, scores)
    assert_same_findings(restored, scores)


def test_the_midline_is_stored_and_need_not_be_found_again(scores, monkeypatch):
    stored = store(scores)
    expected = scores.midline
    monkeypatch.setattr(Midline, "of", lambda study: pytest.fail("it is known"))
    assert restore(stored).midline == expected


def test_images_with_another_programs_header_restore_the_same(scores):
    stored = store(scores)
    elsewhere = {}
    for name, image in stored.images.items():
        copy = sitk.Cast(image, sitk.sitkFloat64) if name == "prepared_brain" else sitk.Image(image)
        copy.SetOrigin((1e3, -7.0, 3.5))
        copy.SetSpacing([round(mm, 2) for mm in image.GetSpacing()])
        copy.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, 1))
        elsewhere[name] = copy
    restored = restore(StoredScores(elsewhere, stored.record))
    assert_same(restored, scores)


def test_the_images_lie_where_the_brain_is(scores):
    images = store(scores).images
    study = scores.study
    for name in ("score", "brain"):
        assert Grid.of(images[name]) == study.flair_grid
    for name in ("candidates", "prepared_t1", "prepared_flair", "prepared_brain"):
        assert Grid.of(images[name]) == study.grid
    kinds = {name: image.GetPixelID() for name, image in images.items()}
    assert {name for name, kind in kinds.items() if kind == sitk.sitkUInt8} == {"brain", "prepared_brain"}
    assert {name for name, kind in kinds.items() if kind == sitk.sitkUInt16} == {"candidates"}
    assert set(kinds.values()) == {sitk.sitkUInt8, sitk.sitkUInt16, sitk.sitkFloat32}
    s, i, j = 4, 9, 13
    here = images["patch_scores"].TransformIndexToPhysicalPoint((j, i, s))
    there = study.grid.points(np.array([[FIRST[1] + STRIDE * j, FIRST[0] + STRIDE * i, s]]))[0]
    np.testing.assert_allclose(here, there, atol=1e-9)
    assert images["patch_scores"][j, i, s] == pytest.approx(6.1)
    assert math.isnan(images["patch_scores"][0, 0, 0])


def test_a_missing_image_or_one_of_another_size_is_refused(scores):
    stored = store(scores)
    for name in IMAGES:
        without = {key: image for key, image in stored.images.items() if key != name}
        with pytest.raises(InputError, match=f"'{name}'"):
            restore(StoredScores(without, stored.record))
        with pytest.raises(InputError, match=f"'{name}'"):
            restore(StoredScores({**stored.images, name: stored.images[name][1:]}, stored.record))


@pytest.mark.parametrize(
    "damage",
    ["grid", "scoring", "lattice", "alignment", "seconds", "format", "version", "candidate_probabilities"],
)
def test_a_damaged_record_is_refused(damage, scores):
    stored = store(scores)
    values = [None, [], {"unknown": 1}, "x"]
    if damage == "candidate_probabilities":
        values = ["x", [[0.5]], [["x"] * 5], [[1e999] * 5]]
    for value in values:
        with pytest.raises(InputError, match="detect anomalies again"):
            restore(StoredScores(stored.images, {**stored.record, damage: value}))
    with pytest.raises(InputError, match="detect anomalies again"):
        restore(StoredScores(stored.images, {k: v for k, v in stored.record.items() if k != damage}))


def test_what_the_second_look_said_is_kept(scores, tmp_path):
    labels = np.zeros(scores.study.brain.shape, np.int32)
    labels[4, 20:30, 20:30], labels[5, 40:45, 40:45] = 1, 2
    answers = np.array([[0.1, 0.2, 0.6, 0.1, 0], [1 / 3, 1 / 3, 0, 0, 1 / 3]], np.float32)
    seen = replace(scores, candidates=CandidateProbabilities(labels, answers))
    write_stored(seen, tmp_path)
    restored = restore(read_stored(tmp_path))
    np.testing.assert_array_equal(restored.candidates.labels, labels)
    np.testing.assert_array_equal(restored.candidates.probabilities, answers)
    assert_same_findings(restored, seen)
    assert restore(store(scores)).candidates is None
    stored = store(seen)
    fewer = {**stored.record, "candidate_probabilities": stored.record["candidate_probabilities"][:1]}
    with pytest.raises(InputError, match="damaged: detect anomalies again"):
        restore(StoredScores(stored.images, fewer))


def test_a_score_map_of_an_earlier_version_is_called_that_and_not_damaged(scores, tmp_path):
    write_stored(scores, tmp_path)
    (tmp_path / "candidates.nrrd").unlink()  # which it did not have
    path = tmp_path / "score_map.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "version": 1}), "utf-8")
    with pytest.raises(InputError, match=r"no score map of this program's version.*detect anomalies again"):
        read_stored(tmp_path)


def test_missing_and_damaged_files_are_refused_by_name(scores, tmp_path):
    with pytest.raises(InputError, match=r"score_map\.json"):
        read_stored(tmp_path)
    write_stored(scores, tmp_path)
    (tmp_path / "prepared_t1.nrrd").write_bytes((tmp_path / "prepared_t1.nrrd").read_bytes()[:900])
    with pytest.raises(InputError, match=r"prepared_t1\.nrrd"):
        read_stored(tmp_path)
    (tmp_path / "prepared_t1.nrrd").unlink()
    with pytest.raises(InputError, match=r"prepared_t1\.nrrd"):
        read_stored(tmp_path)
    for text in ("{", "[]", "\udcff"):
        (tmp_path / "score_map.json").write_text(text, encoding="utf-8", errors="surrogateescape")
        with pytest.raises(InputError, match=r"score_map\.json"):
            read_stored(tmp_path)


def test_findings_are_derived_without_the_network_and_its_libraries():
    """In 3D Slicer torch and the rest may be missing, and results in the scene are worked on all the same."""
    code = (
        "import sys\n"
        "from AnomalyDetectionLib.detection import findings, numbering, score_map, stored_scores\n"
        "from AnomalyDetectionLib.engine import process\n"
        "from AnomalyDetectionLib.reporting import colours, finding_picture, segmentation_file, tables\n"
        "heavy = {'torch', 'deepbet', 'nibabel', 'matplotlib', 'PIL', 'click', 'tqdm', 'safetensors'}\n"
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_anatomy_is_kept_with_the_brain_mask(scores):
    anatomy = np.where(
        scores.study.brain, np.random.default_rng(1).integers(0, 8, scores.study.brain.shape), 0
    )
    seen = replace(scores, anatomy=anatomy.astype(np.uint8))
    restored = restore(store(seen))
    np.testing.assert_array_equal(restored.anatomy, seen.anatomy)
    np.testing.assert_array_equal(restored.study.brain, seen.study.brain)
    assert_same_findings(restored, seen)


def test_a_score_map_of_before_the_anatomy_has_none_and_its_old_words(scores):
    stored = store(scores)
    record = {name: value for name, value in stored.record.items() if name != "anatomy"}
    restored = restore(StoredScores(stored.images, record))
    assert restored.anatomy is None
    regions = {item.region for item in derive_findings(restored, threshold=3.0, min_patches=2).items}
    assert regions
    assert all(region.endswith((", deep", ", superficial")) for region in regions)
