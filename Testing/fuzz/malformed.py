"""Malformed inputs of every kind that the program reads: valid ones, changed by a seeded generator.

`KINDS` has a function for each kind of input: given a folder and random numbers it writes one and returns its path.
Everything lies within that folder, but for what hostile inputs point at (`CANARY`, beside it, and files of the system).
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import math
import os
import random
import re
import struct
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.detection.stored_scores import FORMAT, IMAGES, VERSION

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

CANARY = "canary.raw"
"""A file in the folder above that of an input: nothing may read or change it."""

Random = random.Random

#: Numbers that are trouble somewhere.
_NUMBERS = (
    *("0", "-1", "1", "2", "3", "255", "256", "32768", "65535", "65536", "2147483647", "2147483648", "4294967295"),
    *("4294967296", "9223372036854775807", "18446744073709551616", "-9223372036854775808", "1e308", "1e-308", "1e999"),
    *("nan", "-nan", "inf", "-inf", "1e30", "0x10", "1.5", "", " ", "9" * 400, "٣", "1,5", "true", "null"),
)  # fmt: skip
_TEXTS = (
    *("", "\0", "\n", "\x1b[2J\x1b]0;owned\x07", "../../etc/passwd", "/etc/passwd", "C:\\Windows\\win.ini", "%s%n%x"),
    *("{0.__class__}", "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "\ud800", "ø" * 300, "A" * 200_000, "\u202e"),
    *("$(touch pwned)", "`id`", "; rm -rf .", "__import__('os').system('id')", "NaN", "null", "[]", "{}", "-"),
)  # fmt: skip


def flipped(content: bytes, rng: Random, at_most: int = 12, within: int | None = None) -> bytes:
    """Some bytes replaced; `within`: of the first so many."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, at_most)):
        if changed:
            place = rng.randrange(min(len(changed), within or len(changed)))
            bit_flipped = changed[place] ^ (1 << rng.randrange(8))
            changed[place] = rng.choice((0, 0xFF, 0x7F, 0x80, rng.randrange(256), bit_flipped))
    return bytes(changed)


def cut(content: bytes, rng: Random) -> bytes:
    """The first part of it, sometimes nothing."""
    return content[: rng.choice((0, 1, 4, len(content) - 1, rng.randrange(len(content) + 1)))]


def spliced(content: bytes, rng: Random) -> bytes:
    """A piece twice, left out, or moved."""
    if len(content) < 4:
        return content * 2
    a, b = sorted(rng.randrange(len(content)) for _ in range(2))
    piece, first, last = content[a:b][:65536], content[:a], content[b:]
    return rng.choice((first + last, content[:b] + piece + last, piece + content, content + piece))


def damaged(content: bytes, rng: Random, header: int | None = None) -> bytes:
    """Damaged somehow as bytes; mostly in the header."""
    how = rng.random()
    if how < 0.55:
        return flipped(content, rng, within=header if rng.random() < 0.8 else None)
    if how < 0.8:
        return cut(content, rng)
    return spliced(content, rng)


def any_text(rng: Random) -> str:
    """A few characters of any kind, or a number of any size."""
    if rng.random() < 0.3:
        return str(
            rng.choice((rng.getrandbits(rng.randint(1, 99)), -rng.random(), 10.0 ** rng.randint(-330, 308)))
        )
    kinds = ((0, 32), (32, 127), (127, 0x300), (0x300, 0x110000))
    return "".join(chr(rng.randrange(*rng.choice(kinds))) for _ in range(rng.randint(0, 12)))


