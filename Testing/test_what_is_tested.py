"""What decides whether the tests mean anything: skips, deprecations, and the versions that they run on."""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import subprocess
import sys
from importlib import metadata

import pytest
from AnomalyDetectionLib.reporting import machine_report
from conftest import REPOSITORY
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

CASES = """
import warnings
import pytest

def test_passes(): pass
@pytest.mark.skip(reason="nothing is unwritable to root")
def test_listed(): pass
def test_unlisted(): pytest.skip("I do not feel like it")
@pytest.mark.skipif(True, reason="nor does this")
def test_unlisted_mark(): pass
@pytest.mark.xfail(reason="known")
def test_known(): raise ValueError
def test_missing(): pytest.importorskip("no_such_package")
def test_deprecated(): warnings.warn("old", DeprecationWarning)
def test_going(): warnings.warn("soon", FutureWarning)
@pytest.mark.xfail(reason="thought so")
def test_unexpectedly_passes(): pass
"""


@pytest.mark.parametrize("ci", ["true", ""])
def test_a_skip_that_is_not_listed_and_what_is_deprecated_fail(tmp_path, ci):
    (tmp_path / "test_cases.py").write_text(CASES, encoding="utf-8")
    (tmp_path / "test_left_out.py").write_text(
        "import pytest\npytest.importorskip('no_such')", encoding="utf-8"
    )
    options = f"-m pytest -c {REPOSITORY / 'pyproject.toml'} -p conftest -p no:cacheprovider -rA"
    command = [sys.executable, *options.split(), "--continue-on-collection-errors", "--rootdir", tmp_path]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(REPOSITORY / "Testing")}
    done = subprocess.run([*command, tmp_path], env=environment, capture_output=True, text=True, check=False)
    lines = r"^(?:FAILED|ERROR) .*?(test_\w+)(?:\.py)?(?: - .*)?$"
    failed = set(re.findall(lines, done.stdout, re.MULTILINE))
    always = {"test_deprecated", "test_going", "test_unexpectedly_passes"}
    in_ci = {"test_unlisted", "test_unlisted_mark", "test_missing", "test_left_out"}
    assert failed == (always | in_ci if ci else always), done.stdout
    assert "I do not feel like it" in done.stdout, "the reasons are printed"


def test_older_packages_are_named():
    older = runpy.run_path(str(REPOSITORY / ".ci" / "not_older.py"))["older"]
    here = metadata.version("numpy")
    assert older(f"numpy=={here}\nSimpleITK==1.0\n", ["numpy", "simpleitk"]) == []
    assert older("numpy==99.0\n", ["numpy"]) == [f"numpy is {here} here, and 99.0 there."]
    assert "not among" in older("", ["numpy"])[0]
    assert "not installed" in older("no-such-thing==1\n", ["no-such-thing"])[0]


def requirements(extra: str = "") -> dict[str, Requirement]:
    """What pyproject.toml asks for on this Python, by name."""
    tomllib = pytest.importorskip("tomllib", reason="tomllib comes with Python 3.11")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else ())]
    return {canonicalize_name(requirement.name): requirement for requirement in map(Requirement, lines)}


def pins(name: str) -> dict[str, str]:
    """The lines of a constraints file."""
    text = (REPOSITORY / "constraints" / name).read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    plain = all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert plain, "no addresses, paths or local versions"
    pairs = (line.split("==") for line in lines)
    return {canonicalize_name(package): version for package, version in pairs}


@pytest.mark.parametrize("extra", ["", "cluster", "research", "test", "lint"])
def test_the_tested_versions_are_written_down_and_are_what_is_promised(extra):
    tested = pins("tested.txt")
    wrong = [
        f"{requirement} and {tested.get(name)}"
        for name, requirement in requirements(extra).items()
        if name not in tested or not requirement.specifier.contains(tested[name])
    ]
    assert not wrong


