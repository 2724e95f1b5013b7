"""What is missing, how it is said, and how it is installed: with stand-ins for everything that would download."""

# ruff: noqa: N802, N803 (Slicer's names)
from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import metadata
from types import ModuleType
from typing import Any

import pytest
import slicer
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.panel import first_run, slicer_python
from conftest import REPOSITORY

SLICERS_OWN = {"numpy", "scipy", "SimpleITK"}
BROUGHT_BY_5_12 = {"highdicom", "pillow", "pydicom", "pyjpegls"}
FOR_THE_COMMAND_LINE = {"matplotlib", "tqdm"}


@dataclass
class Installers:
    """What was asked of the installers, in order; what they are told to do wrong."""

    calls: list[tuple[str, Any]] = field(default_factory=list)
    installed: set[str] = field(default_factory=set)
    error: Exception | None = None

    def take(self, how: str, requirements: Any) -> None:
        self.calls.append((how, requirements))
        if self.error is not None:
            raise self.error
        self.installed |= {re.split("[<>=]", name)[0] for name in requirements if not name.startswith("-")}


@pytest.fixture
def installers(a_slicer_application, monkeypatch):
    """A Slicer 5.12 with the PyTorch extension and none of the engine's packages."""
    made = Installers()
    torch_utils, packaging = ModuleType("PyTorchUtils"), ModuleType("slicer.packaging")

    class Logic:
        def installTorch(
            self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None
        ):
            assert askConfirmation is False
            made.take("PyTorch", [f"torch{torchVersionRequirement}"])
            return "torch"

    def pip_ensure(requirements, requester=None, prompt_install=True):
        assert (requester, prompt_install) == ("AnomalyDetection", False)
        made.take("pip_ensure", requirements)

    def pip_install(requirements, requester=None):
        made.take("pip_install", requirements)

    torch_utils.PyTorchUtilsLogic = Logic
    packaging.pip_ensure, packaging.pip_install = pip_ensure, pip_install
    monkeypatch.setitem(sys.modules, "PyTorchUtils", torch_utils)
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    monkeypatch.setattr(slicer, "packaging", packaging, raising=False)
    monkeypatch.setattr(first_run, "_is_there", lambda package: package.name in made.installed)
    return made


def install(missing, answer=True):
    """Returns whether it is installed, what was asked, and what was said meanwhile."""
    asked, said = [], []

    def ask(text):
        asked.append(text)
        return answer

    return first_run.install(missing, ask=ask, progress=said.append), asked, said


def names(requirements):
    return [re.split("[<>=]", requirement)[0] for requirement in requirements]


