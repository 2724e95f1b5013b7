"""The T1 and the FLAIR by what they are called, as they come from scanners and archives."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
import slicer
from AnomalyDetectionLib.dicom.sequence import MrSequence
from AnomalyDetectionLib.dicom.series_names import is_enhanced, kind_of_name, other_contrast
from AnomalyDetectionLib.scene.suggested_inputs import SuggestedInputs, suggest_inputs
from slicer_scene import add_like, add_volume


def names(text):
    """The names in a text, which stand between bars."""
    return re.split(r" *\|\s+", text.strip())


T1_NAMES = names(
    """
T1 | t1 | T1w | sub-01_ses-2_T1w | 3: t1_mprage_sag_p2_iso | 5: T1 MPRAGE SAG | t1_mprage_tra_p2_iso_1.0 |
MPRAGE | MPRAGE_GRAPPA2 | ADNI MP-RAGE T1 | mp2rage_UNI_Images | t1_mp2rage_sag_p3_UNI-DEN | Ax 3D BRAVO |
Sag BRAVO | SAG T1 FSPGR BRAVO | 3D FSPGR | Ax SPGR | IR-FSPGR | sT1W_3D_TFE | sT1W_3D_TFE_SENSE |
T1W_3D_FFE | 3D T1 TFE | 3DT1 | 3D_T1_TFE_sag | T1_SE_TRA | t1_se_tra | t1_tse_tra_320 | T1W_TSE | T1W_SE |
Ax T1 | AX T1 FLAIR | T1 FLAIR | T1FLAIR | Ax T1 FSE FLAIR | t1_tirm_tra_dark-fluid | t1_fl2d_tra |
t1_vibe_tra | t1_spc_sag | T1_space_sag | simulated_T1 | T1_brain | T1 pre contrast | T1 post Gd |
T1 post op | T1 POST FOSSA | T1 NO PHASE WRAP | AX T1 PHASE A/P | T1 IN PHASE | T1 in-plane | t1postop |
MP-RAGE | MP RAGE | mp_rage_sag | MP2-RAGE UNI | T1增强 | T1_in_FLAIR_space | ax t1 nativ | T1-weighted | T1_1
"""
)

FLAIR_NAMES = names(
    """
FLAIR | flair | FLAIR_1 | T2 FLAIR | T2_FLAIR | T2FLAIR | T2-FLAIR | t2_flair_tra | Ax T2 FLAIR | AX FLAIR |
Ax FLAIR FS | SAG CUBE FLAIR | Sag CUBE T2 FLAIR | CUBE FLAIR | 3D FLAIR | 3D_FLAIR_SAG |
3D Brain VIEW FLAIR | VISTA_FLAIR | FLAIR_longTR | FLAIR_LongTR_CLEAR | sFLAIR | T2W_FLAIR | T2W_FLAIR_SENSE |
3: t2_tirm_tra_dark-fluid | t2_tirm_tra_dark-fluid_320 | t2_tirm_cor_dark fluid | t2_spc_da-fl_sag_p2_iso |
t2_space_dark-fluid_sag_p2_iso | t2_spc_darkfluid_sag | t2_spc_flair_sag | sub-01_FLAIR |
sub-01_acq-3D_FLAIR | simulated_FLAIR | FLAIR_brain | FLAIR in T1 space | FLAIR_to_T1 | FLAIR_reg_T1 |
FLAIR post Gd | FLAIR post-op | AX FLAIR NO PHASE WRAP | fluid attenuated inversion recovery |
t2_flair_fs_tra | TIRM | SagFlair
"""
)

NEITHER = names(
    """
T2 | T2W_TSE | t2_tse_tra | Ax T2 FSE | PD | DWI | ep2d_diff_3scan_trace_p2_ADC | SWI_Images |
TOF_3D_multi-slab | STIR | localizer | AAHead_Scout | Survey | 3-plane loc | T1 map | t1_map_tra | T1rho |
t1_mp2rage_sag_INV1 | t1_mp2rage_sag_INV2 | T1 SUB | T1 phase | t1_mprage_Pha | T1 opposed phase | 3 plane |
POST FOSSA | WMH_auto_FLAIRspace | DLMUSE_T1space | brainmask_FLAIR_deepbet | change_lesions_FLAIRspace |
simulated_WMH | FLAIR_seg | FLAIR-label | T1_mask | Anomaly score (FLAIR) |
Anomaly score (3: t2_tirm_tra_dark-fluid) | anomaly_score | Suspected anomalies (FLAIR) |
suspected_anomalies | Prepared T1 (T1) | Prepared FLAIR | Volume | CT head | Bild 12
"""
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(n, "t1") for n in T1_NAMES] + [(n, "flair") for n in FLAIR_NAMES] + [(n, None) for n in ("", *NEITHER)],
)
def test_a_name_tells_the_contrast(name, kind):
    assert kind_of_name(name) == kind


@pytest.mark.parametrize(
    "name",
    names(
        """
