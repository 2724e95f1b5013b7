"""A few seconds of what `make fuzz` does for minutes, and what hypothesis finds for the parts that need no process."""

from __future__ import annotations

import json
import sys
from pathlib import Path, PurePosixPath

import pytest
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.journal import _ours
from AnomalyDetectionLib.files.text import escape_controls
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.text_header import check_header, data_files
from AnomalyDetectionLib.model.candidate_network import CandidateSettings
from AnomalyDetectionLib.model.context_network import ContextSettings
from AnomalyDetectionLib.model.model_settings import NetworkSettings, ScoringSettings
from AnomalyDetectionLib.model.stored_settings import from_json
from AnomalyDetectionLib.reporting.result_files import files_of_result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent / "fuzz"))

import fuzz
import malformed

QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def test_malformed_inputs_are_read_properly_or_refused_in_one_sentence():
    answers = fuzz.run(5 * len(malformed.KINDS), 60, seed=7, kinds=list(malformed.KINDS))
    assert len(answers) >= 4 * len(malformed.KINDS)
    wrong = [answer for answer in answers if not answer.fine]
    assert not wrong
    assert {answer.outcome for answer in answers} == {"read", "refused"}


@pytest.mark.parametrize(
    "kind", [NetworkSettings, ScoringSettings, PreparationSettings, ContextSettings, CandidateSettings]
)
def test_settings_of_any_json_are_settings_or_refused(kind):
    names = st.sampled_from(list(kind.__dataclass_fields__))

    @QUICK
    @given(st.dictionaries(names, PLAIN, max_size=3))
    def holds(values):
        try:
            made = from_json(kind, json.dumps(values))
        except (ValueError, TypeError):
            return
        assert from_json(kind, json.dumps(values)) == made

    holds()


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_any_header_is_let_through_or_refused_and_names_no_file_elsewhere(tmp_path, suffix):
    lines = st.sampled_from(
        ("NDims = ", "DimSize = ", "ElementDataFile = ", "ElementDataFile=", "NRRD0004", "dimension: ", "sizes: ", "data file: ",
         "datafile:", "Data File: ", "")
    )  # fmt: skip
    values = st.text(max_size=12) | st.sampled_from(("3", "7 8 9", "LOCAL", "../x", "/etc/passwd", "x.raw"))

    @QUICK
    @given(st.lists(st.tuples(lines, values), max_size=6))
    def holds(parts):
        path = tmp_path / f"a{suffix}"
        text = "\n".join(name + value for name, value in parts)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            check_header(path, role="T1")
        except InputError:
            return
        assert all((tmp_path / name).resolve().parent == tmp_path.resolve() for name in data_files(path))

    holds()


@QUICK
@given(PLAIN)
def test_a_record_of_anything_gives_the_names_of_files_or_none(tmp_path, value):
    (tmp_path / "findings.json").write_text(json.dumps(value), "utf-8", "surrogatepass")
    assert all(isinstance(name, PurePosixPath) for name in files_of_result(tmp_path))


@QUICK
@given(st.lists(st.sampled_from(("..", ".", "a", "b", "", "/", "C:", "~")), max_size=5))
def test_no_name_of_a_file_leads_out_of_its_folder(tmp_path, parts):
    name = PurePosixPath("/".join(parts))
    if _ours(name, tmp_path):
        assert (tmp_path / name).resolve().is_relative_to(tmp_path.resolve())


@QUICK
@given(st.text())
def test_what_is_shown_holds_no_control_characters(text):
    shown = escape_controls(text)
    assert not [c for c in shown if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0]
    shown.encode("utf-8")
