"""Align masks that were drawn on a scan's voxels, whichever geometry their header follows."""

from __future__ import annotations

import SimpleITK as sitk

from ..grid import SAME_PLACE_MM, Grid, apart_mm
from .nifti_header import NiftiHeader
from .volume import Volume


def placed_on(mask: Volume, grid: Grid, header: NiftiHeader | None) -> sitk.Image:
    """A mask's image on the grid of its scan, if it has the same voxels.

    A mask has the same voxels as its scan if their number agrees and one of its geometries (sform, qform, ITK's
    reading) is one of the scan's: then it gets the scan's grid, voxel for voxel. Other masks keep their place
    in physical space. `grid`: of the scan, as it was read. `header`: of the scan, if it is a NIfTI file."""
    if mask.image.GetSize() != grid.size:
        return mask.image
    its, scans = (
        [place.matrix, *(() if nifti is None else nifti.places)]
        for place, nifti in ((Grid.of(mask.image), mask.header), (grid, header))
    )
    if not any(apart_mm(grid.size, one, other) <= SAME_PLACE_MM for one in its for other in scans):
        return mask.image
    image = sitk.Image(mask.image)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    return image