T1 post | T1 post Gd | T1_GD | t1_mprage_sag_p2_iso_KM | t1_se_tra +KM | t1_se_tra nach KM | T1 + C | T1+C |
T1 C+ | AX T1 C+ | T1ce | T1CE | T1c | T1Gd | sub-01_ce-gadolinium_T1w | Ax T1 POST GAD | T1 postcontrast |
T1 mdc | T1 post-contrast | AX T1 FS +GD | T1W contrast | T1 MPRAGE post kontrast | AX T1 POST | T1 POST 3D |
T1 POST SAG | T1 POST FS | T1 5 min post | T1 POST RT ORBIT | T1 post radial vibe | T1 post op POST GD |
t1_postop_KM | T1 pre-op +GD | T1 POST GAMMA KNIFE | T1 KM | t1KM | T1 - KM | t1 mit KM | T1POST | T1POSTGD |
T1+ | T1 w con | T1 WITH CONTRAST | T1 PRE+POST | T1 com contraste | T1 ENH | CE MPRAGE | MP-RAGE +C | T1增强
"""
    ),
)
def test_a_name_tells_contrast_medium(name):
    assert is_enhanced(name)
    assert kind_of_name(name) == "t1"


@pytest.mark.parametrize(
    "name",
    names(
        """
T1 | T1 pre | T1 pre contrast | T1 pre-Gd | T1_pre_contrast | T1 non contrast | T1 without contrast |
T1 ohne KM | t1_se_tra_nativ | T1 W/O CONTRAST | T1 sans gado | t1_mprage_sag_p2_iso | sub-01_T1w |
Ax T1 FLAIR | T1 scanned | T1 post op | T1 post-op | T1_POST_OP | T1PostOp | t1postop | T1 postoperativ |
T1 post surgery | T1 post treatment | T1 post-RT | T1 post stroke | T1 6 months post | T1 post 3 weeks |
T1 post op pre KM | T1 POST FOSSA | T1 posterior fossa | T1 ANT-POST | T1 pre-op | T1 NON-CON | T1 C- |
T1 -KM | T1 sem contraste | T1 high contrast | T1 FOV 24 cm | T1 unenhanced | T1 precontrast |
T1 NO PHASE WRAP
"""
    ),
)
def test_a_name_without_contrast_medium_is_not_misread(name):
    assert not is_enhanced(name)


def test_a_name_tells_another_contrast():
    assert other_contrast("Ax T2 FSE") == "T2"
    assert other_contrast("7: ep2d_DWI") == "DWI"
    assert other_contrast("T2 FLAIR") is None
    assert other_contrast("Volume") is None


def volumes(scene, *names):
    array = np.arange(125, dtype=np.int16).reshape(5, 5, 5)
    return [add_volume(scene, array, np.eye(4), name) for name in names]


def guessed(scene):
    guess = suggest_inputs(scene)
    return guess.t1, guess.flair


def hierarchy(scene):
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def study(scene, patient, name, *nodes, descriptions=None):
    """Put nodes into a study of a patient, as Slicer does when it loads DICOM."""
    tree = hierarchy(scene)
    top = tree.GetSceneItemID()
    subject = tree.GetItemChildWithName(top, patient) or tree.CreateSubjectItem(top, patient)
    item = tree.CreateStudyItem(subject, name)
    for number, node in enumerate(nodes):
        child = tree.CreateItem(item, node)
        tree.SetItemAttribute(child, "DICOM.Modality", "MR")
        if descriptions:
            tree.SetItemName(child, descriptions[number])


def test_an_empty_scene_gives_no_guess(a_slicer_scene):
    assert guessed(a_slicer_scene.scene) == (None, None)


def test_t1_and_flair_are_found_in_either_order(a_slicer_scene):
    flair, _, t1 = volumes(a_slicer_scene.scene, "FLAIR", "T2", "T1")
    assert guessed(a_slicer_scene.scene) == (t1, flair)


def test_one_alone_is_guessed_alone(a_slicer_scene):
    (flair, _) = volumes(a_slicer_scene.scene, "FLAIR", "Volume")
    assert guessed(a_slicer_scene.scene) == (None, flair)
    a_slicer_scene.scene.RemoveNode(flair)
    (t1,) = volumes(a_slicer_scene.scene, "T1")
    assert guessed(a_slicer_scene.scene) == (t1, None)


def test_a_t1_before_contrast_medium_goes_first(a_slicer_scene):
    t1, _, flair = volumes(a_slicer_scene.scene, "t1_se_tra", "t1_se_tra_KM", "t2_tirm_tra_dark-fluid")
    assert guessed(a_slicer_scene.scene) == (t1, flair)


def test_a_t1_after_contrast_medium_is_better_than_none(a_slicer_scene):
    t1, flair = volumes(a_slicer_scene.scene, "T1 post Gd", "FLAIR")
    assert guessed(a_slicer_scene.scene) == (t1, flair)


def test_the_newest_goes_first(a_slicer_scene):
    _, _, t1, flair = volumes(a_slicer_scene.scene, "T1", "FLAIR", "T1_1", "FLAIR_1")
    assert guessed(a_slicer_scene.scene) == (t1, flair)


def test_two_of_the_same_examination_by_their_names_go_together(a_slicer_scene):
    t1, _, flair = volumes(a_slicer_scene.scene, "sub-01_T1w", "sub-02_T1w", "sub-01_FLAIR")
    assert guessed(a_slicer_scene.scene) == (t1, flair)


def test_two_of_the_same_study_go_before_newer_ones_of_different_studies(a_slicer_scene):
    scene = a_slicer_scene.scene
    t1, flair, later = volumes(scene, "4: t1_se_tra", "3: t2_tirm_tra_dark-fluid", "9: t1_se_tra")
    study(scene, "Doe^Jane", "2019", t1, flair)
    study(scene, "Doe^Jane", "2023", later)
    assert guessed(scene) == (t1, flair)


def test_volumes_of_different_patients_are_never_a_pair(a_slicer_scene):
    scene = a_slicer_scene.scene
    t1, flair = volumes(scene, "T1", "FLAIR")
    study(scene, "Doe^Jane", "2019", t1)
    study(scene, "Roe^Richard", "2019", flair)
    assert guessed(scene) == (None, flair)


@pytest.mark.parametrize("chosen", ["t1", "flair"])
def test_what_goes_with_the_volume_that_is_chosen_is_of_its_patient(chosen, a_slicer_scene):
    """Not of the newest pair; nor is a volume of another patient, while that patient's own is not loaded."""
    scene = a_slicer_scene.scene
    t1, flair, other_t1, other_flair = volumes(scene, "T1", "FLAIR", "T1_1", "FLAIR_1")
    study(scene, "Doe^Jane", "2019", t1, flair)
    study(scene, "Roe^Richard", "2023", other_t1, other_flair)
    guess = suggest_inputs(scene, **{chosen: {"t1": t1, "flair": flair}[chosen]})
    assert (guess.t1, guess.flair) == (t1, flair)
    scene.RemoveNode({"t1": flair, "flair": t1}[chosen])
    guess = suggest_inputs(scene, **{chosen: {"t1": t1, "flair": flair}[chosen]})
    assert (guess.t1, guess.flair)[chosen == "t1"] is None


