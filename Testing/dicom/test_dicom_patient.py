"""The line of patient and study, from a DICOM instance."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.dicom.patient import NOBODY, PatientHeader, patient_header
from made_dicom import MadeStudy, change, classic_series, enhanced_series

IMAGE = sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))


@pytest.mark.parametrize("enhanced", [False, True])
def test_patient_and_study_are_named_as_the_instance_does(tmp_path, enhanced):
    study = MadeStudy(patient_name="Müller^Eva Maria^^Dr.", description="Kopf nativ")
    made = (enhanced_series if enhanced else classic_series)(tmp_path, IMAGE, study=study)
    file = made if enhanced else made[0]
    assert patient_header(file) == PatientHeader(
        name="Müller, Eva Maria",
        patient_id="ANON-1",
        birth_date="1950-01-02",
        sex="F",
        study_date="2024-01-31",
        study_description="Kopf nativ",
        accession="A-17",
    )


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("", ""),
        ("^^^^", ""),
        ("DOE", "DOE"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou"),
        ("=山田^太郎", "山田, 太郎"),
    ],
)
def test_names_are_written_for_people(tmp_path, written, shown):
    file = classic_series(tmp_path, IMAGE, study=MadeStudy(patient_name=written))[0]
    assert patient_header(file).name == shown


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of what is written here
def test_what_is_not_there_is_empty_and_what_is_no_date_stays(tmp_path):
    file = classic_series(tmp_path, IMAGE)[0]
    change(file, PatientBirthDate=None, AccessionNumber=None, PatientSex="", StudyDate="2024.01.31")
    line = patient_header(file)
    assert (line.birth_date, line.accession, line.sex, line.study_date) == ("", "", "", "2024-01-31")


def test_a_file_that_is_no_dicom_has_no_patient(tmp_path):
    file = tmp_path / "scan.nii"
    file.write_bytes(b"\1" * 400)
    assert patient_header(file) == NOBODY
    assert patient_header(tmp_path / "absent.dcm") == NOBODY
