"""A T1 alone whose left and right are exchanged is a doubt, and never a refusal."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.quality import mirrored
from AnomalyDetectionLib.detection.quality.checks import check_images
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.reading import read_study
from AnomalyDetectionLib.imaging.registration import align, transform_of, with_sides_exchanged


def exchanged(volume):
    return replace(volume, image=with_sides_exchanged(volume.image))


def aligned(study, prepared, **settings):
    """The prepared study with the alignment of these images; its brain mask stays."""
    found = align(study.t1, study.flair, prepared.flair_brain, PreparationSettings(**settings))
    return replace(prepared, alignment=found)


@pytest.fixture(scope="module")
def mirrored_t1(good):
    """The sample with its T1 mirrored under the header that it had, aligned as every pair is."""
    study = replace(good.study, t1=exchanged(good.study.t1))
    return study, aligned(study, good.prepared)


def test_a_mirrored_t1_is_said_before_all_else_with_what_to_do(mirrored_t1):
    first = check_images(*mirrored_t1)[0]
    assert first.name == "mirrored"
    assert first.measured["mirrored"] > mirrored.LEAST_BETTER * first.measured["own"]
    assert "left and right exchanged" in first.sentence
    assert "export the wrong one again" in first.sentence


def test_a_mirrored_t1_comes_to_lie_on_the_flair_with_each_half_on_the_other(mirrored_t1, good):
    """It is not refused as another head, nor laid askew."""
    study, prepared = mirrored_t1
    z, y, x = np.nonzero(prepared.flair_brain)
    middle = (x.min() + x.max()) / 2
    to_t1 = transform_of(prepared.alignment)
    at = np.array([[middle + side * 40, y.mean(), z.mean()] for side in (-1, 0, 1)])
    points = prepared.flair_grid.points(at)
    found = [
        study.t1.image.TransformPhysicalPointToContinuousIndex(to_t1.TransformPoint(p))
        for p in points.tolist()
    ]
    # The T1 of the sample has the FLAIR's grid: its voxels run the other way now, and so does what lies there.
    opposite = good.study.t1.image.GetSize()[0] - 1 - at[::-1, 0]
    np.testing.assert_allclose(np.array(found)[:, 0], opposite, atol=3.0)


def test_nothing_is_said_of_a_right_pair_nor_where_both_are_mirrored(good):
    assert mirrored.check(good.study, good.prepared) == ()
    both = replace(good.study, t1=exchanged(good.study.t1), flair=exchanged(good.study.flair))
    brain = good.prepared.flair_grid.image(good.prepared.flair_brain.astype(np.uint8))
    turned = sitk.GetArrayFromImage(with_sides_exchanged(brain)) > 0
    assert mirrored.check(both, replace(good.prepared, flair_brain=turned)) == ()


@pytest.mark.parametrize("person", ["TCGA_CS_4941_19960909", "TCGA_HT_7680_19970202"])
def test_of_real_pairs_the_mirrored_one_is_said(person, shared_data, good):
    """With the headers trusted: what was mirrored under its header lies some millimetres off."""
    place = shared_data("lgg", person)
    study = read_study(place / "T1.nii.gz", place / "FLAIR.nii.gz")
    brain = sitk.GetArrayFromImage(sitk.ReadImage(str(place / "brainmask.nii.gz"))) > 0
    prepared = aligned(study, replace(good.prepared, flair_brain=brain), register="off")
    assert mirrored.check(study, prepared) == ()
    (warning,) = mirrored.check(replace(study, t1=exchanged(study.t1)), prepared)
    assert warning.name == "mirrored"