def test_the_list_is_that_of_the_package_less_what_slicer_has_and_does_not_need(a_slicer_application):
    text = (REPOSITORY / "pyproject.toml").read_text("utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    left_out = SLICERS_OWN | FOR_THE_COMMAND_LINE
    declared = {line for line in re.findall(r'"(.+?)"', block[1]) if names([line])[0] not in left_out}
    listed = {package.requirement for package in first_run.PACKAGES}
    assert declared <= listed
    assert set(names(listed - declared)) == {"pyjpegls"}


def test_slicer_5_12_fetches_at_most_five_packages_of_30_mb_beside_torch(installers):
    installers.installed |= BROUGHT_BY_5_12 | {"torch"}
    missing = first_run.missing_requirements()
    assert len(missing) <= 5
    together = re.search(r"about (\d+) MB together", first_run.explain(missing))
    assert together
    assert 10 <= int(together[1]) <= 30, "deepbet's weights alone are 10 MB"


def test_nothing_is_missing_where_the_engine_runs(a_slicer_application):
    assert first_run.missing_requirements() == []


def test_an_old_version_counts_as_missing(a_slicer_application, monkeypatch):
    versions = {"torch": "2.1.2+cpu", "pillow": "9.5"}
    real = metadata.version
    monkeypatch.setattr(first_run.metadata, "version", lambda name: versions.get(name) or real(name))
    assert first_run.missing_requirements() == ["torch>=2.2", "pillow>=10"]


@pytest.mark.parametrize("version", ["1.0.1", "1.0.3", "1.1"])
def test_a_deepbet_with_other_weights_counts_as_missing(a_slicer_application, monkeypatch, version):
    real = metadata.version
    monkeypatch.setattr(
        first_run.metadata, "version", lambda name: version if name == "deepbet" else real(name)
    )
    assert first_run.missing_requirements() == ["deepbet==1.0.2"]


def test_looking_imports_nothing_heavy():
    code = (
        "import sys, types; m = types.ModuleType('slicer'); i = types.ModuleType('slicer.i18n'); i.tr = str;"
        "sys.modules.update({'slicer': m, 'slicer.i18n': i});"
        "from AnomalyDetectionLib.panel.first_run import missing_requirements; missing_requirements();"
        "print([n for n in ('torch', 'deepbet', 'matplotlib', 'qt', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_question_says_what_where_from_and_how_much(installers):
    text = first_run.explain(first_run.missing_requirements())
    assert "200 MB" in text
    assert "2.5 GB" in text
    assert "deepbet" in text
    assert "pypi.org" in text
    assert "No image leaves this computer" in text
    assert text.endswith("?")
    assert "pytorch.org" in text
    small = first_run.explain(["deepbet==1.0.2"])
    assert "torch" not in small
    assert "pypi.org" in small


def test_all_is_installed_torch_first_and_by_its_extension(installers):
    done, asked, said = install(first_run.missing_requirements())
    assert done is True
    assert len(asked) == 1
    assert [how for how, _ in installers.calls] == ["PyTorch", "pip_ensure", "pip_install"]
    assert installers.calls[0][1] == ["torch>=2.2"]
    assert "torch" not in names(installers.calls[1][1])
    assert not SLICERS_OWN & set(names(installers.calls[1][1]))
    assert installers.calls[2][1] == ["--no-deps", "deepbet==1.0.2"]
    assert len(said) == 3


def test_only_what_is_missing_is_installed(installers):
    installers.installed |= {package.name for package in first_run.PACKAGES} - {"click"}
    done, _asked, _said = install(["click>=8.1"])
    assert done is True
    assert installers.calls == [("pip_ensure", ["click>=8.1"])]


def test_a_no_installs_nothing(installers):
    done, asked, _said = install(first_run.missing_requirements(), answer=False)
    assert done is False
    assert len(asked) == 1
    assert installers.calls == []


def test_without_the_pytorch_extension_it_is_named_and_nothing_is_asked(installers, monkeypatch):
    monkeypatch.delitem(sys.modules, "PyTorchUtils")
    with pytest.raises(InputError, match="Extensions Manager"):
        install(["torch>=2.2"])
    assert installers.calls == []


def test_a_slicer_under_test_installs_nothing_and_says_so(installers, a_slicer_application):
    a_slicer_application.app.testing = True
    done, asked, said = install(["click>=8.1"])
    assert done is False
    assert asked == []
    assert "tested" in said[0]
    assert installers.calls == []


def test_slicer_5_10_has_pip_install_alone(installers, monkeypatch):
    monkeypatch.delitem(sys.modules, "slicer.packaging")
    monkeypatch.delattr(slicer, "packaging")
    monkeypatch.setattr(slicer.util, "pip_install", lambda arguments: installers.take("util", arguments))
    done, _asked, _said = install(first_run.missing_requirements())
    assert done is True
    assert [how for how, _ in installers.calls] == ["PyTorch", "util", "util"]
    assert installers.calls[-1][1] == ["--no-deps", "deepbet==1.0.2"]


def test_a_failure_is_one_sentence_and_says_how_to_do_it_by_hand(installers):
    installers.error = subprocess.CalledProcessError(1, "pip install")
    with pytest.raises(first_run.InstallationError) as failure:
        install(first_run.missing_requirements())
    assert "\n" not in str(failure.value)
    assert "network" in str(failure.value)
    assert "--no-index --find-links wheels" in failure.value.instructions


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("[Errno 28] No space left on device", "free some space"),
        ("[WinError 112] Es steht nicht genug Speicherplatz zur Verfügung", "free some space"),
        ("[Errno 30] Read-only file system: '/opt/Slicer/lib'", "cannot be written"),
        ("[Errno 13] Keine Berechtigung: '/opt/Slicer/lib'", "cannot be written"),
        ("[WinError 5] Accès refusé: 'C:\\\\Program Files\\\\Slicer'", "cannot be written"),
        ("[Errno 111] Connection refused", "look at the network"),
    ],
)
def test_a_failure_says_what_to_do_about_its_cause(installers, reason, remedy):
    installers.error = OSError(f"Could not install packages due to an OSError: {reason}")
    with pytest.raises(first_run.InstallationError) as failure:
        install(first_run.missing_requirements())
    assert reason in str(failure.value)
    others = {"free some space", "cannot be written", "look at the network"} - {remedy}
    assert remedy in str(failure.value)
    assert not any(other in str(failure.value) for other in others)


