"""A run of the engine that ended well, but could not keep the scores that the scene's result is made of."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from AnomalyDetectionLib.errors import InputError

ENGINE = """
import json, pathlib, sys
output = pathlib.Path(json.loads(pathlib.Path(sys.argv[4]).read_text())["output"])
output.mkdir()
(output / "findings.json").write_text({record!r})
"""
MISSING = {"what": "The score map", "files": ["score_map"], "reason": "the disk is full; free some space"}


def test_it_is_an_error_that_says_what_is_missing_and_why(a_slicer_scene, tmp_path):
    from AnomalyDetectionLib.scene.detection_job import DetectionInputs, DetectionJob
    from slicer_scene import add_volume

    scene, logics = a_slicer_scene.scene, a_slicer_scene.logics
    rng = np.random.default_rng(1)
    t1, flair = (
        add_volume(scene, rng.uniform(1, 9, (4, 20, 20)).astype(np.float32), np.eye(4), name)
        for name in ("T1", "FLAIR")
    )
    record = json.dumps({"threshold": 3.0, "min_patches": 2, "missing": [MISSING]})
    script = tmp_path / "engine.py"
    script.write_text(ENGINE.format(record=record))
    python = [sys.executable, str(script)]
    job = DetectionJob(scene, logics, DetectionInputs(t1, flair), python=python, temporary=tmp_path)
    job.wait()
    with pytest.raises(InputError) as caught:
        job.finish()
    assert str(caught.value) == "The score map is missing (score_map): the disk is full; free some space."
    assert not list(tmp_path.glob("AnomalyDetection-*"))
