"""T1 and FLAIR of different patients are refused, however the headers write them; other studies are told apart."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.dicom.identity import Identity, patients_of
from AnomalyDetectionLib.dicom.study import read_studies, the_study
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.reading import read_study, read_volume
from made_dicom import MadeStudy, change, classic_series, enhanced_series

JANE = MadeStudy()
GRID = Grid((9, 8, 6), (16.0, 16.0, 20.0), (-80.0, -70.0, -60.0), tuple(np.eye(3).ravel()))


def image(seed: int) -> sitk.Image:
    return GRID.image(np.random.default_rng(seed).integers(0, 900, GRID.shape).astype(np.int16))


def pair(folder: Path, t1: MadeStudy, flair: MadeStudy, make=classic_series) -> tuple[Path, Path]:
    make(folder / "t1", image(1), kind="T1", study=t1, number=2)
    make(folder / "flair", image(2), study=flair, number=3)
    return folder / "t1", folder / "flair"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"patient_id": "ANON-2"}, "PatientID 'ANON-1' and 'ANON-2'"),
        ({"patient_name": "Doe^John"}, "name 'Doe^Jane' and 'Doe^John'"),
        ({"birth_date": "19510102"}, "birth date '19500102' and '19510102'"),
        ({"sex": "M"}, "sex 'F' and 'M'"),
        ({"patient_id": "", "patient_name": "Miller^Ann", "sex": ""}, "name 'Doe^Jane' and 'Miller^Ann'"),
    ],
)
@pytest.mark.parametrize("make", [classic_series, enhanced_series])
def test_t1_and_flair_of_different_patients_are_refused(tmp_path, other, said, make):
    with pytest.raises(InputError, match="T1 and FLAIR are of different patients") as error:
        read_study(*pair(tmp_path, JANE, replace(JANE, **other), make))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "other",
    [
        {"patient_name": "DOE^JANE^^"},
        {"patient_name": "Doe, Jane"},
        {"patient_name": "Doe^Jane^Mary"},
        {"patient_id": ""},
        {"patient_id": "", "patient_name": "", "birth_date": "", "sex": ""},
        {"sex": "O"},
        {"date": "20200101"},
    ],
)
def test_what_is_not_said_or_written_otherwise_is_no_other_patient(tmp_path, other):
    study = read_study(*pair(tmp_path, JANE, replace(JANE, **other)))
    assert study.flair.series is not None
    assert study.flair.series.identity.patient_id == other.get("patient_id", "ANON-1")


def test_a_mask_of_another_patient_is_refused(tmp_path):
    t1, flair = pair(tmp_path, JANE, JANE)
    classic_series(tmp_path / "mask", image(3), study=replace(JANE, patient_id="X"), number=4)
    with pytest.raises(InputError, match="brain mask and FLAIR are of different patients"):
        read_study(t1, flair, tmp_path / "mask")


def test_a_series_with_images_of_two_patients_is_refused(tmp_path):
    change(classic_series(tmp_path, image(1), study=JANE)[2], PatientName="Miller^Ann")
    with pytest.raises(InputError, match="has images of 2 patients"):
        read_volume(tmp_path, role="T1")


def test_accents_and_ways_of_writing_are_one_name():
    assert not Identity(name="Müller^René=山").contradictions(Identity(name="MÜLLER RENE"))
    assert Identity(name="Müller^René").contradictions(Identity(name="Müller^Anna"))


def test_one_who_names_nothing_joins_the_others():
    known, other = Identity("1", "Doe^Jane"), Identity("2", "Doe^John")
    assert patients_of([Identity(), known, known]) == [[known, Identity()]]
    assert len(patients_of([Identity(), known, other])) == 2


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ({"patient_id": "ANON-2"}, "PatientID 'ANON-1' and 'ANON-2'"),
        ({"patient_name": "Doe^John"}, "name 'Doe^Jane' and 'Doe^John'"),
        ({"birth_date": "19991231"}, "birth date '19500102' and '19991231'"),
    ],
)
def test_one_study_with_two_patients_is_refused(tmp_path, attribute, said):
    pair(tmp_path, JANE, replace(JANE, **attribute))
    with pytest.raises(InputError, match=re.escape(f"images of 2 patients ({said})")):
        the_study(tmp_path)


def test_a_series_without_patient_id_beside_one_with_it_is_no_second_patient(tmp_path):
    pair(tmp_path, replace(JANE, patient_id=""), JANE)
    study = the_study(tmp_path)
    assert len(study.series) == 2
    assert study.patient == "ANON-1"


def test_images_without_a_study_uid_are_parted_by_patient_and_date(tmp_path):
    nobody = replace(JANE, uid="")
    pair(tmp_path / "one", nobody, nobody)
    assert len(read_studies(tmp_path)) == 1
    for number, other in enumerate(({"patient_id": "B", "patient_name": "B"}, {"date": "20200101"})):
        classic_series(tmp_path / f"other {number}", image(4), study=replace(nobody, **other), number=9)
    assert sorted(len(study.series) for study in read_studies(tmp_path)) == [1, 1, 2]
    with pytest.raises(InputError, match=r"holds 3 studies.*without StudyInstanceUID give the folder"):
        the_study(tmp_path)


def test_days_between_studies_are_counted():
    one, other = Identity(study="1.2", study_date="20240131"), Identity(study="1.3", study_date="2024.02.02")
    assert one.other_study(other)
    assert one.days_from(other) == 2
    assert one.days_from(Identity(study_date="20249999")) is None
    assert not one.other_study(Identity())
