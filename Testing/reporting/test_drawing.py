"""What all pictures share."""

from __future__ import annotations

import subprocess
import sys

import pytest
from AnomalyDetectionLib.reporting.drawing import font


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize(
    "text", ["Müller é ñ ß ø", "Ľubomír Łęcki Őry", "Παπαδόπουλος", "Їжакевич Жанна", "² ≥ µ × ± – … →"]
)
def test_names_of_any_european_script_and_the_signs_of_measures_have_their_letters(text, bold):
    drawn = font(14, bold=bold)
    no_letter = bytes(drawn.getmask("\uffff"))
    assert no_letter
    assert [letter for letter in text if bytes(drawn.getmask(letter)) == no_letter] == []


def test_pictures_and_pages_are_drawn_without_what_slicer_does_not_fetch():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['matplotlib', 'tqdm']))\n"
        "from AnomalyDetectionLib.cohort import scan, thumbnail, worklist_run\n"
        "from AnomalyDetectionLib.reporting import drawing, finding_picture, nearest_picture, overlay_picture, report\n"
        "print(drawing.font(12, bold=True).getname())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "('DejaVu Sans', 'Bold')"
