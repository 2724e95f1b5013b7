"""Check the (untrusted) text headers of NRRD and MetaImage files before ITK reads them.

ITK opens any data file that a header names, and aborts the process on some invalid numbers. What
is checked here is what a volume needs; ITK reads the rest.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError

MOST_VOXELS = 500_000_000  # A brain at 0.25 mm
LONGEST = 1 << 20  # Headers end within so many bytes
_MOST_AXES = 5  # formats allow more, brain scans do not have them
_MOST_CHANNELS = 100

_META, _NRRD = (".mhd", ".mha"), (".nhdr", ".nrrd")

_LINE = re.compile(rb"\r\n|\r|\n")
_DATA_FILE = re.compile(
    rb"(?:ElementDataFile[ \t]*[=:]|(?:^|[\r\n])[ \t]*data ?file[ \t]*:)([^\r\n]*)", re.IGNORECASE
)

#: In a MetaImage file, how many numbers a field has: for each axis, or for each pair of them.
_EACH_AXIS = ("DimSize", "ElementSpacing", "ElementSize", "Offset", "Position", "Origin", "CenterOfRotation")
_EACH_PAIR = ("TransformMatrix", "Rotation", "Orientation")
_ANATOMICAL = re.compile(r"(left|right)-(anterior|posterior)-superior|[LR][AP]S", re.IGNORECASE)
_ELEMENT_BYTES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}
_ELEMENT = re.compile(r"MET_U?(CHAR|SHORT|INT|LONG|LONG_LONG|FLOAT|DOUBLE)(_ARRAY)?")


def check_header(path: Path, *, role: str, shown: Path | None = None) -> None:
    """Make sure that the header of a NRRD or MetaImage file makes sense and names no file but one beside it.

    `shown`: the file's name for messages, where it is a copy. Raises InputError where it does not: it is
    damaged, hostile, or of a kind that no scan of a brain has. Raises OSError where it cannot be read."""
    if path.suffix.lower() not in _META + _NRRD:
        return
    shown = shown or path
    for name in data_files(path):
        if re.search(r"%\d*d", name) or name.upper().startswith("LIST"):
            raise InputError(
                f"The voxels of the {role} {shown} are spread over several files: convert it to a single one."
            )
        parts = re.split(r"[/\\]", name)
        if parts[0] == "" or ".." in parts or ":" in name or not _is_beside(path, name):
            raise InputError(
                f"The {role} {shown} names a file for its voxels that is missing or not in its own folder ({name[:100]}): put "
                "both into one folder, and the name alone into the header."
            )
    length = sum(file.stat().st_size for file in (path, *(path.parent / name for name in data_files(path))))
    try:
        if path.suffix.lower() in _META:
            _check_meta(list(_of_meta(_beginning(path))), length)
        else:
            _check_nrrd(list(_of_nrrd(_beginning(path))), length)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"The {role} {shown} is damaged or incomplete: copy or download it again."
        ) from error


def _is_beside(path: Path, name: str) -> bool:
    """Whether a file is in a header's folder or one in it, and no link that leads out of it."""
    try:
        file = (path.parent / name).resolve()
        return file.is_file() and file.is_relative_to(path.parent.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, characters that no name has
        return False


def data_files(path: Path) -> list[str]:
    """What the header of a file says of others that hold the voxels; nothing where it holds them itself.

    Looked for everywhere, for readers do not agree on where a line or a header ends.
    """
    if path.suffix.lower() not in _META + _NRRD:
        return []
    content = _beginning(path)
    lower = content.lower()
    if b"datafile" not in lower and b"data file" not in lower:  # much faster than the pattern
        return []
    found = (name.decode("utf-8", "replace").strip() for name in _DATA_FILE.findall(content))
    return [name for name in found if name.upper() != "LOCAL"]


def lacking(path: Path) -> tuple[str, bool]:
    """Why a header that `check_header` let through does not say how the head lies ("" if it does), and whether it says how large
    its voxels are."""
    if path.suffix.lower() in _NRRD:
        fields = {key.replace(" ", "").lower(): value for key, value in _of_nrrd(_beginning(path))}
        space = fields.get("space", "")
        why = (
            "" if _ANATOMICAL.match(space) else f"its space is {space[:40]}" if space else "it names no space"
        )
        directions = "spacedirections" in fields
        return why or ("" if directions else "it has no directions"), directions or "spacings" in fields
    keys = {key for key, _ in _of_meta(_beginning(path))}
    return "" if keys & set(_EACH_PAIR) else "it has no matrix", bool(
        keys & {"ElementSpacing", "ElementSize"}
    )


def bytes_of_voxels(path: Path) -> tuple[int, int]:
    """How many bytes the voxels take by what a header says that `check_header` let through: at least and at most."""
    if path.suffix.lower() in _NRRD:
        fields = {key.replace(" ", "").lower(): value for key, value in _of_nrrd(_beginning(path))}
        count = math.prod(int(size) for size in fields["sizes"].split())
        return count, 8 * count
    fields = dict(_of_meta(_beginning(path)))
    count = math.prod(int(size) for size in fields["DimSize"].split())
    kind = fields.get("ElementType", "").removeprefix("MET_").removeprefix("U").removesuffix("_ARRAY")
    length = count * int(fields.get("ElementNumberOfChannels", 1)) * _ELEMENT_BYTES.get(kind, 1)
    return length, length


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LONGEST)