def test_the_tested_versions_can_be_installed_on_the_python_that_their_file_names():
    text = (REPOSITORY / "constraints" / "tested.txt").read_text("utf-8")
    python = re.search(r"on Python (3\.\d+) or newer", text.partition("\n")[0])
    assert python
    wrong = []
    for package, version in pins("tested.txt").items():
        with contextlib.suppress(metadata.PackageNotFoundError):
            about = metadata.metadata(package)
            specifier = SpecifierSet(about.get("Requires-Python") or "")
            if about["Version"] == version and not specifier.contains(f"{python[1]}.9"):
                wrong.append(f"{package} {version} wants Python {specifier}")
    assert not wrong


def oldest_stage(tmp_path, python: str) -> tuple[str, str, list[str]]:
    """The stage `oldest` of .ci/run where the given Python is the only one, and pillow has no old version for it.

    Returns what it printed, the constraints that it installed with, and the programs that it called.
    """
    text = (REPOSITORY / ".ci" / "run").read_text("utf-8")
    function = re.search(r"^oldest\(\) \{.*?^\}", text, re.M | re.S)
    assert function
    (tmp_path / "program").write_text(
        '#!/bin/sh\nif [ "$1" = -V ]; then echo "Python X"; exit; fi\n'
        f'echo "$(basename "$0") $*" >>{tmp_path}/called\n'
        'for last; do :; done\ncase "$* " in *--dry-run*pillow*) exit 1;; esac\n'
    )
    (tmp_path / "program").chmod(0o755)
    script = f"""set -euo pipefail
        work={tmp_path} stage=oldest
        clone() {{ cd {REPOSITORY}; }}
        python_of() {{ [ "$1" = {python} ] && echo python; }}
        environment() {{ bin=$work/oldest/$2/bin; mkdir -p "$bin"; cp "$work/program" "$bin/pip"; cp "$work/program" "$bin/python"; }}
        {function[0]}
        oldest"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    called = (tmp_path / "called").read_text().splitlines()
    (install,) = (line for line in called if " -c " in line)
    constraints = re.search(r"-c (\S+)", install)
    assert constraints
    return done.stdout + done.stderr, (REPOSITORY / constraints[1]).read_text(), called


@pytest.mark.skipif(os.name == "nt", reason="CI does not run on Windows")
def test_without_the_oldest_python_the_oldest_packages_are_tested_on_the_next_one(tmp_path):
    said, constraints, called = oldest_stage(tmp_path, "3.12")
    kept = {canonicalize_name(line.partition("==")[0]) for line in constraints.splitlines()}
    left_out = {*pins("oldest.txt")} - kept
    assert left_out == {"pillow"}
    assert f"numpy=={pins('oldest.txt')['numpy']}" in constraints
    assert "pillow==" in said
    assert "Python X" in said
    assert any("pytest" in line for line in called)


@pytest.mark.skipif(os.name == "nt", reason="CI does not run on Windows")
def test_on_the_oldest_python_every_oldest_version_is_asked_for(tmp_path):
    said, constraints, called = oldest_stage(tmp_path, "3.10")
    assert constraints == (REPOSITORY / "constraints" / "oldest.txt").read_text()
    assert not said
    assert len(called) == 2


def test_ci_compares_the_packages_that_results_depend_on():
    (names,) = re.findall(r"not_older\.py.*\\\n([^\n]+)\n", (REPOSITORY / ".ci" / "run").read_text("utf-8"))
    results = {"numpy", "SimpleITK", "torch", "pydicom", "highdicom", "pandas", "connected-components-3d"}
    assert results <= set(names.split())


def test_the_oldest_versions_that_are_tested_are_those_that_are_promised():
    oldest = pins("oldest.txt")
    promised = {
        name: next(part.version for part in requirement.specifier if part.operator in {">=", "=="})
        for name, requirement in requirements("test").items()
    }
    assert {name: Version(version) for name, version in promised.items()} == {
        name: Version(oldest[name]) for name in promised
    }


def test_doctor_prints_every_package_that_a_run_goes_through():
    named_by_others = {"pyjpegls"}  # of highdicom
    of_the_command_line = {"matplotlib", "tqdm"}  # no run in Slicer has them
    asked_for = set(requirements()) - of_the_command_line
    assert {canonicalize_name(name) for name in machine_report.PACKAGES} == asked_for | named_by_others
    assert of_the_command_line <= {*machine_report.OPTIONAL_PACKAGES}
