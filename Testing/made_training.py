"""What a training can be tried on in seconds: settings, and scans of smooth noise."""

import numpy as np
from anomaly_research.training.settings import TrainingSettings
from AnomalyDetectionLib.calibration.scan_file import TrainingScan
from AnomalyDetectionLib.model.model_settings import NetworkSettings
from scipy import ndimage

TINY = TrainingSettings(
    network=NetworkSettings(latent_size=16, widths=(8, 16)),
    held_out=("B",),
    training_patches=1024,
    validation_patches=256,
    max_epochs=3,
)


def a_scan(patient: str, seed: int) -> TrainingScan:
    random = np.random.default_rng(seed)
    t1, flair = (
        ndimage.gaussian_filter(random.normal(size=(4, 60, 50)), (0, 2, 2)) * 3 + 0.5 for _ in range(2)
    )
    t1, flair = (np.clip(image, -0.7, 3.0) for image in (t1, flair))
    brain = np.zeros(t1.shape, bool)
    brain[:, 10:50, 10:40] = True
    return TrainingScan(
        f"{patient}{seed}", patient, (t1 * brain).astype(np.float32), (flair * brain).astype(np.float32), brain, brain,
        np.zeros(brain.shape, bool), percentiles=(-0.2, 0.9, -0.1, 1.1),
    )  # fmt: skip
