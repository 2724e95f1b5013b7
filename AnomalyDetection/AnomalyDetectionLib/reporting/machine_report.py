"""One page about the machine: what a maintainer asks for first.

It must come out on a broken machine too, so every part is asked for by itself, and what fails is said.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from .. import __version__
from ..files.file_hash import sha256_of

PACKAGES = (
    *("torch", "numpy", "scipy", "SimpleITK", "pydicom", "highdicom", "pyjpegls", "deepbet", "nibabel"),
    *("safetensors", "jinja2", "pillow", "click"),
)
"""What every run goes through: what pyproject.toml asks for, and what that asks for without naming a version."""
OPTIONAL_PACKAGES = ("matplotlib", "tqdm", "nilearn", "lightning-fabric", "snakemake")


def examination() -> str:
    """The page, as lines of "what: value"."""
    parts: tuple[tuple[str, Callable[[], Iterator[str]]], ...] = (
        ("Machine", _machine),
        ("Python", _python),
        ("Packages", _packages),
        ("Devices", _devices),
        ("Models", _models),
        ("Disk", _disk),
    )
    lines = [f"AnomalyDetection {__version__}, research use only"]
    for heading, part in parts:
        lines += ["", heading]
        try:
            lines += [f"  {line}" for line in part()]
        except Exception as error:  # the page is for exactly this case
            lines.append(f"  cannot be said: {type(error).__name__}: {error}")
    return "\n".join(lines)


def _machine() -> Iterator[str]:
    yield f"system: {platform.platform()}"
    yield f"processor: {_processor()}"
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield f"cores: {os.cpu_count()}, usable by this process: {usable}"
    yield f"memory: {_memory()}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return "not known on this system"
    page = os.sysconf("SC_PAGE_SIZE") / 2**30
    total = os.sysconf("SC_PHYS_PAGES") * page
    if "SC_AVPHYS_PAGES" not in os.sysconf_names:
        return f"{total:.1f} GiB"
    return f"{total:.1f} GiB, free right now: {os.sysconf('SC_AVPHYS_PAGES') * page:.1f} GiB"


def _python() -> Iterator[str]:
    yield f"version: {platform.python_version()} ({platform.python_implementation()}, {platform.machine()})"
    yield f"program: {sys.executable}"
    yield f"library: {Path(__file__).resolve().parents[1]}"


def _packages() -> Iterator[str]:
    tested = tested_versions()
    for name in PACKAGES + OPTIONAL_PACKAGES:
        try:
            here = metadata.version(name)
        except metadata.PackageNotFoundError:
            here = "not installed" + (" (optional)" if name in OPTIONAL_PACKAGES else "")
        known = tested.get(name.lower())
        yield f"{name}: {here}" + (f", tested with {known}" if known else "")


def tested_versions() -> dict[str, str]:
    """The versions that the tests ran on, by name in small letters; empty in Slicer, which brings others."""
    library = Path(__file__).resolve().parents[1]
    for place in (library, library.parents[1]):  # in a wheel, in the repository
        with contextlib.suppress(OSError):
            lines = (place / "constraints" / "tested.txt").read_text("utf-8").splitlines()
            pins = (line.partition("==") for line in lines if not line.startswith("#"))
            return {name.lower(): version for name, _, version in pins}
    return {}


def _devices() -> Iterator[str]:
    import torch

    yield f"cpu: {torch.get_num_threads()} threads"
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(index)
        yield f"cuda:{index}: {properties.name}, {properties.total_memory / 2**30:.1f} GiB"
    if not torch.cuda.is_available():
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without it"
        yield f"cuda: none (torch is built {built})"
    yield f"mps: {'yes' if torch.backends.mps.is_available() else 'none'}"


def _models() -> Iterator[str]:
    from ..model.model_file import DEFAULT_MODEL, bundled_models, load_model

    paths = bundled_models()
    if not paths:
        yield "none ships with this installation"
    for path in paths:
        digest = sha256_of(path)
        try:
            model = load_model(str(path))
            default = ", the default" if path.stem == DEFAULT_MODEL else ""
            yield f"{model.name}: loads (kind {model.kind}{default}), sha256 {digest}"
        except Exception as error:
            yield f"{path.name}: does not load ({error}), sha256 {digest}"


def _disk() -> Iterator[str]:
    for name, folder in (("temporary folder", Path(tempfile.gettempdir())), ("current folder", Path.cwd())):
        yield f"{name}: {shutil.disk_usage(folder).free / 2**30:.1f} GiB free in {folder}"
