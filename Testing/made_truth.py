"""A cohort with truth, written by hand: small heads with boxes for lesions; and the experiments' command."""

from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from anomaly_research.evaluation.truth_files import (
    BRAIN_MASK,
    CONFOUNDER_MAP,
    INFARCTS,
    image_path,
    truth_path,
)
from AnomalyDetectionLib.cli import command_line
from click.testing import CliRunner
from synthetic_study import FLAIR_GRID, ellipsoid

# A brain as large as a person's, in few voxels.
HEAD = replace(FLAIR_GRID, spacing=(1.6, 1.7, 7.0), origin=(-79.0, -92.6, -42.0))


def experiment(*arguments):
    """Run `anomaly-detection experiment`."""
    return CliRunner().invoke(command_line, ["experiment", *map(str, arguments)])


def boxes(*places):
    """Label map of boxes of 2 slices x 8 x 8 voxels, numbered from 1."""
    labels = np.zeros(FLAIR_GRID.shape, np.uint8)
    for number, (s, r, c) in enumerate(places, start=1):
        labels[s : s + 2, r : r + 8, c : c + 8] = number
    return labels


def write_subject(cohort, name, infarcts, wmh=None, seed=0):
    """T1, FLAIR and truth of a small head; infarcts and hyperintensities are bright on the FLAIR.

    So bright that the baseline's highest threshold does not reach them: near it, noise would leave pieces of them.
    """
    rng = np.random.default_rng(seed)
    brain = ellipsoid(FLAIR_GRID)  # in voxels; HEAD makes it larger
    bright = infarcts > 0 if wmh is None else (infarcts > 0) | (wmh > 0)
    for suffix, level in (("T1w", 300.0), ("FLAIR", np.where(bright, 950.0, 200.0))):
        image = np.where(brain, level, 5.0) + rng.normal(0, 15, brain.shape)
        path = image_path(cohort, name, suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(HEAD.image(image.astype(np.float32)), str(path))
    for part, array in ((BRAIN_MASK, brain), (INFARCTS, infarcts), (CONFOUNDER_MAP, wmh)):
        if array is not None:
            path = truth_path(cohort, name, part)
            path.parent.mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(HEAD.image(array.astype(np.uint8)), str(path))
    lines = ["index\tkind\tregion\tside\tcavitated\tvolume_ml"]
    lines += ["1\tlacunar\tdeep grey\tleft\tyes\t2.4", "2\tcortical\tcortex\tright\tno\t2.4"][
        : infarcts.max()
    ]
    truth_path(cohort, name, INFARCTS, ".tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