def _lines(content: bytes) -> Iterator[bytes]:
    """One line after another, without the ends of lines; voxels that follow are not split."""
    start = 0
    while (end := _LINE.search(content, start)) is not None:
        yield content[start : end.start()]
        start = end.end()
    yield content[start:]


def _of_meta(content: bytes) -> Iterator[tuple[str, str]]:
    for line in _lines(content):
        key, _, value = re.sub(rb"[=:]", b"=", line, count=1).decode("utf-8", "replace").partition("=")
        yield key.strip(), value.strip()
        if key.strip() == "ElementDataFile":  # the voxels follow
            return


def _of_nrrd(content: bytes) -> Iterator[tuple[str, str]]:
    for line in itertools.islice(_lines(content), 1, None):
        if not line:  # the voxels follow
            return
        key, separator, value = line.decode("utf-8", "replace").partition(":")
        if separator and not value.startswith("="):  # else it is a key of the user's
            yield key.strip(), value.strip()
    if len(content) == LONGEST:
        raise ValueError("a header without an end")


def _check_meta(fields: list[tuple[str, str]], length: int) -> None:
    """Raise ValueError at what makes no sense; a field may come twice, and each has to."""
    dimension = _dimension(fields, "NDims", 2)
    sized = False
    for key, value in fields:
        if key in _EACH_AXIS or key in _EACH_PAIR:
            count = dimension if key in _EACH_AXIS else dimension**2
            numbers = [float(number) for number in value.split()]
            if len(numbers) != count or not all(map(math.isfinite, numbers)):
                raise ValueError(f"{key} has not {count} numbers")
        if key == "DimSize":
            _check_sizes(value.split(), dimension)
            sized = True
        elif key == "ElementNumberOfChannels":
            _whole(value, 1, _MOST_CHANNELS)
        elif key == "HeaderSize":
            _whole(value, -1, length)
        elif key == "CompressedDataSize":
            _whole(value, 0, length)
        elif key == "ElementType" and not _ELEMENT.fullmatch(value):
            raise ValueError("an unknown type of voxels")
    if not sized or not fields or fields[-1][0] != "ElementDataFile":
        raise ValueError("no sizes, or no voxels")


def _check_nrrd(fields: list[tuple[str, str]], length: int) -> None:
    """The same for NRRD, whose field names are written in either case, with or without spaces."""
    named = [(key.replace(" ", "").lower(), value) for key, value in fields]
    dimension = _dimension(named, "dimension", 1)
    for key, value in named:
        if key == "sizes":
            _check_sizes(value.split(), dimension)
        elif key == "spacedimension":
            _whole(value, 1, _MOST_AXES)
        elif key in ("lineskip", "byteskip"):
            _whole(value, -1, length)
        elif key == "blocksize" or (key == "type" and value == "block"):
            raise ValueError("voxels that are no numbers")
    if "sizes" not in dict(named):
        raise ValueError("no sizes")


def _dimension(fields: list[tuple[str, str]], name: str, least: int) -> int:
    axes = {_whole(value, least, _MOST_AXES) for key, value in fields if key == name}
    if len(axes) != 1:
        raise ValueError("no number of axes, or several")
    return axes.pop()


def _check_sizes(values: list[str], dimension: int) -> None:
    sizes = [_whole(value, 1, MOST_VOXELS) for value in values]
    if len(sizes) != dimension:
        raise ValueError("not one size for each axis")
    if math.prod(sizes) > MOST_VOXELS:
        raise ValueError("more voxels than can be used")


def _whole(text: str, least: int, most: int) -> int:
    """A whole number within limits, in ASCII digits."""
    if not re.fullmatch(r"-?[0-9]{1,18}", text.strip()):
        raise ValueError("no whole number")
    if not least <= int(text) <= most:
        raise ValueError("a number out of its range")
    return int(text)
