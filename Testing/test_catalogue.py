"""The entry for Slicer's catalogue of extensions, by the rules that the catalogue publishes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from conftest import REPOSITORY

ENTRY = REPOSITORY / "catalogue" / "AnomalyDetection.json"

#: The keys that an entry may have, and their types (slicer-extension-catalog-entry-schema 1.0.1); the first three it must have.
TYPES = {
    **{"$schema": str, "category": str, "scm_url": str, "scm_revision": str, "scm_type": str},
    **{"build_dependencies": list, "build_subdirectory": str, "enabled": bool, "tier": int},
}
REQUIRED = ("$schema", "category", "scm_url")


@pytest.fixture(scope="module")
def entry():
    return json.loads(ENTRY.read_text("utf-8"))


def cmake(key: str, text: str | None = None) -> str:
    """A value of the top CMakeLists.txt, found as the catalogue's check finds it: quoted, on one line."""
    text = (REPOSITORY / "CMakeLists.txt").read_text("utf-8") if text is None else text
    found = re.search(rf'set\s*\({key}\s*"([^"]+)"[ ]*\)', text)
    assert found, f"{key} is not set"
    return found[1]


def test_the_entry_has_the_keys_and_types_of_the_schema(entry):
    assert set(REQUIRED) <= set(entry) <= set(TYPES)
    for key, value in entry.items():
        assert type(value) is TYPES[key], key
    assert entry["$schema"].endswith("/Schemas/slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert entry["tier"] in (1, 3, 5)
    assert all(isinstance(name, str) for name in entry["build_dependencies"])


def test_the_entry_is_called_like_the_project_and_stands_in_the_modules_category(entry):
    project = re.search(r"project\s*\(\s*([^\s)]+)", (REPOSITORY / "CMakeLists.txt").read_text("utf-8"))
    assert project
    assert project[1] == ENTRY.stem
    module = (REPOSITORY / "AnomalyDetection" / "AnomalyDetection.py").read_text("utf-8")
    assert f'"qSlicerAbstractCoreModule", "{entry["category"]}"' in module


def test_the_address_is_one_of_a_git_repository_with_slicer_in_its_name(entry):
    address = urlsplit(entry["scm_url"])
    assert address.scheme in ("git", "https")
    assert "slicer" in address.path.rpartition("/")[2].lower()


def test_what_the_extension_builds_on_is_the_same_in_both_places(entry):
    assert entry["build_dependencies"] == cmake("EXTENSION_DEPENDS").split()


def test_icon_and_screenshots_are_pictures_of_this_repository(entry):
    addresses = [cmake("EXTENSION_ICONURL"), *cmake("EXTENSION_SCREENSHOTURLS").split()]
    assert len(addresses) >= 2
    for address in addresses:
        assert urlsplit(address).scheme == "https"
        path = address.partition(f"/{entry['scm_revision']}/")[2]
        assert path.endswith(".png")
        assert (REPOSITORY / path).read_bytes().startswith(b"\x89PNG"), address


def test_there_is_a_licence_a_tutorial_and_the_publication():
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text("utf-8")
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    for what in ("in five steps", "10.1038/s41598-021-87013-4", "Research use only"):
        assert what in readme
    assert "Remove it all" in (REPOSITORY / "docs" / "slicer.md").read_text("utf-8")


@pytest.fixture
def copy(tmp_path):
    """The files that the script changes, and the script."""
    (tmp_path / "catalogue").mkdir()
    for name in ("catalogue/AnomalyDetection.json", "catalogue/set_address.py", "CMakeLists.txt"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def set_address(copy, address):
    command = [sys.executable, copy / "catalogue" / "set_address.py", address]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_public_address_is_put_everywhere_also_a_second_time(copy):
    for owner, end in (("somebody/SlicerAnomalyDetection", ".git"), ("other/slicer-ad", "/")):
        address = f"https://github.com/{owner}"
        done = set_address(copy, address + end)
        assert done.returncode == 0, done.stderr
        text = (copy / "CMakeLists.txt").read_text("utf-8")
        entry = json.loads((copy / "catalogue" / "AnomalyDetection.json").read_text("utf-8"))
        assert entry["scm_url"] == cmake("EXTENSION_HOMEPAGE", text) == address
        pictures = [cmake("EXTENSION_ICONURL", text), *cmake("EXTENSION_SCREENSHOTURLS", text).split()]
        raw = f"https://raw.githubusercontent.com/{owner}/main/Resources/"
        assert all(picture.startswith(raw) for picture in pictures)
        assert ".invalid" not in text


@pytest.mark.parametrize(
    "address", ["https://example.org/SlicerX", "https://github.com/somebody/AnomalyDetection", "x"]
)
def test_an_address_that_the_catalogue_would_refuse_is_refused(copy, address):
    before = (copy / "CMakeLists.txt").read_bytes()
    done = set_address(copy, address)
    assert done.returncode == 1
    assert "no address for the catalogue" in done.stderr
    assert (copy / "CMakeLists.txt").read_bytes() == before
