"""T1, FLAIR and the others by how they were taken, as scanners of several makers write it."""

from __future__ import annotations

from typing import Any

import pytest
from AnomalyDetectionLib.dicom.kind import kind_of_sequence
from AnomalyDetectionLib.dicom.sequence import MrSequence

ORIGINAL = ("ORIGINAL", "PRIMARY", "M", "ND")


def taken(
    description: str = "",
    scanning: str = "",
    times: tuple[float | None, float | None, float | None] = (None, None, None),
    **others: Any,
) -> MrSequence:
    """Pulses as "SE IR"; echo, repetition and inversion time in ms."""
    echo, repetition, inversion = times
    attributes = {"image_type": ORIGINAL, **others}
    return MrSequence(
        description=description,
        scanning=tuple(scanning.split()),
        echo_time=echo,
        repetition_time=repetition,
        inversion_time=inversion,
        **attributes,
    )


@pytest.mark.parametrize(
    ("kind", "sequence"),
    [
        # Siemens
        ("T1", taken("t1_mprage_sag_p2_iso", "GR IR", (2.98, 2300, 900), variant=("SK", "SP", "MP"))),
        ("FLAIR", taken("t2_tirm_tra_dark-fluid", "SE IR", (81, 9000, 2500))),
        ("FLAIR", taken("t2_space_dark-fluid_sag_p2_iso", "SE IR", (387, 5000, 1800))),
        ("T1", taken("t1_tirm_tra_dark-fluid", "SE IR", (20, 2000, 860))),
        ("T1", taken("t1_fl2d_tra", "GR", (2.5, 250, None), variant=("SP",))),
        ("T1", taken("t1_se_tra_320", "SE", (8.9, 500, None))),
        ("T2", taken("t2_tse_tra_512", "SE", (100, 5000, None))),
        ("PD", taken("pd+t2_tse_tra", "SE", (14, 3000, None))),
        ("SWI", taken("SWI_Images", "GR", (20, 27, None))),
        ("DWI/ADC", taken("ep2d_diff_3scan_trace_p2", "EP", (89, 6000, None))),
        ("DWI/ADC", taken("ep2d_diff_ADC", "EP", (89, 6000, None), image_type=("DERIVED", "PRIMARY", "DIFFUSION", "ADC"))),
        ("localiser", taken("AAHead_Scout", "GR", (1.4, 3.2, None))),
        ("localiser", taken("T1", "GR", (4, 8, None), image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))),
        ("derived", taken("t1_mp2rage_sag_INV1", "GR IR", (2.98, 5000, 700))),
        # GE
        ("T1", taken("Ax 3D BRAVO", "GR", (3.2, 8.2, 450))),
        ("FLAIR", taken("Sag CUBE T2 FLAIR", "SE IR", (117, 7600, 1980))),
        ("T1", taken("Ax T1 FLAIR", "SE IR", (24, 2500, 860))),
        ("FLAIR", taken("AX T2 FLAIR", "SE", (120, 9000, None))),
        ("SWI", taken("Ax SWAN", "GR", (24, 45, None))),
        # Philips
        ("T1", taken("sT1W_3D_TFE", "GR", (3.7, 8.1, None), variant=("MP",))),
        ("FLAIR", taken("FLAIR_longTR", "IR", (125, 11000, 2800))),
        ("FLAIR", taken("3D Brain VIEW FLAIR", "SE IR", (278, 4800, 1650))),
        # Enhanced objects
        ("T1", taken("Series", contrast="T1", times=(3.1, 7.0, None))),
        ("FLAIR", taken("Series", contrast="FLUID_ATTENUATED")),
        ("FLAIR", taken("Series", "SE IR", (120, 8000, 2400), contrast="T2")),
        ("PD", taken("Series", contrast="PROTON_DENSITY")),
        ("DWI/ADC", taken("Series", "EP", (80, 5000, None), contrast="DIFFUSION", b_value=0.0)),
        # Dixon
        ("T1", taken("t1_vibe_dixon_tra_W", "GR", (2.4, 7, 900), image_type=("DERIVED", "PRIMARY", "M", "WATER"))),
        ("T1", taken("t1_tse_dixon_tra_in", "SE", (10, 600, None), image_type=("ORIGINAL", "PRIMARY", "M", "IN_PHASE"))),
        ("T1", taken("Ax T1 fat sat vibe", "SE", (10, 600, None))),
        ("T1", taken("T1 post op", "SE", (10, 600, None))),
        ("T1", taken("t1_vibe_post op", "GR", (2.4, 5.6, None))),
        ("T1", taken("T1 NO PHASE WRAP", "SE", (10, 600, None))),
        ("T1", taken("Ax T1 in-plane", "SE", (10, 600, None))),
        ("FLAIR", taken("AX FLAIR NO PHASE WRAP", "SE IR", (120, 8000, 2400))),
        ("FLAIR", taken("POST FOSSA", "SE IR", (120, 8000, 2400))),
        ("T1", taken("MP-RAGE")),
        ("other", taken("T1 phase", "SE", (10, 600, None))),
        ("other", taken("t1_tse_dixon_tra_opp", "SE", (10, 600, None), image_type=("ORIGINAL", "PRIMARY", "M", "OPP_PHASE"))),
        ("other", taken("T1 mDIXON", "SE", (10, 600, None), image_type=("DERIVED", "PRIMARY", "F", "F", "DERIVED"))),
        ("other", taken("T1 mDIXON", "SE", (10, 600, None), image_type=("DERIVED", "PRIMARY", "FF", "FF", "DERIVED"))),
        ("other", taken("t1_tse_dixon_tra_F", "SE", (10, 600, None))),
        ("other", taken("FAT: Ax T1 LAVA Flex", "GR", (2, 6, 900))),
        ("other", taken("FLAIR_mDIXON", "SE IR", (120, 8000, 2400), image_type=("ORIGINAL", "PRIMARY", "M", "OP"))),
        # Not these
        ("other", taken("3D DIR", "SE IR", (325, 7500, 3000))),
        ("other", taken("STIR cor", "SE IR", (60, 5000, 160))),
        ("other", taken("TOF_3D_multi-slab", "GR", (3.7, 22, None))),
        ("other", taken("T1 sag spine", "SE", (10, 600, None), body_part="TSPINE")),
        ("other", taken("T1", "GR", (3, 8, 900), image_type=("ORIGINAL", "PRIMARY", "P", "ND"))),
        ("other", taken("t1_mprage", "GR IR", (3, 2300, 900), component="PHASE")),
        ("derived", taken("MIP", "GR", (20, 27, None), image_type=("DERIVED", "SECONDARY", "MNIP"))),
    ],
)  # fmt: skip
def test_what_scanners_write_tells_the_kind(kind, sequence):
    classification = kind_of_sequence(sequence)
    assert classification.kind == kind, classification
    assert classification.why