@pytest.mark.parametrize("metadata_file", [None, ""])
def test_a_package_of_which_an_interrupted_installation_has_left_a_part_is_missing(
    a_slicer_application, tmp_path, monkeypatch, metadata_file
):
    """Its record is there, but the disk was full before a line of it was written."""
    record = tmp_path / "site" / "safetensors-0.5.dist-info"
    record.mkdir(parents=True)
    if metadata_file is not None:
        (record / "METADATA").write_text(metadata_file)
    monkeypatch.syspath_prepend(str(record.parent))
    assert first_run.missing_requirements() == ["safetensors>=0.5"]


@pytest.mark.parametrize("meanwhile", ["second click", "scene closed"])
def test_slicer_can_be_used_while_packages_are_installed(
    meanwhile, installers, sample, slicer_app, engine, tmp_path
):
    """Slicer lets events happen while pip runs."""
    engine("slow")
    installers.installed |= {package.name for package in first_run.PACKAGES} - {"click"}
    take = installers.take

    def install_and_do_something(how, requirements):
        assert not sample.ui.detectButton.enabled
        if meanwhile == "second click":
            sample.panel.detect.click()
        else:
            slicer_app.close_scene()
        take(how, requirements)

    installers.take = install_and_do_something
    sample.ui.detectButton.click()
    assert len(slicer_app.dialogs.texts) == 1
    assert len(installers.calls) == 1
    assert sample.panel.detect.running == (meanwhile == "second click")
    sample.ui.cancelButton.click()


def test_what_is_still_missing_afterwards_is_a_failure(installers, monkeypatch):
    monkeypatch.setattr(installers, "take", lambda how, requirements: None)
    installers.installed |= {package.name for package in first_run.PACKAGES} - {"click"}
    with pytest.raises(first_run.InstallationError, match="click is still missing"):
        install(["click>=8.1"])


@pytest.mark.parametrize(
    ("platform", "system", "wheels"),
    [
        ("linux-x86_64", "linux", "manylinux_2_28_x86_64"),
        ("win-amd64", "win32", "win_amd64"),
        ("macosx-11.0-arm64", "darwin", "macosx_12_0_arm64"),
    ],
)
def test_the_wheels_to_fetch_fit_this_python_and_platform(installers, monkeypatch, platform, system, wheels):
    # Python's own look-up of programs does not work any more once it takes itself to be on another system.
    monkeypatch.setattr(slicer_python, "python_command", lambda: ["PythonSlicer"])
    monkeypatch.setattr(first_run.sysconfig, "get_platform", lambda: platform)
    monkeypatch.setattr(first_run.sys, "platform", system)
    text = first_run.by_hand(first_run.missing_requirements())
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert f"--platform {wheels}" in text
    assert f"pillow-*-{tag}-*.whl  ({wheels})" in text
    assert "deepbet-*-py3-none-any.whl" in text
    assert '--no-deps "deepbet==1.0.2"' in text
    assert text.count("pip download") == text.count("pip install") == 3
    assert ("whl/cpu" in text) == (system != "darwin")
