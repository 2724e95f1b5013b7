"""The first run: which Python packages the engine needs beyond Slicer's own, and how they get there.

Nothing is imported, asked or installed before somebody clicks Detect anomalies. torch comes through the PyTorch
extension alone, which knows the build that fits the computer. deepbet is installed without what it declares: the
weights in its wheel are read, and nothing of it is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import re
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata

from slicer.i18n import tr as _

from ..errors import InputError

REQUESTER = "AnomalyDetection"


@dataclass(frozen=True)
class Package:
    """What the engine needs.

    Attributes:
        name: on PyPI.
        at_least: version.
        exactly: whether no later version will do.
        size_mb: of the download with what it needs itself and Slicer lacks, about (Linux, Python 3.12, measured in
            November 2026).
        compiled: whether its wheel is one of this Python and platform.
    """

    name: str
    at_least: str
    size_mb: float
    compiled: bool = False
    exactly: bool = False

    @property
    def requirement(self) -> str:
        """As pip wants it."""
        return f"{self.name}{'==' if self.exactly else '>='}{self.at_least}"


TORCH = Package("torch", "2.2", 200, compiled=True)
TORCH_WITH_GPU_GB = 2.5
DEEPBET = Package("deepbet", "1.0.2", 10.3, exactly=True)
OTHERS = (
    Package("click", "8.1", 0.1),
    Package("highdicom", "0.27", 1.1),  # Slicer 5.12 has it, pillow, pydicom and pyjpegls
    Package("jinja2", "3.1", 0.2),  # torch brings it
    Package("nibabel", "5", 3.3),
    Package("pillow", "10", 7.1, compiled=True),
    Package("pydicom", "3.0.1", 2.4),
    Package("safetensors", "0.5", 0.5, compiled=True),
    Package("pyjpegls", "1.3", 2.7, compiled=True),  # imported by highdicom
)
PACKAGES = (TORCH, *OTHERS, DEEPBET)
"""All but numpy, scipy and SimpleITK: those come with Slicer and are never touched.

