"""`anomaly-detection doctor`: the page a maintainer asks for first."""

import re
from importlib import metadata

import pytest
from AnomalyDetectionLib.reporting import machine_report
from conftest import REPOSITORY, run_command

TESTED = (REPOSITORY / "constraints" / "tested.txt").read_text("utf-8")


def test_the_page_names_machine_versions_devices_models_and_disk():
    done = run_command("doctor", output=None)
    assert done.code == 0
    assert done.stderr == ""
    for heading in ("Machine", "Python", "Packages", "Devices", "Models", "Disk"):
        assert heading in done.stdout.splitlines()
    for fact in ("processor: ", "cores: ", "memory: ", "GiB free in "):
        assert fact in done.stdout
    pins = re.findall(r"^([\w.-]+)==(.+)$", TESTED, re.MULTILINE)
    tested = {name.lower(): version for name, version in pins}
    for package in machine_report.PACKAGES:
        line = f"  {package}: {metadata.version(package)}, tested with {tested[package.lower()]}"
        assert line in done.stdout.splitlines()
    assert len(done.stdout.splitlines()) < 60, "it is one page"


def test_what_was_tested_is_said_of_a_package_that_is_not_here_and_is_not_said_where_it_is_not_known(
    monkeypatch,
):
    monkeypatch.setattr(machine_report, "PACKAGES", ("no-such-thing", "numpy"))
    monkeypatch.setattr(machine_report, "tested_versions", lambda: {"no-such-thing": "1.0"})
    lines = machine_report.examination().splitlines()
    assert "  no-such-thing: not installed, tested with 1.0" in lines
    assert f"  numpy: {metadata.version('numpy')}" in lines


def test_a_broken_part_is_named_and_the_rest_still_comes(monkeypatch):
    def broken():
        raise OSError("no such thing")
        yield

    monkeypatch.setattr(machine_report, "_devices", broken)
    page = machine_report.examination()
    assert "cannot be said: OSError: no such thing" in page
    assert "Disk" in page


@pytest.mark.parametrize("loads", [True, False])
def test_models_are_listed_with_their_hashes_whether_they_load_or_not(
    loads, monkeypatch, tmp_path, a_random_model
):
    from AnomalyDetectionLib.model import model_file

    path = tmp_path / "some.safetensors"
    path.write_bytes(a_random_model.read_bytes() if loads else b"broken")
    monkeypatch.setattr(model_file, "bundled_models", lambda: [path])
    line = next(line for line in machine_report.examination().splitlines() if "sha256" in line)
    assert ("does not load" in line) is not loads
    assert len(line.split("sha256 ")[1]) == 64
