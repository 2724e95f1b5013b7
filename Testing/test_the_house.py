"""The repository itself: what Slicer's build packs, what a licence needs, what must not be in here."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import REPOSITORY

MODULE = REPOSITORY / "AnomalyDetection"
RESEARCH = REPOSITORY / "Research"
FOLDERS = (
    *("files", "dicom", "bids", "imaging", "model", "detection", "calibration", "reporting", "engine"),
    *("scene", "panel", "cohort", "commands"),
)
"""Of the engine; each imports only those before it."""
SKIPPED = {
    ".git",
    ".venv",
    ".venv-bench",
    "__pycache__",
    "build",
    "dist",
    "demo-output",
    "bench-output",
    "fuzz-output",
    "runs",
    "reproduce-output",
    ".snakemake",
    ".hypothesis",
}
TEXT = {
    ".py",
    ".md",
    ".html",
    ".css",
    ".txt",
    ".toml",
    ".json",
    ".csv",
    ".ui",
    ".cmake",
    ".yml",
    ".yaml",
    ".cfg",
    "",
}


def files_of_the_repository():
    """All files but what is made: environments, results, caches."""
    for folder, folders, names in os.walk(REPOSITORY):
        folders[:] = sorted(name for name in folders if not is_made(name))
        yield from (Path(folder) / name for name in sorted(names) if not is_made(name))


def is_made(name):
    return name in SKIPPED or name.endswith((".egg-info", "_cache"))


def test_every_package_is_in_the_wheel():
    packages = re.search(
        r"^packages = \[(.*?)\]", (REPOSITORY / "pyproject.toml").read_text("utf-8"), re.M | re.S
    )
    there = {
        ".".join(path.parent.relative_to(root).parts)
        for root in (MODULE, RESEARCH)
        for path in root.rglob("__init__.py")
    }
    assert packages
    assert set(re.findall(r'"([\w.]+)"', packages[1])) == there | {
        "AnomalyDetectionLib.resources",
        "AnomalyDetectionLib.constraints",
    }


def test_every_file_of_a_package_is_in_the_wheel():
    tomllib = pytest.importorskip("tomllib", reason="tomllib comes with Python 3.11")
    setuptools = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    carried = {
        path
        for package, patterns in setuptools["package-data"].items()
        for root in (MODULE, RESEARCH)
        for pattern in patterns
        for path in (root / package.replace(".", "/")).glob(pattern)
    }
    there = {
        path
        for root in (MODULE / "AnomalyDetectionLib", RESEARCH / "anomaly_research")
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert there == {path for path in carried if path.is_file()}
    assert {path.parent.name for path in there} >= {"cohort", "templates"}
    resources = {path.name for path in (MODULE / "Resources").iterdir() if path.is_dir()}
    in_wheel = {
        pattern.partition("/")[0] for pattern in setuptools["package-data"]["AnomalyDetectionLib.resources"]
    }
    assert resources == in_wheel | {"Icons", "UI"}, "the module's own, which is no part of the wheel"


def test_the_licence_is_apache_2():
    text = (REPOSITORY / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_no_place_on_a_developers_machine_is_named():
    places = re.compile(r"/(?:work|home|root|Users)/[\w.]")
    found = []
    for path in files_of_the_repository():
        if path.suffix in TEXT:
            try:
                text = path.read_text("utf-8")
            except UnicodeDecodeError:
                continue
            found += [f"{path.relative_to(REPOSITORY)}: {match[0]}" for match in places.finditer(text)]
    found = [line for line in found if not line.startswith("Testing/test_the_house.py")]
    assert not found


def imports(names: str, *, inside: bool) -> re.Pattern[str]:
    """Matches an import of one of the names; `inside`: of functions as well."""
    return re.compile(rf"^{'[ ]*' if inside else ''}(?:import|from) (?:{names})\b", re.MULTILINE)


def library_files(*, in_folders: tuple[str, ...] = (), outside: tuple[str, ...] = ()):
    library = MODULE / "AnomalyDetectionLib"
    for path in sorted(library.rglob("*.py")):
        folder = path.relative_to(library).parts[0]
        if (not in_folders or folder in in_folders) and folder not in outside:
            yield path


def test_the_engine_knows_nothing_of_slicer():
    pattern = imports("slicer|qt|ctk|vtk", inside=True)
    guilty = [
        p.name for p in library_files(outside=("scene", "panel")) if pattern.search(p.read_text("utf-8"))
    ]
    assert not guilty


def test_the_bridge_to_the_scene_knows_nothing_of_the_application():
    pattern = re.compile(
        rf"{imports('qt|ctk', inside=True).pattern}|slicer\.(?:app|modules|mrmlScene)\b", re.MULTILINE
    )
    guilty = [p.name for p in library_files(in_folders=("scene",)) if _code_matches(p, pattern)]
    assert not guilty


def test_what_slicer_may_lack_is_not_imported_when_the_module_is_opened():
    heavy = imports("torch|deepbet|jinja2|nibabel|matplotlib|PIL|click|tqdm|safetensors", inside=False)
    guilty = [
        p.name for p in library_files(in_folders=("scene", "panel")) if heavy.search(p.read_text("utf-8"))
    ]
    assert not guilty


def test_what_the_command_line_alone_has_is_imported_nowhere_else():
    """The first run in Slicer fetches neither."""
    pattern = imports("matplotlib|tqdm", inside=True)
    users = {
        path.relative_to(MODULE).as_posix()
        for path in MODULE.rglob("*.py")
        if pattern.search(path.read_text("utf-8"))
    }
    library = "AnomalyDetectionLib"
    assert users == {f"{library}/cohort/group_figures.py", f"{library}/commands/progress.py"}


def _code_matches(path, pattern):
    """Whether the pattern is in the file's code; what docstrings and comments tell of Slicer does not count."""
    text = re.sub(r'""".*?"""|#[^\n]*', "", path.read_text("utf-8"), flags=re.DOTALL)
    return pattern.search(text)