matplotlib and tqdm are for the command line alone: figures of a group, and the progress bar.
"""


class InstallationError(InputError):
    """The packages could not be installed.

    Attributes:
        instructions: how to do it by hand, without a network on this computer; several lines.
    """

    def __init__(self, sentence: str, instructions: str) -> None:
        super().__init__(sentence)
        self.instructions = instructions


def missing_requirements() -> list[str]:
    """What is not installed or too old, as pip wants it; empty: the engine can run. Takes milliseconds."""
    return [package.requirement for package in PACKAGES if not _is_there(package)]


def explain(missing: Sequence[str]) -> str:
    """In plain words what is to be downloaded, from where, and how much; ends with the question."""
    packages = _packages(missing)
    lines = [_("The first detection needs Python packages that are not in this Slicer yet:"), ""]
    if TORCH in packages:
        lines.append(
            _("- torch, which computes the network: about {mb} MB, with an NVIDIA GPU about {gb} GB").format(
                mb=TORCH.size_mb, gb=TORCH_WITH_GPU_GB
            )
        )
    others = [package for package in packages if package is not TORCH]
    if others:
        size = max(1, round(sum(package.size_mb for package in others)))
        names = ", ".join(package.name for package in others)
        lines.append(_("- {names}: about {mb} MB together").format(names=names, mb=size))
    where = _("pypi.org and pytorch.org") if TORCH in packages else "pypi.org"
    time = _("some minutes") if TORCH in packages else _("a minute or two")
    lines += [
        "",
        _(
            "They are downloaded once, from {where}, and kept in this Slicer. No image leaves this computer. It"
            " takes {time}, and Slicer waits for it."
        ).format(where=where, time=time),
        "",
        _("Download and install them now?"),
    ]
    return "\n".join(lines)


def install(missing: Sequence[str], *, ask: Callable[[str], bool], progress: Callable[[str], None]) -> bool:
    """Install what is missing, after having asked once.

    `ask`: shows a text and returns whether the user agrees. Returns whether the engine can run now; False if
    the user did not agree, or Slicer is being tested. Raises an InputError if torch is missing, and so is the
    PyTorch extension. Raises an InstallationError if it did not work; its `instructions` say how it does.
    """
    import slicer

    packages = _packages(missing)
    if not packages:
        return True
    if TORCH in packages and not _can_import("PyTorchUtils"):
        text = _(
            "The extension PyTorch is needed and not installed: open View > Extensions Manager, install PyTorch,"
            " restart Slicer, and click Detect anomalies again."
        )
        raise InputError(text)
    if slicer.app.testingEnabled():
        progress(_("Slicer is being tested: nothing is installed."))
        return False
    if not ask(explain(missing)):
        return False
    printed = _Printed()
    try:
        with contextlib.redirect_stdout(printed):
            _install_all(packages, progress)
    # pip, the network, a proxy, a full disk: whatever it was, the way out is the same.
    except Exception as error:
        raise _failure(_reason(error, printed.getvalue())) from error
    importlib.invalidate_caches()
    left = missing_requirements()
    if left:
        raise _failure(
            _("{names} is still missing, perhaps until Slicer is started again").format(
                names=", ".join(_names(left))
            )
        )
    return True


def by_hand(missing: Sequence[str]) -> str:
    """How to install packages on a computer without a network: which wheels, where to put them, which commands."""
    packages = _packages(missing)
    plain = " ".join(f'"{package.requirement}"' for package in packages if package in OTHERS)
    version, platforms = sys.version_info, _pip_platforms()
    python = f"--python-version {version.major}.{version.minor}"
    target = " ".join(["--only-binary=:all:", python, *(f"--platform {platform}" for platform in platforms)])
    index = "" if sys.platform == "darwin" else "--index-url https://download.pytorch.org/whl/cpu "
    steps = [  # an option for the download alone, one for both, and what
        (index, "", f'"{TORCH.requirement}"' if TORCH in packages else ""),
        ("", "", plain),
        ("", "--no-deps ", f'"{DEEPBET.requirement}"' if DEEPBET in packages else ""),
    ]
    local = f'"{_python_slicer()}" -m pip install --no-index --find-links wheels'
    fetch = [f"python -m pip download --dest wheels {target} {a}{b}{what}" for a, b, what in steps if what]
    put = [f"{local} {b}{what}" for _a, b, what in steps if what]
    tag = f"cp{version.major}{version.minor}"
    wheels = [
        f"{package.name.replace('-', '_')}-*-{f'{tag}-*' if package.compiled else 'py3-none-any'}.whl"
        + (f"  ({platforms[0]})" if package.compiled else "")
        for package in packages
    ]
    gpu = _("For an NVIDIA GPU put cu126 in the place of cpu in the address.")
    return "\n".join(
        [
            _("To install without a network here, on another computer with Python and a network:"),
            "",
            *(f"    {line}" for line in fetch),
            "",
            *([gpu, ""] if TORCH in packages and sys.platform != "darwin" else []),
            _('That fills the folder "wheels" with these, and with what they need themselves:'),
            "",
            *(f"    {line}" for line in wheels),
            "",
            _('Bring the folder "wheels" here, open a terminal in the folder that holds it, and run:'),
            "",
            *(f"    {line}" for line in put),
            "",
            _("Then start Slicer again."),
        ]
    )


def _is_there(package: Package) -> bool:
    try:
        # None: an installation that was interrupted has left a record without a version
        there, wanted = _version(metadata.version(package.name) or ""), _version(package.at_least)
    except (metadata.PackageNotFoundError, KeyError):
        return False
    return there == wanted if package.exactly else there >= wanted


def _version(text: str) -> tuple[int, ...]:
    """Of "2.13.0+cpu": (2, 13, 0)."""
    release = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in release[0].split(".")) if release else ()


def _packages(requirements: Sequence[str]) -> list[Package]:
    names = set(_names(requirements))
    return [package for package in PACKAGES if package.name in names]


def _names(requirements: Sequence[str]) -> list[str]:
    return [re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0] for requirement in requirements]


def _install_all(packages: Sequence[Package], progress: Callable[[str], None]) -> None:
    if TORCH in packages:
        progress(_("Installing torch (the largest part, some minutes) ..."))
        _install_torch()
    others = [package.requirement for package in packages if package in OTHERS]
    if others:
        progress(_("Installing {names} ...").format(names=", ".join(_names(others))))
        _install(others)
    if DEEPBET in packages:
        progress(_("Installing deepbet ..."))
        _install([DEEPBET.requirement], alone=True)


def _install_torch() -> None:
    import PyTorchUtils

    logic = PyTorchUtils.PyTorchUtilsLogic()
    if logic.installTorch(askConfirmation=False, torchVersionRequirement=f">={TORCH.at_least}") is None:
        raise RuntimeError(_("the PyTorch extension did not install torch"))


def _install(requirements: list[str], *, alone: bool = False) -> None:
    """With what they need, or alone; Slicer 5.12 shows its own progress and says when to start it again."""
    import slicer

    arguments = ["--no-deps", *requirements] if alone else requirements
    if not _can_import("slicer.packaging"):  # since 5.12
        slicer.util.pip_install(arguments)
        return
    from slicer import packaging

    if alone:
        packaging.pip_install(arguments, requester=REQUESTER)
    else:
        packaging.pip_ensure(arguments, requester=REQUESTER, prompt_install=False)


def _can_import(name: str) -> bool:
    return name in sys.modules or importlib.util.find_spec(name) is not None


class _Printed(io.StringIO):
    """Standard output that goes on to where it went, and is kept.

    Slicer prints there what pip says; its exceptions know the exit code alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._console = sys.stdout

    def write(self, text: str) -> int:
        self._console.write(text)
        return super().write(text)


