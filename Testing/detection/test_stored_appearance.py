"""How the tissue looks is read back exactly, where findings look at it; what does not fit is found anew."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from AnomalyDetectionLib.detection.appearance import Appearance
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.detection.stored_appearance import NAME, take_appearance, write_appearance
from AnomalyDetectionLib.detection.stored_scores import restore, store
from synthetic_study import empty_lattice, prepared_study, scored


@pytest.fixture
def scores():
    study = prepared_study()
    lattice = empty_lattice(study)
    lattice[5, 10, 5:9] = 7.0
    return scored(study, lattice)


def test_it_comes_back_as_it_was_within_the_brain(scores, tmp_path):
    write_appearance(scores, tmp_path)
    again = restore(store(scores))
    assert take_appearance(again, tmp_path)
    assert "appearance" in vars(again), "it is not looked for again"
    assert again.midline == scores.midline
    brain = scores.study.brain
    for field in fields(Appearance):
        one, other = getattr(scores.appearance, field.name), getattr(again.appearance, field.name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            assert np.array_equal(one[brain], other[brain])
        else:
            assert one == other
    assert (
        derive_findings(again, threshold=3, min_patches=1).items
        == derive_findings(scores, threshold=3, min_patches=1).items
    )


@pytest.mark.parametrize("what", ["missing", "cut off", "another brain", "another version"])
def test_what_does_not_fit_is_found_anew(what, scores, tmp_path):
    write_appearance(scores, tmp_path)
    path = tmp_path / NAME
    if what == "missing":
        path.unlink()
    elif what == "cut off":
        path.write_bytes(path.read_bytes()[:-500])
    elif what == "another version":
        with np.load(path) as stored:
            values = {**stored, "a new field": np.ones(3)}
        np.savez(path, **values)
    again = restore(store(scores))
    if what == "another brain":
        again.study.brain[5, 10:12] = False
    assert not take_appearance(again, tmp_path)
    assert again.appearance.t1_level == pytest.approx(scores.appearance.t1_level, abs=0.1)