def fields_changed(text: str, rng: Random, others: tuple[str, ...] = ()) -> str:
    """A header of lines with some values replaced, lines missing, twice, or in another order."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 3)):
        if not lines:
            break
        place = rng.randrange(len(lines))
        how = rng.random()
        if how < 0.7:
            match = re.match(r"([^:=]*[:=]+ ?)(.*)", lines[place])
            if match:
                values = match[2].split(" ")
                odd = (*_NUMBERS, *_TEXTS[:12], *others, *(any_text(rng) for _ in range(20)))
                values[rng.randrange(len(values))] = rng.choice(odd)
                lines[place] = match[1] + " ".join(values)
        elif how < 0.8:
            del lines[place]
        elif how < 0.9:
            lines.insert(rng.randrange(len(lines) + 1), lines[place])
        else:
            lines.insert(place, rng.choice((*others, *_TEXTS[:8])))
    return "\n".join(lines)


def absurd(value: object, rng: Random, depth: int = 0) -> object:
    """Plain values with some of them replaced by what makes no sense."""
    if isinstance(value, dict) and value and (depth == 0 or rng.random() < 0.7):
        changed = dict(value)
        name = rng.choice(list(changed))
        how = rng.random()
        if how < 0.12:
            del changed[name]
        elif how < 0.2:
            changed[rng.choice(("__class__", "extra", "", "é", "self"))] = 1
        else:
            changed[name] = absurd(changed[name], rng, depth + 1)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.6:
        changed = list(value)
        changed[rng.randrange(len(changed))] = absurd(changed[0], rng, depth + 1)
        return changed
    return rng.choice(
        (
            *(0, -1, 1, 2**31, 2**63, 10**30, 10**400, 1e308, -1e308, 1e-300, 0.5, math.nan, math.inf, -math.inf),
            *(None, True, False, [], {}, [0], [[1]], {"a": 1}, [10**9, 10**9], [1e-9, 2], *_TEXTS[:14]),
        )
    )  # fmt: skip


def as_json(value: object, rng: Random) -> str:
    """JSON, sometimes damaged or very deep."""
    how = rng.random()
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    if how < 0.06:
        return "[" * 200_000
    if how < 0.12:
        return '{"a":' * 5_000 + "1" + "}" * 5_000
    if how < 0.2:
        return flipped(text.encode("utf-8", "replace"), rng).decode("latin-1")
    return text


# --- image files


def an_image(rng: Random) -> sitk.Image:
    """A small volume that can be read."""
    shape = tuple(rng.randint(5, 9) for _ in range(3))
    voxels = np.random.default_rng(rng.randrange(2**32)).integers(1, 900, shape)
    image = sitk.GetImageFromArray(voxels.astype(rng.choice((np.int16, np.uint16, np.float32, np.uint8))))
    image.SetSpacing((0.9, 0.9, 4.0))
    return image


def _bytes_of(image: sitk.Image, folder: Path, name: str, compressed: bool) -> bytes:
    path = folder / name
    sitk.WriteImage(image, str(path), useCompression=compressed)
    content = path.read_bytes()
    path.unlink()
    return content


def nifti(folder: Path, rng: Random) -> Path:
    """NIfTI-1, compressed or not."""
    content = bytearray(_bytes_of(an_image(rng), folder, "made.nii", False))
    how = rng.random()
    if how < 0.6:  # a field of the header
        header = nibabel.Nifti1Header(bytes(content[:348]), check=False)
        names = ("dim", "pixdim", "datatype", "bitpix", "vox_offset", "scl_slope", "scl_inter", "sform_code",
                 "qform_code", "srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "qoffset_x", "sizeof_hdr",
                 "magic", "xyzt_units", "intent_code", "slice_end", "cal_max")  # fmt: skip
        floats = [struct.pack("<f", value) * 2 for value in (math.nan, math.inf, 1e30, -1e-30, 1e9)]
        for name in rng.sample(names, rng.randint(1, 3)):
            kind, offset = header.template_dtype.fields[name][:2]
            size = kind.base.itemsize
            for place in range(offset, offset + kind.itemsize, max(1, size)):
                if rng.random() < 0.5:
                    whole = (b"\0" * 8, b"\xff" * 8, b"\xff\x7f" * 4, b"\0\x80" * 4, b"\x01\0" * 4)
                    new = rng.choice((*whole, *floats, rng.randbytes(8)))
                    content[place : place + size] = new[:size]
        made = bytes(content)
    else:
        made = damaged(bytes(content), rng, 352)
    if rng.random() < 0.5:
        path = folder / "image.nii.gz"
        packed = gzip.compress(made, 1)
        if rng.random() < 0.3:
            packed = damaged(packed, rng, 20)
        elif rng.random() < 0.05:  # a bomb: 1 GB of nothing in 1 MB
            packed += gzip.compress(bytes(1 << 26), 9) * 16
        path.write_bytes(packed)
        return path
    path = folder / "image.nii"
    path.write_bytes(made)
    return path


_ELSEWHERE = ("/etc/passwd", f"../{CANARY}", f"./../{CANARY}", "/dev/zero", "/dev/stdin", "/proc/self/mem", ".", "LIST",
              "%03d.raw 1 9 1", "local", "LOCAL", f"sub/../../{CANARY}", "\\\\server\\share", "image.mhd", "image.nhdr",
              "made.raw", "missing.raw", "skip:-1")  # fmt: skip


def _with_header(content: bytes, ends: bytes, rng: Random, others: tuple[str, ...]) -> bytes:
    place = content.find(ends)
    place = len(content) if place < 0 else place
    if rng.random() < 0.65:
        header = fields_changed(content[:place].decode("latin-1"), rng, others)
        return header.encode("utf-8", "surrogatepass") + content[place:]
    return damaged(content, rng, place)


def _headed(
    folder: Path,
    rng: Random,
    content: bytes,
    end: bytes,
    field: str,
    others: Sequence[str],
    names: Sequence[str],
) -> Path:
    """An image with its voxels behind a header of lines, which ends with `end`, or in a file that `field` names."""
    header, _, voxels = content.partition(end)
    name, attached = names[0], rng.random() < 0.5
    if not attached:
        (folder / "made.raw").write_bytes(voxels if rng.random() < 0.7 else cut(voxels, rng))
        data_file = "made.raw" if rng.random() < 0.4 else rng.choice(_ELSEWHERE)
        content = header.rstrip(b"\n") + f"\n{field}{data_file}\n".encode()
        name = rng.choice(names)
    if attached or rng.random() < 0.5:
        content = _with_header(content, end, rng, (*others, field + rng.choice(_ELSEWHERE)))
    path = folder / name
    path.write_bytes(damaged(content, rng, len(header)) if rng.random() < 0.15 else content)
    return path


def nrrd(folder: Path, rng: Random) -> Path:
    """NRRD with its voxels, or a header with a data file."""
    content = _bytes_of(an_image(rng), folder, "made.nrrd", rng.random() < 0.5)
    others = (
        *("datafile: " + rng.choice(_ELSEWHERE), "data file: LIST\nx\ny", "encoding: hex", "encoding: bzip2"),
        *("encoding: ascii", "endian: big", "sizes: 99999 99999 9999", "dimension: 16", "dimension: 3"),
        *("type: block", "block size: 4294967295", "line skip: 4294967295", "byte skip: -1"),
        *("byte skip: 9223372036854775807", "space dimension: 99", "kinds: complex"),
    )
    return _headed(folder, rng, content, b"\n\n", "data file: ", others, ("image.nrrd", "image.nhdr"))


def metaimage(folder: Path, rng: Random) -> Path:
    """MetaImage with its voxels, or a header with a data file."""
    content = _bytes_of(an_image(rng), folder, "made.mha", rng.random() < 0.5)
    others = (
        *("DimSize = 99999 99999 9999", "NDims = 99", "NDims = 0", "NDims = -1", "HeaderSize = -1"),
        *("HeaderSize = 99999999", "CompressedDataSize = 99999999999", "CompressedDataSize = -5"),
        *("ElementNumberOfChannels = 1000000", "ElementType = MET_OTHER", "BinaryDataByteOrderMSB = True"),
        *("CompressedData = True", "BinaryData = False"),
    )
    end, field = b"ElementDataFile = LOCAL\n", "ElementDataFile = "
    return _headed(folder, rng, content, end, field, others, ("image.mha", "image.mhd"))


def wrapped(folder: Path, rng: Random) -> Path:
    """An image, sound or malformed, packed once or more and under any name; sometimes half of a pair."""
    if rng.random() < 0.3:
        pair = rng.choice((nibabel.Nifti1Pair, nibabel.Nifti2Pair, nibabel.Spm99AnalyzeImage))
        voxels = np.ones((6, 7, 8), np.int16) * np.arange(8, dtype=np.int16)
        pair(voxels, np.eye(4)).to_filename(folder / "image.img")
        (folder / "image.mat").unlink(missing_ok=True)
        victim = folder / rng.choice(("image.hdr", "image.img"))
        victim.write_bytes(damaged(victim.read_bytes(), rng, 100))
        if rng.random() < 0.2:
            (folder / rng.choice(("image.hdr", "image.img"))).unlink()
        return rng.choice(sorted(folder.glob("image.*")))
    made = rng.choice((nifti, nrrd, metaimage))(folder, rng)
    content = made.read_bytes()
    for _ in range(rng.randint(0, 3)):
        content = rng.choice((lambda b: gzip.compress(b, 1), bz2.compress))(content)
        if rng.random() < 0.2:
            content = damaged(content, rng, 20)
    names = ("image.nii", "image.NII.GZ", "image.nrrd", "image.nhdr", "image.mha", "image.seq.nrrd", "x.gz")
    path = folder / rng.choice((*names, "x"))
    path.write_bytes(content)
    return path


# --- DICOM


def dicom(folder: Path, rng: Random) -> Path:
    """A folder with a series, classic or enhanced, some of its files damaged."""
    import pydicom
    from made_dicom import classic_series, enhanced_series

    place, image = folder / "series", sitk.Cast(an_image(rng), sitk.sitkInt16)
    files = [enhanced_series(place, image)] if rng.random() < 0.35 else classic_series(place, image)
    for _ in range(rng.randint(1, 3)):
        file = rng.choice(files)
        if not file.is_file():
            continue
        content = file.read_bytes()
        how = rng.random()
        if how < 0.3:
            file.write_bytes(damaged(content, rng, 2000))
        elif how < 0.38:
            file.write_bytes(_with_length(content, rng))
        elif how < 0.42:
            file.unlink()
        elif how < 0.46:
            file.write_bytes(content[:132] + _deep_sequence(rng.choice((50, 3000))) + content[132:])
        elif how < 0.5:
            (place / "more.dcm").write_bytes(damaged(content, rng))
        else:
            try:
                _change_attribute(pydicom.dcmread(file, force=True), rng).save_as(file)
            except Exception:  # pydicom refuses to write some of it
                file.write_bytes(damaged(content, rng, 2000))
    return place


_IMPORTANT = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
              "NumberOfFrames", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness",
              "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "RescaleSlope", "RescaleIntercept", "PixelData",
              "PhotometricInterpretation", "SpecificCharacterSet", "SeriesDescription", "InversionTime", "EchoTime",
              "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "StudyDate", "PatientName",
              "InstanceNumber", "SeriesNumber", "FrameOfReferenceUID", "ImageType", "Modality")  # fmt: skip


def _change_attribute(made: object, rng: Random) -> object:
    import pydicom

    assert isinstance(made, pydicom.Dataset)
    name = rng.choice(_IMPORTANT)
    if rng.random() < 0.25 and name in made:
        delattr(made, name)
        return made
    frames = made.get("PerFrameFunctionalGroupsSequence")
    if frames and rng.random() < 0.4:
        how = rng.randrange(4)
        if how == 0:
            del frames[rng.randrange(len(frames))]
        elif how == 1:
            frames[rng.randrange(len(frames))] = pydicom.Dataset()
        elif how == 2 and "PlanePositionSequence" in frames[0]:
            frames[0].PlanePositionSequence[0].ImagePositionPatient = [math.nan, 1e30, 0]
        else:
            frames.append(frames[0])
        return made
    tag = pydicom.tag.Tag(pydicom.datadict.tag_for_keyword(name))
    kind = pydicom.datadict.dictionary_VR(name)
    with pydicom.config.disable_value_validation():
        if kind == "US":
            setattr(made, name, rng.choice((0, 1, 7, 16, 17, 255, 65535)))
        elif kind == "SQ":
            setattr(made, name, [])
        elif kind in ("OW", "OB or OW", "OB"):
            made.PixelData = cut(bytes(made.get("PixelData", b"")), rng)
        else:
            value = rng.choice((*_NUMBERS, *_TEXTS)).encode("utf-8", "replace")[:1000]
            if kind == "DS":
                count = rng.choice((made[name].VM if name in made else 1, 0, 1, 9))
                numbers = (*_NUMBERS[:20], "nan", "inf", "abc", "1e400")
                value = "\\".join(rng.choice(numbers) for _ in range(count)).encode()[:60]
            value += b" " * (len(value) % 2)
            raw = pydicom.dataelem.RawDataElement
            made[name] = raw(tag, kind.split(" ")[0], len(value), value, 0, False, True)
    return made


def _with_length(content: bytes, rng: Random) -> bytes:
    """An element's length replaced: undefined, huge, or odd."""
    kinds = re.finditer(rb"(?:DS|IS|UI|LO|SH|CS|US|OW|SQ)[\x00-\xff]{2}", content[:6000])
    places = [match.start() + 2 for match in kinds]
    if not places:
        return damaged(content, rng)
    changed = bytearray(content)
    place = rng.choice(places)
    changed[place : place + 2] = rng.choice((b"\xff\xff", b"\0\0", b"\x01\0", b"\xfe\xff"))
    if rng.random() < 0.4:
        at = content.find(b"\xe0\x7f\x10\x00")
        if at > 0:
            length = rng.choice((0xFFFFFFFF, 0xFFFFFFFE, 0x80000000, 0))
            changed[at + 8 : at + 12] = length.to_bytes(4, "little")
    return bytes(changed)