def _reason(error: Exception, printed: str) -> str:
    """What pip itself says, where it was pip that failed: its last line about an error; else the error's own words."""
    errors = [line.partition("ERROR:")[2].strip() for line in printed.splitlines() if "ERROR:" in line]
    return next((line for line in reversed(errors) if line), str(error))


def _failure(reason: str) -> InstallationError:
    sentence = _("The packages could not be installed ({reason}): {remedy}.").format(
        reason=reason.strip().splitlines()[-1] if reason.strip() else _("no reason given"),
        remedy=_remedy(reason),
    )
    return InstallationError(sentence, by_hand(missing_requirements()))


def _remedy(reason: str) -> str:
    """What to do about it, by the error numbers of the system, as its words are in the user's language."""
    if re.search(r"Errno (28|122)\b|WinError 112\b", reason):
        return _(
            "free some space on the disks of Slicer and of temporary files, and click Detect anomalies again"
        )
    if re.search(r"Errno (1|13|30)\b|WinError (5|32)\b", reason):
        return _(
            "Slicer's folder {folder} cannot be written. Close other Slicers and start this one once as an administrator,"
            " or install Slicer into a folder of your own, and click Detect anomalies again"
        ).format(folder=sys.prefix)
    return _(
        "look at the network or the proxy and click Detect anomalies again, or install them by hand as Details says"
    )


def _pip_platforms() -> list[str]:
    """This computer's platform in the words of pip."""
    platform = sysconfig.get_platform()
    if platform.startswith("linux-"):
        machine = platform.removeprefix("linux-")
        return [f"manylinux_2_28_{machine}", f"manylinux2014_{machine}"]
    if platform.startswith("macosx-"):
        machine = platform.rpartition("-")[2]
        return [f"macosx_12_0_{machine}", f"macosx_11_0_{machine}"]
    return [re.sub(r"[-.]", "_", platform)]


def _python_slicer() -> str:
    from .slicer_python import python_command

    try:
        return python_command()[0]
    except InputError:
        return "PythonSlicer"