@pytest.mark.parametrize("description", ["", "Serie 4", "头部 轴位", "KOPF TRA"])
def test_the_times_alone_tell_t1_and_flair(description):
    assert kind_of_sequence(taken(description, "GR IR", (2.98, 2300, 900))).kind == "T1"
    classification = kind_of_sequence(taken(description, "SE IR", (93, 9000, 2500)))
    assert (classification.kind, classification.by_name) == ("FLAIR", False)
    assert classification.why == "inversion recovery, spin echo: TE 93 ms, TR 9000 ms, TI 2500 ms"


@pytest.mark.parametrize(
    ("name", "kind"), [("FLAIR", "FLAIR"), ("T1 MPRAGE", "T1"), ("T2 TSE", "T2"), ("head", "other")]
)
def test_without_times_the_name_tells_it_and_that_is_said(name, kind):
    classification = kind_of_sequence(taken(name))
    assert classification.kind == kind
    assert classification.by_name == (kind != "other")
    assert "its attributes do not tell" in classification.why or kind == "other"


@pytest.mark.parametrize(
    "sequence",
    [
        taken("FLAIR", "GR IR", (2.98, 2300, 900)),
        taken("T1 MPRAGE", "SE IR", (93, 9000, 2500)),
        taken("T1 se", "SE", (100, 5000, None)),
        taken("FLAIR", "SE", (9, 500, None)),
        taken("Series", "SE IR", (120, 8000, 2400), contrast="T1"),
    ],
)
def test_a_series_that_contradicts_itself_is_neither(sequence):
    classification = kind_of_sequence(sequence)
    assert classification.kind == "other"
    assert "contradicts itself" in classification.why


def test_a_fast_gradient_echo_is_a_t1_only_if_its_name_says_so():
    assert kind_of_sequence(taken("t1_vibe_tra", "GR", (2.4, 5.6, None))).kind == "T1"
    silent = kind_of_sequence(taken("Serie 4", "GR", (2.4, 5.6, None)))
    assert silent.kind == "other"
    assert "alone does not tell" in silent.why


def test_contrast_medium_is_known_by_the_agent_and_by_the_name():
    plain = taken("t1_se_tra", "SE", (9, 500, None))
    assert kind_of_sequence(plain).label == "T1"
    given = kind_of_sequence(taken("t1_se_tra", "SE", (9, 500, None), contrast_agent="Gadovist"))
    assert given.label == "post-contrast T1"
    assert "Gadovist" in given.why
    assert kind_of_sequence(taken("t1_se_tra_KM", "SE", (9, 500, None))).after_contrast
    assert not kind_of_sequence(taken("t1_se_tra nativ", "SE", (9, 500, None))).after_contrast


@pytest.mark.parametrize("name", ["T1 post op", "T1 POST FOSSA", "t1_vibe postop", "T1 6 months post"])
def test_what_came_after_something_else_is_not_after_contrast_medium(name):
    assert kind_of_sequence(taken(name, "SE", (9, 500, None))).label == "T1"


def test_the_mean_of_the_echoes_of_an_mprage_is_a_t1():
    types = ("ORIGINAL", "PRIMARY", "OTHER", "ND", "NORM", "MEAN")
    times = (1.69, 2530, 1100)
    classification = kind_of_sequence(
        taken("T1_MEMPRAGE RMS", "GR IR", times, variant=("MP",), image_type=types)
    )
    assert classification.label == "T1, derived"
    assert "mean of several images" in classification.why


def test_a_reformat_keeps_its_contrast_and_is_called_derived():
    image_type = ("DERIVED", "SECONDARY", "MPR")
    classification = kind_of_sequence(taken("FLAIR cor", "SE IR", (387, 5000, 1800), image_type=image_type))
    assert classification.label == "FLAIR, derived"
    assert "DERIVED\\SECONDARY\\MPR" in classification.why
