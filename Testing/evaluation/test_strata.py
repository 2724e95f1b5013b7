"""Lesions sorted into the classes of docs/method.md."""

from dataclasses import replace

import numpy as np
import pytest
from anomaly_research.evaluation.strata import size_name, strata
from hand_made_scans import lesion


@pytest.mark.parametrize(
    ("volume_ml", "name"),
    [
        (0.0, "under 0.1 ml"),
        (0.0999, "under 0.1 ml"),
        (0.1, "0.1 to 0.3 ml"),
        (0.3, "0.3 to 1 ml"),
        (0.999, "0.3 to 1 ml"),
        (1.0, "over 1 ml"),
        (156.0, "over 1 ml"),
    ],
)
def test_a_volume_has_one_class(volume_ml, name):
    assert size_name(volume_ml) == name


def test_every_size_is_listed_and_of_the_rest_what_there_is():
    lesions = [lesion(1, 0.05, "lacunar"), lesion(2, 2.0, "cortical"), lesion(3, 0.5, "lacunar", region="")]
    got = strata(lesions)
    assert [(stratum, name) for stratum, name, _ in got] == [
        ("size", "under 0.1 ml"),
        ("size", "0.1 to 0.3 ml"),
        ("size", "0.3 to 1 ml"),
        ("size", "over 1 ml"),
        ("kind", "cortical"),
        ("kind", "lacunar"),
        ("region", "cortex"),
        ("cavitated", "no"),
        ("together", "under 1 ml"),
    ]
    sizes = np.stack([among for stratum, _, among in got if stratum == "size"])
    assert (sizes.sum(axis=0) == 1).all()
    assert dict((name, among.tolist()) for _, name, among in got)["lacunar"] == [True, False, True]


def test_contrast_has_four_classes_and_one_of_all_that_can_be_seen():
    contrasts = (0.4, 1.0, 1.99, 2.0, 3.5, None)
    lesions = [replace(lesion(n, 2.0), contrast=contrast) for n, contrast in enumerate(contrasts)]
    got = {name: among.tolist() for stratum, name, among in strata(lesions) if stratum == "contrast"}
    assert got == {
        "under 1": [True, False, False, False, False, False],
        "1 to 2": [False, True, True, False, False, False],
        "2 to 3": [False, False, False, True, False, False],
        "over 3": [False, False, False, False, True, False],
    }
    ((name, among),) = [(name, among) for stratum, name, among in strata(lesions) if stratum == "together"]
    assert (name, among.tolist()) == ("contrast over 2", [False, False, False, True, True, False])


def test_without_lesions_there_are_only_empty_sizes():
    assert [(name, among.tolist()) for _, name, among in strata([])] == [
        ("under 0.1 ml", []),
        ("0.1 to 0.3 ml", []),
        ("0.3 to 1 ml", []),
        ("over 1 ml", []),
    ]
