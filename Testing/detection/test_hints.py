"""What a finding may be, on painted examples."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.anatomy import AnatomyLabel
from AnomalyDetectionLib.detection.appearance import Appearance
from AnomalyDetectionLib.detection.findings import Finding, Findings
from AnomalyDetectionLib.detection.hints import CAVITY, EDGE, HINTS, UNKNOWN, WMH, hints_of
from AnomalyDetectionLib.detection.midline import Midline
from scipy import ndimage
from synthetic_study import prepared_study

# T1 and FLAIR, scaled.
WHITE, GREY, FLUID, RIM, HYPERINTENSE = (0.9, 0.72), (0.6, 0.85), (0.0, 0.0), (0.5, 1.3), (0.8, 1.35)
NOISE = 0.12, 0.08
CORTEX_MM = 6.0
MIDLINE = Midline((1.0, 0.0, 0.0), 0.0)
SLICES = slice(4, 6)


class Head:
    """White matter in a shell of cortex; things are painted into it, and a finding is a box in two slices."""

    def __init__(self):
        self.study = prepared_study()
        rng = np.random.default_rng(5)
        _, r, c = np.indices(self.study.brain.shape)
        self.x, self.y = ((n - (size - 1) / 2) * 0.9 for n, size in ((c, c.shape[2]), (r, r.shape[1])))
        self.depth = np.stack([ndimage.distance_transform_edt(p, sampling=0.9) for p in self.study.brain])
        self.t1, self.flair = (rng.normal(0, sd, self.x.shape) for sd in NOISE)
        self.paint(self.study.brain, WHITE, set_to=False)
        self.paint(self.study.brain & (self.depth <= CORTEX_MM), np.subtract(GREY, WHITE), set_to=False)

    def paint(self, where, t1_and_flair, *, set_to=True):
        for image, value in zip((self.t1, self.flair), t1_and_flair, strict=True):
            image[where] = value + (0 if set_to else image[where])

    def disc(self, x, y, radius):
        inside = (self.x - x) ** 2 + (self.y - y) ** 2 <= radius**2
        within = np.zeros_like(inside)
        within[SLICES] = True
        return inside & within

    def hint(self, found, anatomy=None):
        study = replace(self.study, t1=self.t1.astype(np.float32), flair=self.flair.astype(np.float32))
        look = Appearance.of(study, MIDLINE, anatomy)
        return hints_of(found.astype(np.uint16), 1, study, look)[0]


@pytest.fixture
def head():
    return Head()


def test_a_hole_as_dark_as_fluid_with_a_bright_rim_is_cavity_like(head):
    head.paint(head.disc(15, 5, 8), RIM)
    head.paint(head.disc(15, 5, 4), FLUID)
    hint = head.hint(head.disc(15, 5, 9))
    assert hint.name == CAVITY
    assert "core as dark as fluid" in hint.sentence
    assert "gliosis round it" in hint.sentence


def test_a_wide_hole_on_one_side_is_cavity_like_and_no_gliosis_is_claimed(head):
    head.paint(head.disc(28, 5, 8), FLUID)
    hint = head.hint(head.disc(28, 5, 10))
    assert hint.name == CAVITY
    assert "wide or more, no such fluid on the other side" in hint.sentence
    assert "gliosis" not in hint.sentence


def test_a_cavity_is_told_also_among_many_hyperintensities(head):
    head.paint(head.disc(12, 0, 16), HYPERINTENSE)
    head.paint(head.disc(12, 5, 7), RIM)
    head.paint(head.disc(12, 5, 4), FLUID)
    assert head.hint(head.disc(12, 0, 17)).name == CAVITY


def test_a_bright_blob_in_white_matter_is_wmh_like(head):
    head.paint(head.disc(12, 5, 6), HYPERINTENSE)
    hint = head.hint(head.disc(12, 5, 8))
    assert hint.name == WMH
    assert "bright on FLAIR" in hint.sentence
    assert "no dark core" in hint.evidence


def test_the_evidence_says_how_far_a_ventricle_is_where_that_is_known(head):
    head.paint(head.disc(12, 5, 6), HYPERINTENSE)
    anatomy = np.where(head.study.brain, AnatomyLabel.WHITE_MATTER, AnatomyLabel.OUTSIDE).astype(np.uint8)
    anatomy[head.disc(-6, 5, 3)] = AnatomyLabel.VENTRICLES
    hint = head.hint(head.disc(12, 5, 6), anatomy)
    assert hint.name == WMH
    assert hint.evidence[-1] in ("9 mm from a ventricle", "10 mm from a ventricle")


def test_a_bright_blob_in_the_cortex_is_not_called_wmh_like(head):
    anatomy = np.where(head.depth <= 14, AnatomyLabel.CORTEX, AnatomyLabel.WHITE_MATTER).astype(np.uint8)
    head.paint(head.disc(0, 29, 4) & (head.depth > 5), HYPERINTENSE)
    assert head.hint(head.disc(0, 29, 5) & (head.depth > 5), anatomy).name == UNKNOWN


def test_what_is_as_dark_on_t1_as_gliosis_is_not_called_wmh_like(head):
    head.paint(head.disc(12, 5, 6), (0.45, 1.35))
    hint = head.hint(head.disc(12, 5, 7))
    assert hint.name == UNKNOWN
    assert "darker on T1" in hint.sentence


def test_a_sulcus_is_an_edge(head):
    slit = (np.abs(head.x - 4) < 1.3) & (head.y > 20) & head.study.brain
    banks = (np.abs(head.x - 4) < 5) & (head.y > 18) & head.study.brain
    head.paint(banks, (0.55, 0.65))
    head.paint(slit, FLUID)
    assert head.hint(head.disc(4, 28, 6)).name == EDGE


def test_ventricles_are_no_cavities(head):
    for side in (-8, 8):
        head.paint(head.disc(side, 0, 5), FLUID)
    assert head.hint(head.disc(8, 0, 7)).name == EDGE


def test_the_bright_rim_of_the_brain_is_an_edge(head):
    head.paint(head.study.brain & (head.depth <= 2), (0.5, 1.5))
    assert head.hint(head.disc(0, 38, 7) & (head.depth <= 6)).name == EDGE


def test_the_last_slice_of_the_brain_is_an_edge(head):
    found = np.zeros(head.study.brain.shape, bool)
    last = np.flatnonzero(head.study.brain.any(axis=(1, 2)))[-1]
    found[last] = head.study.brain[last]
    assert head.hint(found).name == EDGE


def test_normal_tissue_inside_the_brain_is_unknown(head):
    assert head.hint(head.disc(12, 5, 6)).name == UNKNOWN


def test_a_finding_beside_the_brain_has_a_hint_too(head):
    hint = head.hint(~head.study.brain)
    assert (hint.name, hint.sentence) == (EDGE, "outside the brain mask")


def test_findings_of_a_hint_can_be_left_out_and_the_others_keep_their_numbers():
    labels = np.zeros((3, 4, 5), np.uint16)
    labels[0, 0], labels[1, 1], labels[2, 2] = 1, 2, 3
    items = tuple(
        Finding(n, 1.0, 4, 5.0, 4.0, (0.0, 0.0, 0.0), "left", "deep", 1.0, 1.0, (0, 0, 0), hint=hint)
        for n, hint in ((1, WMH), (2, CAVITY), (3, UNKNOWN))
    )
    findings = Findings(items, sitk.GetImageFromArray(labels), 3.0, 2)
    left = findings.without([WMH])
    assert [item.number for item in left.items] == [2, 3]
    assert set(np.unique(sitk.GetArrayFromImage(left.labels))) == {0, 2, 3}
    assert findings.without(()) is findings


def test_every_hint_can_be_hidden_by_the_command():
    from AnomalyDetectionLib.cli import detect

    choices = next(option for option in detect.params if option.name == "hide").type.choices
    assert list(choices) == [hint.replace(" ", "-").lower() for hint in HINTS]
