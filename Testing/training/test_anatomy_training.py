"""Training of the anatomy network on a label map small enough for seconds."""

import numpy as np
import pytest
import SimpleITK as sitk
from anomaly_research.training.anatomy_heads import ANATOMY, NUMBER, deformed_head, read_heads, write_heads
from anomaly_research.training.anatomy_simulation import NOT_JUDGED, HeadPainter
from anomaly_research.training.anatomy_training import AnatomyTraining, train_anatomy
from AnomalyDetectionLib.detection.anatomy import AnatomyLabel
from AnomalyDetectionLib.model.anatomy_network import load_anatomy
from conftest import run_command


def a_label_map(path, seed):
    """Shells: ventricle, white matter, cortex, fluid, bone, skin; a cerebellum and a brain stem below."""
    z, y, x = np.indices((80, 90, 76)) * 2.0 - np.array([80, 90, 76]).reshape(3, 1, 1, 1)
    radius = np.sqrt((x / 66) ** 2 + (y / 80) ** 2 + (z / 62) ** 2) * (1 + 0.01 * seed)
    edges = [(0.25, 4), (0.85, 2), (0.92, 3), (1.0, 24), (1.08, 515), (1.14, 511)]
    labels = np.select([radius < edge for edge, _ in edges], [label for _, label in edges], 0)
    labels[(z < -30) & (y > 15) & (radius < 0.9)] = 8
    labels[(z < -20) & (np.hypot(x, y) < 14) & (radius < 1.0)] = 16
    image = sitk.GetImageFromArray(labels.astype(np.int16))
    image.SetSpacing((2.0, 2.0, 2.0))
    sitk.WriteImage(image, str(path))


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    for number in (1, 2):
        a_label_map(folder / f"map_{number}.nii.gz", number)
    return folder


@pytest.fixture(scope="module")
def head(maps):
    return deformed_head(maps / "map_1.nii.gz", np.random.default_rng(3))


def test_a_deformed_head_is_still_a_head(head):
    inside = head.tissue[head.brain]
    shares = np.bincount(ANATOMY[inside], minlength=8) / len(inside)
    assert shares[AnatomyLabel.WHITE_MATTER] > 0.3
    assert shares[AnatomyLabel.CORTEX] > 0.05
    assert shares[AnatomyLabel.OUTSIDE] < 0.01
    assert (head.tissue == NUMBER["bone"]).any()
    slices, rows, columns = (np.flatnonzero(head.brain.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    for held, size in zip((slices, rows, columns), head.brain.shape, strict=True):
        assert held[0] > 0
        assert held[-1] < size - 1


def test_the_same_seed_makes_the_same_head_and_a_file_gives_it_back(maps, head, tmp_path):
    write_heads({"one": head}, tmp_path / "heads.npz")
    same_seed = deformed_head(maps / "map_1.nii.gz", np.random.default_rng(3))
    for again in (same_seed, read_heads(tmp_path / "heads.npz")["one"]):
        np.testing.assert_array_equal(again.tissue, head.tissue)
        np.testing.assert_array_equal(again.brain, head.brain)


def test_drawn_slices_differ_and_are_labelled_within_their_mask(head):
    rng = np.random.default_rng(0)
    painter = HeadPainter(head, rng)
    drawn = [painter.draw(rng, 3) for _ in range(6)]
    for slices in drawn:
        assert slices.inputs.shape == (3, 8, 208, 176)
        assert np.isfinite(slices.inputs).all()
        mask = slices.inputs[:, 6] > 0
        np.testing.assert_array_equal(slices.labels != NOT_JUDGED, mask)
        assert not slices.inputs[:, [1, 4]][~np.stack([mask, mask], axis=1)].any()
    contrasts = {round(float(s.inputs[:, 1][s.labels == AnatomyLabel.CORTEX].mean()), 3) for s in drawn}
    assert len(contrasts) > 3


def test_t1_and_flair_look_like_t1_and_flair(head):
    rng = np.random.default_rng(1)
    painter = HeadPainter(head, rng)
    brighter = []
    for _ in range(20):
        slices = painter.draw(rng, 2)
        grey, white = slices.labels == AnatomyLabel.CORTEX, slices.labels == AnatomyLabel.WHITE_MATTER
        if grey.any() and white.any():
            t1, flair = slices.inputs[:, 1], slices.inputs[:, 4]
            brighter.append((t1[white].mean() > t1[grey].mean(), flair[grey].mean() > flair[white].mean()))
    assert np.mean(brighter) > 0.7


@pytest.mark.slow
def test_training_writes_a_network_with_its_card_and_keeps_the_heads(maps, tmp_path):
    settings = AnatomyTraining(
        steps=2, heads_a_step=1, slices_a_head=2, heads_a_map=1, held_out=1, widths=(4, 8), seed=5
    )
    heard = []
    dice = train_anatomy(
        maps, tmp_path / "net.safetensors", settings, "the command", lambda *what: heard.append(what)
    )
    model = load_anatomy(tmp_path / "net.safetensors")
    assert model.card["command"] == "the command"
    assert model.card["steps"] == 2
    assert set(dice) == {label.name.lower() for label in AnatomyLabel}
    assert {stage for stage, _, _ in heard} == {"heads", "training"}
    assert len(read_heads(tmp_path / "net_heads.npz")) == 3


def test_too_few_maps_are_refused(tmp_path):
    run = run_command(
        "train-anatomy", "--labels", tmp_path, "--output", tmp_path / "net.safetensors", output=tmp_path
    )
    assert run.code == 2
    assert "0 label maps" in run.stderr
