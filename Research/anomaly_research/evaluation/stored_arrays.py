"""A file of an evaluation: arrays, plain values, and the key of what they were made from."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.atomic_file import atomic_file
from AnomalyDetectionLib.files.file_hash import sha256_of

VERSION = 3
"""Of everything stored; another version is made anew."""


def write_arrays(path: Path, key: dict[str, Any], plain: dict[str, Any], **arrays: np.ndarray) -> None:
    """Arrays, plain values and the key in one file, there completely or not at all."""
    header = json.dumps({"version": VERSION, "key": key, "plain": plain}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Under a name of its own, for several processes may write into one store.
    with atomic_file(path, f"-{os.getpid()}") as partial, partial.open("wb") as file:
        np.savez_compressed(file, header=np.frombuffer(header, np.uint8), **arrays)  # type: ignore[arg-type]


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, np.ndarray]]:
    """Key, plain values and arrays that `write_arrays` wrote; an `InputError` if they are missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as content:
            header = json.loads(content["header"].tobytes())
            if header["version"] != VERSION:
                raise ValueError("another version")
            return header["key"], header["plain"], {n: content[n] for n in content.files if n != "header"}
    except Exception as error:  # a damaged archive raises almost anything
        raise InputError(
            f"{path} is missing or damaged: delete it, and run the command that wrote it again."
        ) from error


def key_of(path: Path) -> dict[str, Any] | None:
    """The key of a file, without reading its arrays; None if it cannot be used."""
    try:
        with np.load(path, allow_pickle=False) as content:
            header = json.loads(content["header"].tobytes())
        return header["key"] if header["version"] == VERSION else None
    except Exception:  # as above: then it is made anew
        return None


def digest_of(*files: Path | None) -> str:
    """One hash of what is in some files; an `InputError` if one cannot be read."""
    digest = hashlib.sha256()
    for file in files:
        try:
            digest.update(b"-" if file is None else bytes.fromhex(sha256_of(file)))
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror}): check the path.") from error
    return digest.hexdigest()
