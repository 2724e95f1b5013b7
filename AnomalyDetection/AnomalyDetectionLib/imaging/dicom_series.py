"""A series of DICOM images as one volume (GDCM)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .volume import as_text, is_utf8

#: DICOM attributes: SeriesInstanceUID, SeriesNumber, SeriesDescription, ImagePositionPatient,
#: ImageOrientationPatient (PS3.6).
_UID, _NUMBER, _DESCRIPTION = "0020|000e", "0020|0011", "0008|103e"
_CHARACTERS = "0008|0005"  # SpecificCharacterSet
_POSITION, _ORIENTATION = "0020|0032", "0020|0037"

#: TransferSyntaxUID, SOPClassUID; Rows, Columns, SamplesPerPixel, NumberOfFrames, BitsAllocated.
_SYNTAX, _CLASS = "0002|0010", "0008|0016"
_ROWS, _COLUMNS, _SAMPLES, _FRAMES, _BITS = "0028|0010", "0028|0011", "0028|0002", "0028|0008", "0028|0100"
_WANTED = (
    *(_UID, _NUMBER, _DESCRIPTION, _POSITION, _ORIENTATION),
    *(_CHARACTERS, _SYNTAX, _CLASS, _ROWS, _COLUMNS, _SAMPLES, _FRAMES, _BITS),
)

#: Python's names of the character sets that a series may be described in (PS3.3, C.12.1.1.2).
_CODECS = {
    **{"": "ascii", "6": "ascii", "13": "shift_jis", "192": "utf-8", "GB18030": "gb18030", "GBK": "gbk"},
    **{"100": "latin_1", "101": "iso8859_2", "109": "iso8859_3", "110": "iso8859_4", "144": "iso8859_5"},
    **{"127": "iso8859_6", "126": "iso8859_7", "138": "iso8859_8", "148": "iso8859_9", "203": "iso8859_15"},
    **{"166": "tis_620", "87": "iso2022_jp", "159": "iso2022_jp_2", "149": "euc_kr", "58": "gb2312"},
}

#: The same for what follows an escape sequence (code extensions, PS3.3, C.12.1.1.2).
_ESCAPED = {
    **{b"(B": "ascii", b"(J": "shift_jis", b")I": "shift_jis", b"$)C": "euc_kr", b"$)A": "gb2312"},
    **{b"-A": "latin_1", b"-B": "iso8859_2", b"-C": "iso8859_3", b"-D": "iso8859_4", b"-L": "iso8859_5"},
    **{b"-G": "iso8859_6", b"-F": "iso8859_7", b"-H": "iso8859_8", b"-M": "iso8859_9", b"-b": "iso8859_15"},
    **{b"-T": "tis_620", b"$B": "iso2022_jp", b"$@": "iso2022_jp", b"$(D": "iso2022_jp_2"},
}
_ESCAPE = re.compile(rb"\x1b(\$[()][A-D]|\$[@B]|[()-][A-Zb])")

#: Slice positions may differ by this share of the slice spacing from an even row.
UNEVEN = 0.1


@dataclass(frozen=True)
class Series:
    """The images of one DICOM series, in slice order."""

    files: tuple[Path, ...]
    uid: str
    number: str
    description: str

    @property
    def name(self) -> str:
        """How to name it to a person."""
        return self.description or f"series {self.number or self.uid}"


def is_dicom(path: Path) -> bool:
    """Whether a file is a DICOM image (PS3.10: "DICM" after a preamble of 128 bytes)."""
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def choose(path: Path, *, role: str, series: str | None) -> Series:
    """The one series meant by a folder (or by one image in it).

    Args:
        path: a folder, searched with its sub-folders where it holds no images itself, or a DICOM image.
        series: number, UID or description (case does not matter), where there are several.

    Raises:
        InputError: if there is no series, or none or several that could be meant; it lists them.
    """
    if path.is_file():
        uid = _headers(path)[_UID]
        return next(
            (s for s in _series_in(path.parent) if s.uid == uid and path in s.files), _series((path,))
        )
    found = _series_in(path)
    if not found:
        for folder in sorted(p for p in path.rglob("*") if p.is_dir() and is_utf8(p)):
            found += _series_in(folder)
    if not found:
        raise InputError(
            f"The {role} folder {path} holds no DICOM images: give a folder that does, or a file."
        )
    option = f"--{role.lower()}-series"
    if series is not None:
        wanted = series.strip().casefold()
        matching = [s for s in found if wanted in (s.uid, s.number, s.description.casefold())]
        if len(matching) == 1:
            return matching[0]
        problem = "none" if not matching else f"{len(matching)}"
        raise InputError(
            f"The {role} folder {path} has {problem} of its series called {series!r}: choose one of these by "
            f"its number, description or UID.\n{_listed(matching or found)}"
        )
    if len(found) > 1:
        raise InputError(
            f"The {role} folder {path} holds {len(found)} series: choose one with {option} and its number, "
            f"description or UID.\n{_listed(found)}"
        )
    return found[0]


def read(series: Series, *, role: str) -> sitk.Image:
    """The volume of a series.

    Raises:
        InputError: if an image is damaged, or the slices are not evenly spaced (one is missing, twice there,
            or of another orientation).
    """
    files = [str(file) for file in series.files]
    folder = series.files[0].parent
    try:
        if not all(_is_whole(file) for file in series.files) or _has_unreadable(series):
            raise RuntimeError("truncated")
        if len(files) == 1:
            return sitk.ReadImage(files[0])  # one slice, or a multi-frame object that is a volume
        _check_positions(series, role=role)
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(files)
        return reader.Execute()
    except RuntimeError as error:
        raise InputError(
            f"The {role} series {series.name!r} in {folder} has images that are damaged or do not belong "
            "together: export it again."
        ) from error


def _series_in(folder: Path) -> list[Series]:
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    found = []
    for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
        files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid)
        if files:
            found.append(_series(tuple(Path(file) for file in files)))
    return sorted(found, key=lambda s: (int(s.number) if s.number.isdigit() else 0, s.uid))


def _series(files: tuple[Path, ...]) -> Series:
    headers = _headers(files[0])
    return Series(files, headers[_UID], headers[_NUMBER], headers[_DESCRIPTION])


def _headers(file: Path) -> dict[str, str]:
    if not is_utf8(file):
        raise InputError(f"The name of a DICOM image is not valid UTF-8 ({as_text(file)}): rename it.")
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(file))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"The DICOM image {file} is damaged: export it again.") from error
    values = {key: reader.GetMetaData(key) if reader.HasMetaDataKey(key) else "" for key in _WANTED}
    characters = values[_CHARACTERS]
    return {key: _text(value, characters).strip("\0 ") for key, value in values.items()}


def _text(value: str, characters: str) -> str:
    """A text as it was meant, of what ITK gives: the bytes, read as UTF-8, with surrogates for what is not.

    Args:
        characters: SpecificCharacterSet.
    """
    content = value.encode("utf-8", "surrogateescape")
    if content.isascii() and b"\x1b" not in content:
        return value
    sets = [re.sub(r"^ISO.*IR ", "", name.strip("\0 ")) for name in characters.split("\\")]
    # Some writers leave out the escape sequence of the only set that is not ASCII.
    codec = next((_CODECS[name] for name in sets if _CODECS.get(name, "ascii") != "ascii"), "ascii")
    if codec == "ascii" and b"\x1b" not in content:
        # The set is not named, or wrongly: UTF-8 hardly ever comes about by chance, and any bytes are Latin 1.
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            return content.decode("latin_1")
    first, *rest = _ESCAPE.split(content)
    text = first.decode(codec, "replace")
    for escape, part in zip(rest[::2], rest[1::2], strict=True):
        codec = _ESCAPED.get(escape, "ascii")
        if codec.startswith("iso2022"):
            part = b"\x1b" + escape + part
        text += part.decode(codec, "replace")
    return text


def _is_whole(file: Path) -> bool:
    """Whether all the pixels are there: of a truncated file GDCM takes what it finds in memory instead."""
    headers = _headers(file)
    if headers[_SYNTAX] not in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"):
        return True  # compressed, and the decoder would notice; or big endian, which is retired
    counts = [int(headers[key] or 1) for key in (_ROWS, _COLUMNS, _SAMPLES, _FRAMES)]
    length = math.prod(counts) * int(headers[_BITS] or 16) // 8
    content = file.read_bytes()
    # PixelData (7FE0,0010) of that length (padded to be even), with or without its value representation.
    for size in (length, length + length % 2):
        for kind in (b"OW\0\0", b"OB\0\0", b""):
            start = content.rfind(b"\xe0\x7f\x10\x00" + kind + size.to_bytes(4, "little"))
            if start >= 0:
                return start + 8 + len(kind) + length <= len(content)
    return False


def _has_unreadable(series: Series) -> bool:
    """Whether a damaged image of the series lies beside it: GDCM passes over those without a word."""
    kind = _headers(series.files[0])[_CLASS].encode()
    for file in series.files[0].parent.iterdir():
        if file in series.files or not file.is_file() or not is_dicom(file):
            continue
        content = file.read_bytes()
        # An image of this series, and no report or presentation state that only refers to it.
        if series.uid.encode() in content and kind in content[:1024]:
            try:
                _headers(file)
            except InputError:
                return True
    return False


def _check_positions(series: Series, *, role: str) -> None:
    headers = [_headers(file) for file in series.files]
    name = f"The {role} series {series.name!r} in {series.files[0].parent}"
    try:
        positions = np.asarray([[float(v) for v in h[_POSITION].split("\\")] for h in headers])
        cosines = np.asarray([[float(v) for v in h[_ORIENTATION].split("\\")] for h in headers])
        normal = np.cross(cosines[0, :3], cosines[0, 3:])
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{name} does not say where its slices lie: export it again from the scanner."
        ) from error
    if np.abs(cosines - cosines[0]).max() > 1e-3:
        raise InputError(
            f"{name} holds slices of different orientations (a localiser?): choose another series."
        )
    steps = np.diff(positions, axis=0)
    along = np.abs(steps @ normal)
    spacing = float(np.median(along))
    if along.min() < UNEVEN * spacing or spacing == 0:
        raise InputError(
            f"{name} holds several images of the same slice (several echoes or time points?): export "
            "a series with one image a slice."
        )
    if np.abs(along - spacing).max() > UNEVEN * spacing:
        where = int(np.argmax(np.abs(along - spacing)))
        raise InputError(
            f"{name} has a gap: slices {where + 1} and {where + 2} are {along[where]:.1f} mm apart, the "
            f"others {spacing:.1f} mm; export it again with all slices."
        )
    if np.linalg.norm(steps - np.outer(steps @ normal, normal), axis=1).max() > UNEVEN * spacing:
        raise InputError(f"{name} is a sheared stack (gantry tilt): resample it to an ordinary grid first.")


def _listed(found: list[Series]) -> str:
    return "\n".join(f"  {s.number or '-'}  {s.description or s.uid}  ({len(s.files)} images)" for s in found)
