"""A safe read-only view of an image's voxels, without a copy."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk


def voxels_of(image: sitk.Image) -> np.ndarray:
    """The values of an image as a read-only array (slices, rows, columns) on the image's own memory.

    Use it in place of `SimpleITK.GetArrayViewFromImage`: since SimpleITK 2.5.7 such a view no longer keeps its image alive,
    and reads freed memory unless something else does. This array keeps the memory alive: it stays valid when the image is
    deleted, or changed in place (SimpleITK then gives the image new memory).
    """
    return np.asarray(_Voxels(image))


class _Voxels:
    """The object that numpy keeps alive as the owner of the memory."""

    def __init__(self, image: sitk.Image) -> None:
        self.__array_interface__ = sitk.GetArrayViewFromImage(image).__array_interface__  # noqa: TID251
        self._image = sitk.Image(image)  # shares the memory