def test_folders_import_only_those_before_them():
    library = MODULE / "AnomalyDetectionLib"
    wrong = []
    for place, folder in enumerate(FOLDERS):
        within = library / folder
        for path in within.rglob("*.py"):
            dots = r"\." * (1 + len(path.relative_to(within).parts))  # a folder deeper, one dot more
            imported = re.findall(rf"^\s*from {dots}(\w+)", path.read_text("utf-8"), re.MULTILINE)
            allowed = {*FOLDERS[: place + 1], "errors", "grid"}
            wrong += [f"{folder}/{path.name} imports {name}" for name in imported if name not in allowed]
    assert not wrong
    assert {path.parent.name for path in library.glob("*/__init__.py")} == {*FOLDERS}


def test_the_engine_knows_nothing_of_research():
    guilty = [p.name for p in MODULE.rglob("*.py") if "anomaly_research" in p.read_text("utf-8")]
    assert not guilty


def test_nothing_is_pickled():
    pattern = re.compile(r"^\s*(?:import|from) pickle\b|torch\.load\(|allow_pickle=True", re.MULTILINE)
    guilty = [
        path.name
        for path in (*(MODULE / "AnomalyDetectionLib").rglob("*.py"), *RESEARCH.rglob("*.py"))
        if pattern.search(path.read_text("utf-8"))
    ]
    assert not guilty


@pytest.mark.parametrize(
    "target", ["demo", "test", "test-all", "lint", "constraints", "reproduce", "bench", "clean"]
)
def test_make_help_names_the_target(target):
    page = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert f"make {target} " in page


def test_every_document_that_the_code_cites_is_there_with_the_section_it_cites():
    cited = re.compile(r'([\w/.]*\w\.md)(?:, ("[^"]+"(?: and "[^"]+")*))?')
    missing, count = [], 0
    for path in (*MODULE.rglob("*.py"), *RESEARCH.rglob("*.py"), *(REPOSITORY / "Testing").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        texts = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]
        texts += [
            line for line in path.read_text("utf-8").splitlines() if line.lstrip().startswith(('"""', "#"))
        ]
        for name, sections in {
            found
            for text in texts
            for found in cited.findall(text)
            if "docs/" in found[0] or "METHOD" in found[0]
        }:
            document, count = REPOSITORY / name, count + 1
            headings = (
                re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.M) if document.is_file() else None
            )
            wanted = re.findall(r'"([^"]+)"', sections)
            if headings is None or not {*wanted} <= {*headings}:
                missing.append(f"{path.name}: {name} {sections}")
    assert not missing
    assert count > 8