def test_the_series_description_in_the_subject_hierarchy_counts(a_slicer_scene):
    scene = a_slicer_scene.scene
    one, other = volumes(scene, "IM_0001", "IM_0002")
    study(scene, "Doe^Jane", "2019", one, other, descriptions=["3: FLAIR", "4: T1 SE"])
    assert guessed(scene) == (other, one)


def test_a_ct_is_not_a_scan_whatever_it_is_called(a_slicer_scene):
    scene = a_slicer_scene.scene
    (node,) = volumes(scene, "T1 spine level")
    study(scene, "Doe^Jane", "2019", node)
    hierarchy(scene).SetItemAttribute(hierarchy(scene).GetItemByDataNode(node), "DICOM.Modality", "CT")
    assert guessed(scene) == (None, None)


def test_results_label_maps_colours_hidden_and_flat_volumes_are_never_guessed(a_slicer_scene):
    scene = a_slicer_scene.scene
    t1, flair = volumes(scene, "T1", "FLAIR")
    ours = add_like(scene, np.zeros((5, 5, 5), np.float32), flair, "FLAIR 2")
    ours.SetAttribute("AnomalyDetection.Role", "prepared_flair")
    add_like(scene, np.zeros((5, 5, 5), np.uint8), flair, "FLAIR 3", label_map=True)
    add_like(scene, np.zeros((5, 5, 5), np.float32), flair, "Anomaly score (FLAIR)")
    hidden = add_like(scene, np.zeros((5, 5, 5), np.float32), flair, "T1 2")
    hidden.SetHideFromEditors(True)
    add_volume(scene, np.zeros((1, 5, 5), np.int16), np.eye(4), "T1 slice")
    slicer.util.addVolumeFromArray(
        np.zeros((5, 5, 5, 3), np.uint8), None, "T1 colours", "vtkMRMLVectorVolumeNode"
    )
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "T1 empty")
    assert guessed(scene) == (t1, flair)


