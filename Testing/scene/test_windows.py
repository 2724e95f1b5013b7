"""How bright T1 and FLAIR are shown."""

from __future__ import annotations

import numpy as np
from AnomalyDetectionLib.detection.stored_scores import FOLDER, read_stored, restore
from AnomalyDetectionLib.scene.window_level import brain_windows


def test_no_normal_tissue_is_so_bright_that_a_white_outline_is_lost_on_it(sample_run):
    study = restore(read_stored(sample_run.output / FOLDER)).study
    images = ((study.t1, study.t1_scale), (study.flair, study.flair_scale))
    for (image, scale), (black, white) in zip(images, brain_windows(study), strict=True):
        greys = (scale.invert(image[study.brain]) - black) / (white - black)
        assert np.percentile(greys, 95) < 0.75
        assert 0.35 < np.median(greys) < 0.6, "neither dark nor bright as a whole"
        assert greys.min() < 0.05, "fluid is black"
