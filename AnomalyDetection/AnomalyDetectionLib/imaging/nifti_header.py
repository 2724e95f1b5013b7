"""Read a NIfTI header and the image's geometry the way most programs do.

A header may hold two geometries (sform and qform) that disagree, voxel sizes (pixdim) that fit neither, or no geometry.
Every such decision is reported, and all geometries that can be read are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import nibabel
import numpy as np
from nibabel.quaternions import quat2mat

from ..errors import InputError
from ..grid import LEAST_ANGLE, SAME_PLACE_MM, Grid, apart_mm, least_angle
from .volume import Remark

_MOST_MM = 1e6  # larger voxel sizes and coordinates are errors
_MOST_OF_QUATERNION = 1.1  # squared length of the quaternion's vector: 1, plus rounding
_USUAL_MM = (0.1, 20.0)
_UNITS = {1: 1000.0, 3: 0.001}  # metres and micrometres, in mm

#: Intents of several values per voxel (NIfTI-1, codes 1003 to 1009 and 2003 to 2004).
_SEVERAL_VALUES = (1003, 1004, 1005, 1006, 1007, 1009, 2003, 2004)

_NAME = "header geometry"
NOT_RIGHT_ANGLED = "axes that are not at right angles: resample it to an ordinary grid."

_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

#: Geometry fields, which are copied to files on the same grid.
_PLACE_FIELDS = (
    *("dim_info", "pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)


@dataclass(frozen=True)
class NiftiHeader:
    """The header of a NIfTI-1 or NIfTI-2 file, or of an Analyze file, which has fewer fields."""

    fields: Any  # nibabel's header; must not be changed
    analyze: bool = False  # whether it is an Analyze header, without sform and qform
    # the grid on which ITK, and so 3D Slicer, places the image; None: ITK cannot open the file
    itk: Grid | None = None
    broken: tuple[str, ...] = ()  # "pixdim", "qform", "sform": what could not be read and was emptied

    @classmethod
    def parse(cls, start: bytes, *, pair: bool = False) -> NiftiHeader:
        """The header at the beginning of a file.

        `start`: at least the header's bytes. `pair`: whether the voxels are in a separate file (.hdr and .img).
        Raises ValueError, OverflowError, nibabel's errors where the bytes are not a valid header."""
        second = start[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c")
        kind = nibabel.Nifti2Header if second else nibabel.Nifti1Header
        fields: Any = kind(start[: kind.template_dtype.itemsize], check=False)
        if int(fields["sizeof_hdr"]) != kind.template_dtype.itemsize:
            raise ValueError("no NIfTI header")
        analyze = not bytes(fields["magic"]).startswith((b"n+", b"ni"))
        if analyze and not pair:
            raise ValueError("no NIfTI header")
        if analyze:
            fields["sform_code"] = fields["qform_code"] = fields["intent_code"] = fields["xyzt_units"] = 0
            fields["scl_inter"] = 0
        count = int(fields["dim"][0])
        if not 1 <= count <= 7 or any(int(n) < 1 for n in fields["dim"][1 : 1 + min(count, 3)]):
            raise ValueError("no number of voxels")
        if not np.dtype(fields.get_data_dtype()).itemsize:
            raise ValueError("voxels without a size")
        return cls(fields, analyze, broken=_without_broken(fields))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along x, y, z and further axes, without trailing axes of length 1; at least three."""
        count = int(self.fields["dim"][0])
        # Some programs write 0 for an axis beyond the third that they do not use.
        sizes = [int(n) if k < 3 else max(int(n), 1) for k, n in enumerate(self.fields["dim"][1 : 1 + count])]
        while len(sizes) > 3 and sizes[-1] == 1:
            sizes.pop()
        return tuple(sizes + [1] * (3 - len(sizes)))

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of voxels along x, y, z."""
        x, y, z = self.shape[:3]
        return x, y, z

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of a voxel as stored."""
        return np.dtype(self.fields.get_data_dtype())

    @property
    def of_several_values(self) -> bool:
        """Whether a voxel holds several values, such as a colour."""
        vector = len(self.shape) > 3 and int(self.fields["intent_code"]) in _SEVERAL_VALUES
        return vector or self.dtype.kind not in "fiu"

    @property
    def offset(self) -> tuple[int, int]:
        """Byte at which the voxels begin in their file, and by how many bytes later they may begin (0 unless the header is
        wrong).

        Header extensions may precede them. Some programs leave this field empty, with or without the four bytes that
        announce extensions: then the length of the file decides.
        """
        offset = int(self.fields["vox_offset"])
        if self.is_pair:
            return max(offset, 0), 0
        least = int(self.fields.single_vox_offset)
        return (offset, 0) if offset >= least else (least - 4, 4)

    @property
    def is_nifti2(self) -> bool:
        """Whether it is a NIfTI-2 header."""
        return isinstance(self.fields, nibabel.Nifti2Header)

    @property
    def is_pair(self) -> bool:
        """Whether the voxels are in a separate file."""
        return not bytes(self.fields["magic"]).startswith(b"n+")

    @property
    def scale(self) -> tuple[float, float]:
        """Slope and intercept: value = stored * slope + intercept; 1 and 0 if the file does not scale its voxels."""
        slope, intercept = float(self.fields["scl_slope"]), float(self.fields["scl_inter"])
        if slope == 0 or not math.isfinite(slope):
            return 1.0, 0.0
        return slope, intercept if math.isfinite(intercept) else 0.0

    @cached_property
    def sform(self) -> np.ndarray | None:
        """The sform as a matrix (4, 4) from index to LPS mm; None if it is missing or degenerate."""
        if int(self.fields["sform_code"]) <= 0:
            return None
        matrix = np.array([*(self.fields[f"srow_{axis}"] for axis in "xyz"), (0, 0, 0, 1)], float)
        spacing = np.linalg.norm(matrix[:3, :3], axis=0)
        if not (spacing > 1e-6).all() or abs(np.linalg.det(matrix[:3, :3] / spacing)) < 1e-3:
            return None
        matrix[:3] *= _unit(spacing, self.fields)
        return _TO_LPS @ matrix

    @cached_property
    def qform(self) -> np.ndarray | None:
        """The same for the qform."""
        if int(self.fields["qform_code"]) <= 0:
            return None
        vector = np.array([float(self.fields[f"quatern_{axis}"]) for axis in "bcd"])
        square = float(vector @ vector)
        if square > 1:
            vector, square = vector / math.sqrt(square), 1.0
        raw = np.abs(np.asarray(self.fields["pixdim"][1:4], np.float64))
        matrix = np.eye(4)
        matrix[:3, :3] = quat2mat([math.sqrt(max(0.0, 1 - square)), *vector]) * self.sizes[0]
        if float(self.fields["pixdim"][0]) < 0:
            matrix[:3, 2] *= -1
        matrix[:3, 3] = [float(self.fields[f"qoffset_{axis}"]) for axis in "xyz"]
        matrix[:3, 3] *= _unit(raw, self.fields)
        return _TO_LPS @ matrix

    @cached_property
    def sizes(self) -> tuple[np.ndarray, bool]:
        """Voxel sizes (mm) by pixdim, and whether it gives all of them; missing ones are 1 mm.

        Signs are ignored: sizes have none in this format, and other programs ignore them as well.
        """
        sizes = np.abs(np.asarray(self.fields["pixdim"][1:4], np.float64))
        return np.where(sizes > 0, sizes, 1.0) * _unit(sizes, self.fields), bool((sizes > 0).all())

    @property
    def places(self) -> tuple[np.ndarray, ...]:
        """All matrices (4, 4) from index to LPS mm by which some program places this image."""
        found = [self.sform, self.qform, None if self.itk is None else self.itk.matrix]
        if self.sform is None and self.qform is None:
            found += [self._nowhere(), _TO_LPS @ self.fields.get_base_affine()]
        return tuple(matrix for matrix in found if matrix is not None)

    def place(self, role: str) -> tuple[Grid, tuple[Remark, ...]]:
        """The grid of the image, and remarks about its geometry.

        The sform is used, as by most programs, unless it is sheared and the qform is not. Raises InputError where two of
        its axes nearly coincide. `role`: "T1", "FLAIR" or "brain mask".
        """
        matrix, followed = self._followed()
        if least_angle(matrix) < LEAST_ANGLE:
            raise InputError(f"The {role} has {NOT_RIGHT_ANGLED}")
        grid, off_mm = Grid.nearest(self.size, matrix)
        if not followed:
            what = "an Analyze file" if self.analyze else "its sform and qform codes are 0"
            remarks = [unknown_place(role, what, sized=self.sizes[1])]
        else:
            remarks = [sheared(role, off_mm)] if off_mm > SAME_PLACE_MM else []
            remarks += self._contradictions(role, followed)
            remarks = remarks or [*self._sizes_differ(role, grid, followed)]
        return grid, (*remarks, *self._seen_elsewhere(role, matrix, bool(remarks)))

    def of_labels(self) -> Any:
        """A new NIfTI-1 header with this one's geometry: sform and qform with their codes.

        The writer sets type, shape and magic.
        """
        made: Any = nibabel.Nifti1Header()
        made["pixdim"] = 1
        for name in _PLACE_FIELDS:
            made[name] = self.fields[name]
        if self.analyze:
            made["dim_info"] = 0
            for name in _PLACE_FIELDS[5:]:
                made[name] = 0
        made["pixdim"][4:] = 0
        return made

    def _nowhere(self) -> np.ndarray:
        """The default geometry: first voxel at 0, axes to L, P and S, as in ITK and 3D Slicer."""
        return np.diag([*self.sizes[0], 1.0])

    def _followed(self) -> tuple[np.ndarray, str]:
        if self.sform is not None:
            straight = Grid.nearest(self.size, self.sform)[1] <= SAME_PLACE_MM
            if straight or self.qform is None:
                return self.sform, "sform"
        if self.qform is not None:
            return self.qform, "qform"
        return self._nowhere(), ""

    def _contradictions(self, role: str, followed: str) -> Iterator[Remark]:
        if self.broken:
            sentence = (
                f"The header of the {role} places it in a way that cannot be read ({' and '.join(self.broken)}): the "
                f"{followed} was followed; check that sides and places are right"
            )
            yield _remark(sentence, role, 0.0, followed)
        if self.sform is None or self.qform is None:
            return
        mm = apart_mm(self.size, self.sform, self.qform)
        if mm > SAME_PLACE_MM:
            other = "qform" if followed == "sform" else "sform"
            why = ", whose axes are not at right angles" if followed == "qform" else ""
            sentence = (
                f"The header of the {role} places it in two ways that disagree by up to {mm:.1f} mm (sform and qform): the "
                f"{followed} was followed, not the {other}{why}; check that sides and places are right"
            )
            yield _remark(sentence, role, mm, followed)

    def _sizes_differ(self, role: str, grid: Grid, followed: str) -> Iterator[Remark]:
        sizes, named = self.sizes
        mm = float(np.abs((sizes - grid.spacing) * (np.array(self.size) - 1)).max())
        if followed == "sform" and self.qform is None and mm > SAME_PLACE_MM:
            ours, its = (" x ".join(f"{size:.3g}" for size in each) for each in (sizes, grid.spacing))
            sentence = (
                f"The header of the {role} tells two sizes of a voxel, {ours} mm (pixdim) and {its} mm (sform), {mm:.1f} mm "
                "apart over the image: the sform was followed; check that volumes are right"
            )
            yield _remark(sentence, role, mm, followed)
        elif followed == "qform" and not named:
            sentence = (
                f"The header of the {role} does not tell the size of a voxel along each axis: 1 mm was taken where it does "
                "not, so volumes and shapes may be wrong; convert it from DICOM again"
            )
            yield _remark(sentence, role, 0.0, followed)

    def _seen_elsewhere(self, role: str, matrix: np.ndarray, remarks: bool) -> Iterator[Remark]:
        mm = 0.0 if self.itk is None else apart_mm(self.size, matrix, self.itk.matrix)
        if mm > SAME_PLACE_MM:
            why = "" if remarks else ", for the signs of its voxel sizes or its units"
            sentence = (
                f"3D Slicer shows the {role} up to {mm:.1f} mm from where this result places it{why}: coordinates are of the "
                "latter, and the result's image files lie on the scan in either"
            )
            yield Remark(_NAME, sentence, {"image": role, "mm": round(mm, 2), "program": "3D Slicer"})


def _without_broken(fields: Any) -> tuple[str, ...]:
    """Empty those parts of a header's geometry that cannot be read, and name them.

    They must not get into results: ITK would search for a rotation that fits a quaternion too long forever.
    """

    def usable(*values: Any) -> bool:
        flat = np.concatenate([np.ravel(np.asarray(part, np.float64)) for part in values])
        return bool(np.isfinite(flat).all() and np.abs(flat).max() < _MOST_MM)

    turn, offset, rows = (
        [f"{name}_{axis}" for axis in axes]
        for name, axes in (("quatern", "bcd"), ("qoffset", "xyz"), ("srow", "xyz"))
    )
    vector = np.array([float(fields[name]) for name in turn])
    sizes = usable(fields["pixdim"][1:4])
    turned = float(vector @ vector) <= _MOST_OF_QUATERNION
    readable = {
        "qform": sizes and turned and usable(*(fields[name] for name in offset)),
        "sform": usable(*(fields[name] for name in rows)),
    }
    broken = [form for form, good in readable.items() if not good and int(fields[f"{form}_code"]) > 0]
    for form, parts in (("qform", turn + offset), ("sform", rows)):
        for name in (f"{form}_code", *parts) if form in broken else ():
            fields[name] = 0
    if sizes:
        return tuple(broken)
    columns = np.array([fields[name][:3] for name in rows], np.float64)
    fields["pixdim"][1:4] = np.linalg.norm(columns, axis=0) if int(fields["sform_code"]) > 0 else 0
    return "pixdim", *broken


def unknown_place(role: str, what: str, *, sized: bool) -> Remark:
    """The remark about a header that does not say how the head lies. `what`: why. `sized`: whether it has the voxels' sizes."""
    sizes = "" if sized else ", nor how large its voxels are"
    sentence = (
        f"The header of the {role} does not say how the head lies{sizes} ({what}): left and right, front and back, up "
        "and down are unknown, and every side and direction in this result may be wrong; convert it from DICOM again"
    )
    return _remark(sentence, role, 0.0, "neither")


def sheared(role: str, off_mm: float) -> Remark:
    """The remark about axes that were made orthogonal, with the largest displacement."""
    sentence = (
        f"The voxel axes of the {role} are not at right angles by its header: it was read with right angles, which moves it "
        f"by up to {off_mm:.1f} mm; resample it to an ordinary grid, or give the original DICOM images"
    )
    return _remark(sentence, role, off_mm, "right angles")


def _unit(sizes: np.ndarray, fields: Any) -> float:
    """Millimetres per unit of the header. Many headers name another unit but mean mm; then voxel sizes would be implausible."""
    factor = _UNITS.get(int(fields["xyzt_units"]) & 7, 1.0)
    plausible = (sizes * factor >= _USUAL_MM[0]) & (sizes * factor <= _USUAL_MM[1])
    return factor if plausible[sizes > 0].all() else 1.0


def _remark(sentence: str, role: str, mm: float, followed: str) -> Remark:
    return Remark(_NAME, sentence, {"image": role, "mm": round(mm, 2), "followed": followed})
