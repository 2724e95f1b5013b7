"""The most similar normal tissue that a model has seen: the nearest library patches in latent space.

After the paper's nearest neighbour analysis (figure 6). Distances are Euclidean in the encoder's z as it is: of
the metrics tried (each element scaled by its SD or MAD, all whitened, cosine), its nearest patches look most
like the patch itself, almost as much as the nearest by the voxels' own values. Without torch, so that Slicer's
own process can look things up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..imaging.preparation_settings import PreparationSettings
from ..imaging.prepared import PreparedStudy
from ..model import library as normal_library
from ..model.library import NormalLibrary
from ..model.model_settings import NetworkSettings
from ..model.plain_encoder import NAMES, PlainEncoder
from .score_map import ScoreMap

if TYPE_CHECKING:
    from ..model.model_file import AnyModel

COUNT = 5  # Number of neighbours shown
_WEIGHTS = "generator."


@dataclass(frozen=True, eq=False)
class NearestNormals:
    """A patch and the most similar patches of normal tissue."""

    patch: np.ndarray  # float32 (2, 15, 15), scaled intensities as the network sees them, T1 first
    neighbours: np.ndarray  # float32 (k, 2, 15, 15), the nearest first
    distances: np.ndarray  # float (k,), in z
    which: np.ndarray  # int (k,), their places in the library
    # median and 95th percentile of the distance between normal tissue of other people and its nearest library
    # patch
    usual: tuple[float, float]


class NormalTissue:
    """A model's library of normal patches, to look things up in."""

    def __init__(self, encoder: PlainEncoder, library: NormalLibrary, outside_brain: str) -> None:
        """Make a library ready. `outside_brain`: as in `PreparationSettings`."""
        self._encoder, self._library, self._outside_brain = encoder, library, outside_brain
        self._latents = library.latents.astype(np.float32)
        self._squares = np.square(self._latents).sum(1)

    @classmethod
    def of(cls, model: AnyModel) -> NormalTissue | None:
        """That of a model; None where it has no library, as no model but those of the paper's kind has."""
        from ..model.paper_model import Model

        if not isinstance(model, Model) or model.library is None:
            return None
        weights = {name: model.weights[name].numpy() for name in NAMES}
        return cls(PlainEncoder(weights, model.network), model.library, model.preparation.outside_brain)

    @classmethod
    def read(cls, path: Path) -> NormalTissue | None:
        """That of a model file, of which only what is needed is read; None where it has no library. Raises
        InputError where the file cannot be read, or is damaged."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np") as content:
                header = content.metadata() or {}
                if normal_library.HEADER not in header:
                    return None
                values = json.loads(header["network"])
                network = NetworkSettings(**{**values, "widths": tuple(values["widths"])})
                found = normal_library.from_file(content.get_tensor, header, network.latent_size)
                weights = {name: content.get_tensor(_WEIGHTS + name) for name in NAMES}
            outside = PreparationSettings(**json.loads(header["preparation"])).outside_brain
            assert found is not None
            return cls(PlainEncoder(weights, network), found, outside)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"The normal tissue of the model {path} cannot be read: the file is missing or damaged; get it anew."
            ) from error

    def __len__(self) -> int:
        return len(self._library)

    def patches(self) -> np.ndarray:
        """float32 (n, 2, 15, 15): all of them."""
        return self._library.intensities()

    def nearest(self, patch: np.ndarray, count: int = COUNT) -> NearestNormals:
        """The most similar normal patches. `patch`: float (2, 15, 15), T1 first, scaled as the network sees it.
        `count`: how many, at most."""
        patch = patch.astype(np.float32, copy=False)
        z = self._encoder(patch[None])[0]
        # On one thread, as in the encoder.
        squares = self._squares - 2 * np.einsum("ij,j->i", self._latents, z)
        near = np.argpartition(squares, min(count, len(squares) - 1))[:count]
        # Differences, not squares less products, which would leave a distance of 0 at the rounding of large numbers.
        distances = np.linalg.norm(self._latents[near] - z, axis=1).astype(np.float64)
        order = np.argsort(distances, kind="stable")
        near = near[order]
        alike, usual = self._library.intensities(near), self._library.usual
        return NearestNormals(patch, alike, distances[order], near, usual)

    def of_patch(self, scores: ScoreMap, index: tuple[int, int, int], count: int = COUNT) -> NearestNormals:
        """The normal tissue most similar to a patch of a scored brain. `scores`: of a brain that was prepared
        as the model wants it. `index`: (slice, row, column) of the lattice, such as a finding's `peak_patch`."""
        return self.nearest(self.patch_at(scores.study, scores.voxel_of(index)), count)

    def patch_at(self, study: PreparedStudy, centre: tuple[int, int, int]) -> np.ndarray:
        """float32 (2, 15, 15): the patch round a voxel (slice, row, column) as the network sees it, T1 first."""
        half, (s, row, column) = self._library.patches.shape[-1] // 2, centre
        last = np.array(study.brain.shape[1:]) - 1
        rows, columns = (np.arange(at - half, at + half + 1) for at in (row, column))
        place = s, np.clip(rows, 0, last[0])[:, None], np.clip(columns, 0, last[1])
        # Beyond the image as beyond the brain.
        shown = (place[1] == rows[:, None]) & (place[2] == columns)
        if self._outside_brain != "keep":
            shown &= study.brain[place]
        return np.stack([np.where(shown, image[place], np.float32(0)) for image in (study.t1, study.flair)])