def _deep_sequence(depth: int) -> bytes:
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return (struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + item) * depth


# --- models


def model(folder: Path, rng: Random) -> Path:
    """A model file: header, JSON of the settings, or tensors changed."""
    from AnomalyDetectionLib.model.false_positive_curve import FalsePositiveCurve
    from AnomalyDetectionLib.model.library import NormalLibrary
    from AnomalyDetectionLib.model.model_file import save_model
    from made_models import random_context_model, random_model

    curve = FalsePositiveCurve(np.array([1.0, 2.0]), np.array([5.0, 1.0]), 4, 2, 0.5)
    card = {"title": "t", "summary": "s", "n": [1, {"a": 2}]}
    common = {"name": "made", "card": card, "false_positive_curve": curve}
    path = folder / "model.safetensors"
    if rng.random() < 0.5:
        latents = np.zeros((3, 4), np.float16)
        library = NormalLibrary(
            np.zeros((3, 2, 15, 15), np.uint8), latents, (0.0, 0.0), (0.1, 0.1), (0.1, 0.2)
        )
        save_model(random_model(4, (2, 3), library=library, **common), path)
    else:
        save_model(random_context_model((2, 3), **common), path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    if rng.random() < 0.15:
        lengths = (0, 1, 2**31, 2**63, 2**64 - 1, length - 1, length + 1, 10**8)
        wrong = rng.choice(lengths).to_bytes(8, "little") + content[8:]
        path.write_bytes(wrong if rng.random() < 0.5 else damaged(content, rng, length))
        return path
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    about = header["__metadata__"]
    how = rng.random()
    if how < 0.55:  # settings, card, rates, library: JSON within the header
        for _ in range(rng.randint(1, 2)):
            name = rng.choice([n for n in about if n != "format"])
            try:
                value = json.loads(about[name])
            except (ValueError, RecursionError):  # it was changed already
                about[name] = rng.choice((*_TEXTS, *_NUMBERS))
                continue
            about[name] = as_json(absurd(value, rng), rng)
    elif how < 0.8:  # the table of tensors
        name = rng.choice([n for n in header if n != "__metadata__"])
        start, end = header[name]["data_offsets"]
        changes = {
            "dtype": ("F16", "F64", "I64", "I8", "U8", "BOOL", "BF16", "F8_E4M3", "C64", "X9", "", None),
            "shape": ([], [0], [2**31, 2**31], [10**9, 25], [-1], [1.5], [2**64], "x", header[name]["shape"][::-1]),
            "data_offsets": ([0, 10**11], [start, end + 4], [end, start], [-4, 0], [2**63, 2**63 + 4], [start], [0, 0]),
            "name": ("../x", "generator." + "a" * 5000, "library.patches", "readings.median"),
        }  # fmt: skip
        field = rng.choice(list(changes))
        if field == "name":
            header[rng.choice(changes["name"])] = header.pop(name)
        else:
            header[name][field] = rng.choice(changes[field])
    else:  # numbers that are no numbers
        body = bytearray(body)
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(len(body) // 4) * 4
            body[place : place + 4] = struct.pack("<f", rng.choice((math.nan, math.inf, 1e38, -1e38, 1e-45)))
        body = bytes(body)
    text = json.dumps(header, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(body))
    return path


# --- tables and records


def _table_text(columns: tuple[str, ...], rows: list[list[str]], rng: Random, separator: str) -> bytes:
    columns_now, rows = list(columns), [list(row) for row in rows]
    for _ in range(rng.randint(1, 3)):
        how = rng.random()
        if how < 0.55:
            row = rng.choice(rows)
            row[rng.randrange(len(row))] = rng.choice((*_NUMBERS, *_TEXTS))
        elif how < 0.7:
            columns_now[rng.randrange(len(columns_now))] = rng.choice(("", "x", columns_now[0], *_TEXTS[:6]))
        elif how < 0.8:
            rng.choice(rows).extend(["more"] * rng.choice((1, 5000)))
        elif how < 0.9:
            del rng.choice(rows)[1:]
        else:
            rows.append(['"unfinished'])
    text = "\n".join(separator.join(row) for row in ([*columns_now], *rows)).encode("utf-8", "surrogatepass")
    return damaged(text, rng) if rng.random() < 0.25 else text


def bids(folder: Path, rng: Random) -> Path:
    """A cohort with a damaged table, record or layout."""
    root = folder / "cohort"
    for subject in ("sub-01", "sub-02"):
        anat = root / subject / "anat"
        anat.mkdir(parents=True)
        for name in ("T1w", "FLAIR"):
            (anat / f"{subject}_{name}.nii.gz").write_bytes(b"not looked at")
    rows = [["sub-01", "p1", "yes"], ["sub-02", "p2", "no"]]
    columns = ("participant_id", "patient", "lesion_free")
    (root / "participants.tsv").write_bytes(_table_text(columns, rows, rng, "\t"))
    description = {"Name": "x", "BIDSVersion": "1.10", "DatasetType": "raw"}
    text = as_json(absurd(description, rng), rng)
    (root / "dataset_description.json").write_text(text, "utf-8", "surrogatepass")
    how = rng.random()
    if how < 0.3:
        (root / "sub-03").mkdir()
    elif how < 0.4:
        (root / "sub-é\nx").mkdir()
    elif how < 0.5:
        (root / "sub-04").symlink_to("../..")
    elif how < 0.6:
        (root / "sub-01" / "anat" / "sub-01_run-2_FLAIR.nii.gz").mkdir()
    return root


_RUNS = ("1", "01", "2", "²", "٣", "", "-1", "x", "9" * 90, "½")
_ENTITIES = ("", *(f"_run-{run}" for run in _RUNS), "_run", "_RUN-1", "_acq-", "_ce-1", "_part-phase")
_ODD = ("\udcff\udcfe", "é\nx", "\x1b[2J", "", " ", "01_ses-1", "a" * 150)  # the first is no UTF-8
_ODD_SESSIONS = ("1", "\udcff", "²", "", "a\tb", "\u202e")


def layout(folder: Path, rng: Random) -> Path:
    """A dataset with odd names, not all of them UTF-8, odd runs, and files and folders in each other's place."""
    root = folder / "dataset"
    for subject in (f"sub-{label}" for label in ("01", *rng.sample(_ODD, 2))):
        place = root / subject
        if rng.random() < 0.4:
            place /= f"ses-{rng.choice(_ODD_SESSIONS)}"
        anat = place / "anat"
        with contextlib.suppress(OSError):  # systems that have no such names
            place.mkdir(parents=True, exist_ok=True)
            how = rng.random()
            if how < 0.1:
                anat.write_bytes(b"a file")
                continue
            if how < 0.2:
                anat.symlink_to(rng.choice(("anat", "../..", "/dev", "absent")))
                continue
            anat.mkdir()
            for suffix in ("T1w", "FLAIR"):
                for _ in range(rng.randint(0, 3)):
                    end = f"{rng.choice(_ENTITIES)}_{suffix}{rng.choice(('.nii.gz', '.nii'))}"
                    path = anat / f"{subject}{end}"
                    if rng.random() < 0.1:
                        path.mkdir()
                    elif rng.random() < 0.1:
                        path.symlink_to(rng.choice(("absent", path.name, "/dev/zero")))
                    else:
                        path.write_bytes(b"not looked at")
            if rng.random() < 0.15:
                rng.choice((anat, place)).chmod(rng.choice((0, 0o200, 0o400)))
    return root


def table(name: str, *rows: str) -> Callable[[Path, Random], Path]:
    """A kind of table that is written with faults.

    Args:
        name: of the file; a TSV or a CSV.
        rows: the head and the rows, their cells apart by spaces; "-" is an empty one.
    """
    head, *others = ([cell.replace("-", "") for cell in row.split(" ")] for row in rows)

    def write(folder: Path, rng: Random) -> Path:
        path = folder / name
        separator = "\t" if path.suffix == ".tsv" else ","
        path.write_bytes(_table_text(tuple(head), [list(row) for row in others], rng, separator))
        return path

    return write


def record(folder: Path, rng: Random) -> Path:
    """A findings.json as an earlier run would have left it."""
    finding = {"number": 1, "volume_ml": 0.5, "peak_score": 4.0}
    made = {"notice": "x", "findings": [finding], "count": 1, "threshold": 3.0, "run": {"files": ["findings.json", "overlay.png"]},
            "inputs": {"t1": {"path": "a"}}}  # fmt: skip
    if rng.random() < 0.4:
        outside = (f"../{CANARY}", "/etc/hosts", ".", "..", "a/../../b")
        made["run"] = {"files": [rng.choice((*_TEXTS, *outside)), 3, None]}
    path = folder / "findings.json"
    path.write_text(as_json(made if rng.random() < 0.4 else absurd(made, rng), rng), "utf-8", "surrogatepass")
    return path


def npz(folder: Path, rng: Random) -> Path:
    """Stored arrays: of prepared scans (scans.npz), of an evaluation (subject.npz); pickled objects among them."""
    kind = rng.choice(("scans.npz", "subject.npz", "heads.npz"))
    header = {"format": "anomaly-detection scans 2", "scans": [{"name": "a", "patient": "p", "slice_mm": 4.0, "known": False}],
              "preparation": {"in_plane_mm": 0.9}, "notes": "n", "version": 1, "key": {}, "plain": {"shape": [2, 3, 4]}}  # fmt: skip
    text = as_json(absurd(header, rng) if rng.random() < 0.7 else header, rng)
    arrays = {"header": np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)}
    for name in ("0/t1", "0/flair", "0/masks", "a"):
        shape, type_of = rng.choice(((2, 3, 4), (2,), ())), rng.choice((np.int16, np.uint8, np.float64))
        arrays[name] = np.zeros(shape, type_of)
    if rng.random() < 0.2:
        arrays[rng.choice(("0/t1", "header", "a"))] = np.array([_Pickled()], dtype=object)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    content = buffer.getvalue()
    if rng.random() < 0.1:  # an array that says it is huge
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }"
            archive.writestr("header.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head)
        content = buffer.getvalue()
    path = folder / kind
    path.write_bytes(damaged(content, rng) if rng.random() < 0.3 else content)
    return path


class _Pickled:
    """What a pickle would run; nobody may."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch pickled-code-ran",)


def stored_scores(folder: Path, rng: Random) -> Path:
    """A folder of a score map with a damaged record or image."""
    place = folder / "score_map"
    place.mkdir()
    direction = [1, 0, 0, 0, 1, 0, 0, 0, 1]
    grid = {"size": [6, 6, 5], "spacing": [1.0, 1.0, 4.0], "origin": [0, 0, 0], "direction": direction}
    made = {
        "format": FORMAT, "version": VERSION, "lattice": {"shape": [5, 6, 6], "first": [0, 0], "stride": 4},
        "scoring": {"stride": 4, "percentile": 50.0}, "grid": grid, "flair_grid": grid, "t1_scale": {"low": 0, "high": 1},
        "flair_scale": {"low": 0, "high": 1}, "fraction_outside_t1": 0.0, "anatomy": False, "false_positive_curve": None,
        "candidate_probabilities": rng.choice((None, [[0.1, 0.1, 0.6, 0.1, 0.1]])),
        "alignment": {"registered": False, "shift_mm": 0, "rotation_deg": 0, "matrix": [1.0] * 16},
        "midline": {"normal": [1.0, 0.0, 0.0], "offset": 0.0}, "quality": [],
        "seconds": {"preparation": {}, "scoring": {}},
    }  # fmt: skip
    text = as_json(absurd(made, rng), rng)
    (place / "score_map.json").write_text(text, "utf-8", "surrogatepass")
    for name in IMAGES:
        labels = "brain" in name or name == "candidates"
        image = sitk.GetImageFromArray(np.ones((5, 6, 6), np.uint8 if labels else np.float32))
        sitk.WriteImage(image, str(place / f"{name}.nrrd"), useCompression=True)
    if rng.random() < 0.4:
        victim, other = place / "score.nrrd", ("data file: " + rng.choice(_ELSEWHERE),)
        victim.write_bytes(_with_header(victim.read_bytes(), b"\n\n", rng, other))
    return place


def scene(folder: Path, rng: Random) -> Path:
    """What the tables and records of a saved scene hold, as JSON: cells by column, history, record."""
    columns = {"number": 1, "volume_ml": 0.5, "peak_score": 4.0, "mean_score": 3.0, "patches": 4, "side": "left",
               "region": "cortex", "centroid_r_mm": 1.0, "centroid_a_mm": 1.0, "centroid_s_mm": 1.0, "t1_relative": 1.0,
               "flair_relative": 1.0, "hint": "unknown", "hint_evidence": "", "per_normal_scan": 0.1,
               "category": "unreviewed", "decision": "", "note": "a\\nb", "present": "yes"}  # fmt: skip
    rows = [dict(columns), dict(columns, number=2)]
    for _ in range(rng.randint(1, 3)):
        rng.choice(rows)[rng.choice(list(columns))] = rng.choice((*_NUMBERS, *_TEXTS[:15]))
    if rng.random() < 0.2:
        missing = rng.choice(list(columns))
        for row in rows:
            row.pop(missing, None)
    history = [[1, "category", 0, 3], [2, "note", "", "x"], [1, "decision", "", "accepted"]]
    kept = {"threshold": 3.0, "min_patches": 2, "numbers": [[0, 1, 2]], "hidden": [], "provenance": {}}
    kept["scores"] = {}
    made = {
        "rows": rows,
        "history": as_json(absurd(history, rng) if rng.random() < 0.7 else history, rng),
        "record": as_json(absurd(kept, rng), rng),
    }
    path = folder / "scene.json"
    path.write_text(json.dumps(made), "utf-8")
    return path


def cohort_results(folder: Path, rng: Random) -> Path:
    """The folder of a cohort's results with a damaged record or table."""
    from made_records import make_records

    out = folder / "out"
    make_records(out, folder / "bids", 2, rng.randrange(1000))
    records = [*out.glob("sub-*/anat/*.json")]
    victim = rng.choice([*records, *records, *out.rglob("*.json"), out / "errors.csv"])
    if victim.suffix == ".csv":
        rows = [["sub-01", "", "reading", "x"], ["sub-02", "ses-1", "scoring", "y"]]
        victim.write_bytes(_table_text(("subject", "session", "stage", "reason"), rows, rng, ","))
    else:
        made = absurd(json.loads(victim.read_text("utf-8")), rng)
        victim.write_text(as_json(made, rng), "utf-8", "surrogatepass")
    return out


KINDS: dict[str, Callable[[Path, Random], Path]] = {
    "NIfTI": nifti,
    "NRRD": nrrd,
    "MetaImage": metaimage,
    "wrapped image": wrapped,
    "DICOM": dicom,
    "model": model,
    "BIDS": bids,
    "layout of a dataset": layout,
    "findings table": table(  # as the panel exports it
        "findings.csv",
        "number volume_ml peak_score category decision note hint",
        "1 0.5 4.2 infarct accepted - unknown",
        "2 1.5 3.2 unreviewed - x unknown",
    ),
    "table of scans": table(  # to train on
        "scans.csv",
        "name patient t1 flair brain_mask",
        "a p1 a_T1.nii.gz a_FLAIR.nii.gz -",
        "b p2 b_T1.nii.gz b_FLAIR.nii.gz m.nii.gz",
    ),
    "table of infarcts": table(
        "infarcts.tsv",
        "index name kind cavitated region side volume_ml voxel_volume_ml centroid_r_mm centroid_a_mm centroid_s_mm",
        "1 a lacune yes cortex left 0.5 0.5 1 2 3",
    ),
    "record of a result": record,
    "stored arrays": npz,
    "stored scores": stored_scores,
    "scene": scene,
    "cohort results": cohort_results,
}
