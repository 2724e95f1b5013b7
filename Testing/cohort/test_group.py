"""What `group` makes of the records of many scans."""

from __future__ import annotations

import dataclasses
import errno
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from AnomalyDetectionLib.cohort.dataset import Dataset
from AnomalyDetectionLib.cohort.group import write_group
from AnomalyDetectionLib.cohort.group_tables import value_of
from AnomalyDetectionLib.cohort.outliers import LIMIT, find_unusual, modified_z
from AnomalyDetectionLib.cohort.summaries import read_summaries
from AnomalyDetectionLib.errors import InputError
from made_cohort import quiet, table_of
from made_records import make_records

SCANS = 230


def strange(number: int, record: dict) -> None:
    if number == 100:
        record["brain_ml"] = 700.0
    if number == 150:
        sentence = "The FLAIR is noisy & <b>dark</b>"
        record["quality"] = [{"name": "noise", "sentence": sentence, "measured": {}}]
    if number == 200:
        record["findings"] = []


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """230 made-up scans, three of them special, and what was said of the group."""
    place = tmp_path_factory.mktemp("group")
    out, source = place / "out", place / "source"
    make_records(out, source, SCANS, change=strange)
    return out, source, write_group(out, source, quiet)


def test_the_modified_z_score_does_not_heed_the_outlier_itself():
    values = np.array([1.0, 2, 3, 4, 5, 1000])
    z = modified_z(values)
    assert z[5] > 100
    assert np.abs(z[:5]).max() < 2
    assert modified_z(np.array([2.0, 2, 2, 2])).tolist() == [0, 0, 0, 0]
    mostly_the_same = modified_z(np.array([2.0, 2, 2, 2, 2, 9, np.nan]))
    assert mostly_the_same[5] > LIMIT / 2
    assert np.isnan(mostly_the_same[6])


def test_a_brain_of_half_the_size_is_unusual_and_a_small_group_has_no_outliers(made):
    scans = [found[0] for found in read_summaries(Dataset.open(made[0]))]
    low = r"Unusually low: the volume of the brain, 700 ml; the median is 1[45]\d\d ml"
    assert re.match(low, find_unusual(scans)[99][0].sentence)
    assert find_unusual(scans[97:103]) == [()] * 6
    together = dataclasses.replace(scans[0], shift_mm=1.9)  # less than 2 mm is nothing
    assert not any("shift" in item.sentence for item in find_unusual([together, *scans])[0])


def test_warnings_and_outliers_come_first_on_the_pages_and_every_scan_comes_once(made):
    out = made[0]
    first, second = ((out / "group_pages" / f"scans-000{k}.html").read_text("utf-8") for k in (1, 2))
    names = re.findall(r"<strong>(?:<a[^>]*>)?(sub-\d+)", first + second)
    assert len(names) == len({*names}) == SCANS
    assert {"sub-00100", "sub-00150"} <= {*names[:12]}
    assert first.count('src="data:image/jpeg') == 200
    assert second.count('src="data:image/jpeg') == 30
    assert "noisy &amp; &lt;b&gt;dark" in first
    assert not re.search(r'(src|href)="https?:', first), "nothing is fetched"
    index = (out / "group.html").read_text("utf-8")
    assert 'href="group_pages/scans-0002.html"' in index


def test_tables_have_every_scan_and_say_what_is_not_known(made):
    table = table_of(made[0] / "group_scans.tsv")
    assert len(table) == SCANS
    assert table[149]["warnings"] == "1"
    assert table[149]["warning_text"].startswith("The FLAIR is noisy")
    none = [table[199][name] for name in ("findings", "burden_ml", "session_id", "warning_text")]
    assert none == ["0", "0", "n/a", "n/a"]
    one = table[0]
    for kind in ("hint", "side", "part"):
        parts = [int(value) for name, value in one.items() if name.startswith(f"findings_{kind}_")]
        assert sum(parts) == int(one["findings"])


def test_a_group_made_again_leaves_nothing_of_the_one_before(made, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(made[0], out)
    for number in range(20, SCANS + 1):
        shutil.rmtree(out / f"sub-{number:05d}")
    record = out / "sub-00003" / "anat" / "sub-00003_space-FLAIR_desc-anomaly_dseg.json"
    record.write_text(record.read_text("utf-8")[:300])
    (made[1] / "participants.tsv").rename(tmp_path / "participants.tsv")
    try:
        said = write_group(out, made[1], quiet)
    finally:
        (tmp_path / "participants.tsv").rename(made[1] / "participants.tsv")
    assert said.startswith("18 scans")
    assert "1 records cannot be read (sub-00003/anat/" in said
    assert [path.name for path in (out / "group_pages").iterdir()] == ["scans-0001.html"]
    assert "age" not in table_of(out / "group_scans.tsv")[0]
    assert "age" not in json.loads((out / "group_scans.json").read_text("utf-8"))
    assert not list((out / ".work").glob("group*"))


def test_a_group_of_nothing_is_refused(made, tmp_path):
    with pytest.raises(InputError, match="no results of a cohort"):
        write_group(tmp_path, tmp_path, quiet)
    make_records(tmp_path / "out", tmp_path / "source", 0)
    with pytest.raises(InputError, match="holds no results"):
        write_group(tmp_path / "out", tmp_path / "source", quiet)


def test_a_group_of_one_is_told_as_one(tmp_path):
    make_records(tmp_path / "out", tmp_path / "source", 1)
    assert write_group(tmp_path / "out", tmp_path / "source", quiet).startswith("1 scan, ")
    page = (tmp_path / "out" / "group.html").read_text("utf-8")
    assert "1 scan of 1 subject<" in page
    assert "for the 1 scan with a known age." in page


def test_cells_of_participants_are_found_however_they_are_spelt():
    assert value_of({"Age": " 63 ", "gender": "F"}, "age") == "63"
    assert value_of({"Age": " 63 ", "gender": "F"}, "sex") == "F"
    assert value_of({"sex": "N/A"}, "sex") == ""


def test_pages_that_cannot_take_their_place_leave_those_before_them_there(made, tmp_path, monkeypatch):
    out = tmp_path / "out"
    shutil.copytree(made[0], out)
    (out / "group_pages" / "mine.txt").write_text("as before")
    rename = Path.rename

    def fail(path, target):
        if Path(target) == out / "group_pages" and path.name == "group_pages":
            raise OSError(errno.EIO, "no", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(InputError, match="cannot be written"):
        write_group(out, made[1], quiet)
    assert (out / "group_pages" / "mine.txt").read_text() == "as before"
    assert (out / "group_pages" / "scans-0001.html").is_file()
    assert not list((out / ".work").glob("group*"))
