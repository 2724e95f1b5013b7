"""What all pictures share."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from AnomalyDetectionLib.reporting.drawing import draw_legend, font
from PIL import Image, ImageDraw


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize(
    "text", ["Müller é ñ ß ø", "Ľubomír Łęcki Őry", "Παπαδόπουλος", "Їжакевич Жанна", "² ≥ µ × ± – … →"]
)
def test_names_of_any_european_script_and_the_signs_of_measures_have_their_letters(text, bold):
    drawn = font(14, bold=bold)
    no_letter = bytes(drawn.getmask("\uffff"))
    assert no_letter
    assert [letter for letter in text if bytes(drawn.getmask(letter)) == no_letter] == []


@pytest.mark.parametrize(
    ("threshold", "probabilities", "words"),
    [
        (0.585, True, ["1", "0.585", "0.5", "0"]),
        (0.5, True, ["1", "0.5", "0"]),
        (0.02, True, ["1", "0.5", "0.02"]),
        (2.0, True, ["1", "0.5", "0"]),
        (3.0, False, ["12", "6", "3", "0"]),
    ],
)
def test_the_legend_names_the_threshold_as_it_is_and_no_word_lies_over_another(
    threshold, probabilities, words, monkeypatch
):
    written = {}
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text", lambda _pen, at, text, **_style: written.update({text: at})
    )
    draw_legend(Image.new("RGB", (200, 400)), 20, 40, threshold, "", probabilities=probabilities)
    places = {text: at[1] for text, at in written.items() if text.replace(".", "").isdigit()}
    assert sorted(places, key=places.__getitem__) == words
    heights = sorted(places.values())
    assert all(below - above > 13 for above, below in pairwise(heights))


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
