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
    *(".git", ".venv", ".venv-bench", ".snakemake", ".hypothesis", "__pycache__", "build", "dist", "runs"),
    *("demo-output", "bench-output", "fuzz-output", "reproduce-output"),
}
TEXT = {
    *(".py", ".md", ".html", ".css", ".txt", ".toml", ".json", ".csv", ".ui", ".cmake", ".yml", ".yaml"),
    *(".cfg", ""),
}


def files_of_the_repository():
    """All files but what is made: environments, results, caches."""
    for folder, folders, names in os.walk(REPOSITORY):
        folders[:] = sorted(name for name in folders if not is_made(name))
        yield from (Path(folder) / name for name in sorted(names) if not is_made(name))


def is_made(name):
    return name in SKIPPED or name.endswith((".egg-info", "_cache"))


def test_every_package_is_in_the_wheel():
    text = (REPOSITORY / "pyproject.toml").read_text("utf-8")
    packages = re.search(r"^packages = \[(.*?)\]", text, re.M | re.S)
    there = {
        ".".join(path.parent.relative_to(root).parts)
        for root in (MODULE, RESEARCH)
        for path in root.rglob("__init__.py")
    }
    assert packages
    there |= {"AnomalyDetectionLib.resources", "AnomalyDetectionLib.constraints"}
    assert set(re.findall(r'"([\w.]+)"', packages[1])) == there


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
    for words in ("Apache License", "Version 2.0, January 2004", "END OF TERMS AND CONDITIONS"):
        assert words in text


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


def imports(names: str) -> str:
    """Matches an import of one of the names at the top of a file."""
    return rf"^(?:import|from) (?:{names})\b"


def anywhere(names: str) -> str:
    """Also one within a function."""
    return rf"^ *(?:import|from) (?:{names})\b"


def code_of(path: Path) -> str:
    """Without what docstrings and comments tell of."""
    return re.sub(r'""".*?"""|#[^\n]*', "", path.read_text("utf-8"), flags=re.DOTALL)


LIBRARY = MODULE / "AnomalyDetectionLib"
HEAVY = "torch|deepbet|jinja2|nibabel|matplotlib|PIL|click|tqdm|safetensors"
BRIDGE, PANEL = ({*(LIBRARY / folder).rglob("*.py")} for folder in ("scene", "panel"))
FORBIDDEN = {
    "the engine knows nothing of Slicer": (
        {*LIBRARY.rglob("*.py")} - BRIDGE - PANEL,
        anywhere("slicer|qt|ctk|vtk"),
    ),
    "the bridge to the scene knows nothing of the application": (
        BRIDGE,
        rf"{anywhere('qt|ctk')}|slicer\.(?:app|modules|mrmlScene)\b",
    ),
    "what Slicer may lack is not imported when the module is opened": (BRIDGE | PANEL, imports(HEAVY)),
}


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_what_is_not_imported(rule):
    files, pattern = FORBIDDEN[rule]
    texts = {path: code_of(path) if files is BRIDGE else path.read_text("utf-8") for path in files}
    assert len(texts) > 5
    assert not [path.name for path, text in texts.items() if re.search(pattern, text, re.MULTILINE)]


def test_the_engine_knows_nothing_of_research():
    assert not [path.name for path in MODULE.rglob("*.py") if "anomaly_research" in path.read_text("utf-8")]


def test_nothing_is_pickled():
    pattern = re.compile(r"^\s*(?:import|from) pickle\b|torch\.load\(|allow_pickle=True", re.MULTILINE)
    files = (*LIBRARY.rglob("*.py"), *RESEARCH.rglob("*.py"))
    assert not [path.name for path in files if pattern.search(path.read_text("utf-8"))]


def test_what_the_command_line_alone_has_is_imported_nowhere_else():
    """The first run in Slicer fetches neither."""
    pattern = re.compile(anywhere("matplotlib|tqdm"), re.MULTILINE)
    users = {path for path in MODULE.rglob("*.py") if pattern.search(path.read_text("utf-8"))}
    assert users == {LIBRARY / "cohort" / "group_figures.py", LIBRARY / "commands" / "progress.py"}


def test_folders_import_only_those_before_them():
    wrong = []
    for place, folder in enumerate(FOLDERS):
        within = LIBRARY / folder
        for path in within.rglob("*.py"):
            dots = r"\." * (1 + len(path.relative_to(within).parts))  # a folder deeper, one dot more
            imported = re.findall(rf"^\s*from {dots}(\w+)", path.read_text("utf-8"), re.MULTILINE)
            allowed = {*FOLDERS[: place + 1], "errors", "grid"}
            wrong += [f"{folder}/{path.name} imports {name}" for name in imported if name not in allowed]
    assert not wrong
    assert {path.parent.name for path in LIBRARY.glob("*/__init__.py")} == {*FOLDERS}


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
        text = path.read_text("utf-8")
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds))
        texts = [ast.get_docstring(node) or "" for node in nodes]
        texts += [line for line in text.splitlines() if line.lstrip().startswith(('"""', "#"))]
        for name, sections in {found for text in texts for found in cited.findall(text)}:
            if "docs/" not in name and "METHOD" not in name:
                continue
            document, count = REPOSITORY / name, count + 1
            content = document.read_text("utf-8") if document.is_file() else ""
            headings = re.findall(r"^#+ (.*)$", content, re.M)
            if not content or not {*re.findall(r'"([^"]+)"', sections)} <= {*headings}:
                missing.append(f"{path.name}: {name} {sections}")
    assert not missing
    assert count > 8