# -- volumes whose DICOM images are known


FLAIR_TIMES = MrSequence(scanning=("SE", "IR"), echo_time=93.0, repetition_time=9000.0, inversion_time=2500.0)
T1_TIMES = MrSequence(scanning=("GR", "IR"), echo_time=2.3, repetition_time=2300.0, inversion_time=900.0)
T2_TIMES = MrSequence(scanning=("SE",), echo_time=100.0, repetition_time=5000.0)


def loaded(scene, **series):
    """Nodes of one study with the DICOM series they are from, and the function that knows how those were taken."""
    nodes = volumes(scene, *series)
    taken = {}
    for node, sequence in zip(nodes, series.values(), strict=True):
        node.SetAttribute("DICOM.instanceUIDs", f"1.2.{len(taken)}.1 1.2.{len(taken)}.2")
        taken[node.GetID()] = sequence
    study(scene, "Doe^Jane", "2019", *nodes)
    return nodes, lambda node: taken.get(node.GetID())


def test_how_the_images_were_taken_goes_before_their_names(a_slicer_scene):
    scene = a_slicer_scene.scene
    (flair, t1, _), taken = loaded(scene, Serie_1=FLAIR_TIMES, Serie_2=T1_TIMES, Serie_3=T2_TIMES)
    guess = suggest_inputs(scene, taken)
    assert (guess.t1, guess.flair) == (t1, flair)
    assert guess.flair_why.startswith('FLAIR: "Serie_1" (inversion recovery, spin echo: TE 93 ms')
    assert "the only T1" in guess.t1_why
    assert guessed(scene) == (None, None)


def test_a_name_that_its_images_contradict_is_not_believed(a_slicer_scene):
    (_, _), taken = loaded(
        a_slicer_scene.scene,
        T1=replace(T2_TIMES, description="T1"),
        FLAIR=replace(T1_TIMES, description="FLAIR"),
    )
    assert suggest_inputs(a_slicer_scene.scene, taken) == SuggestedInputs(None, None)


def test_of_two_equally_good_series_none_is_taken_and_that_is_said(a_slicer_scene):
    scene = a_slicer_scene.scene
    (_, _, flair), taken = loaded(scene, one=T1_TIMES, other=T1_TIMES, third=FLAIR_TIMES)
    guess = suggest_inputs(scene, taken)
    assert (guess.t1, guess.flair) == (None, flair)
    assert guess.t1_why == '2 T1 series are equally good ("one", "other"): choose one.'


def test_a_native_series_goes_before_one_after_contrast_medium_and_the_reason_is_told(a_slicer_scene):
    scene = a_slicer_scene.scene
    after = replace(T1_TIMES, contrast_agent="Gadovist")
    (t1, _, _), taken = loaded(scene, a=T1_TIMES, b=after, c=FLAIR_TIMES)
    guess = suggest_inputs(scene, taken)
    assert guess.t1 is t1
    assert "preferred to the other T1: no contrast medium named" in guess.t1_why


def test_a_series_taken_after_one_with_contrast_medium_is_not_native(a_slicer_scene):
    scene = a_slicer_scene.scene
    first, then, later = (datetime(2024, 1, 31, hour) for hour in (10, 11, 12))
    (t1, _, _, flair), taken = loaded(
        scene,
        a=replace(T1_TIMES, acquired_at=first),
        b=replace(T1_TIMES, acquired_at=then, contrast_agent="Gadovist"),
        c=replace(T1_TIMES, acquired_at=later),
        d=replace(FLAIR_TIMES, acquired_at=later),
    )
    guess = suggest_inputs(scene, taken)
    assert (guess.t1, guess.flair) == (t1, flair)
    assert 'taken after "b", which had Gadovist' in guess.flair_why


def test_a_series_that_was_loaded_twice_is_no_choice(a_slicer_scene):
    scene = a_slicer_scene.scene
    (_, newer, flair), taken = loaded(scene, a=T1_TIMES, b=T1_TIMES, c=FLAIR_TIMES)
    for node in scene.GetNodesByName("a"), scene.GetNodesByName("b"):
        node.GetItemAsObject(0).SetAttribute("DICOM.instanceUIDs", "1.2.3")
    guess = suggest_inputs(scene, taken)
    assert (guess.t1, guess.flair) == (newer, flair)
