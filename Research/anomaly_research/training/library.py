"""A representative library of training patches, chosen so that normal tissue is never far from one of them.

Patches fall into as many groups in latent space (k-means) as the library may hold; of each group it keeps the
patch nearest to the middle. Patches are kept as bytes, in random order, without position and without whose they
are, and between any two of a slice lie at least `GAP` voxels: so no image can be put together from them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from AnomalyDetectionLib.calibration.patch_source import PatchSource
from AnomalyDetectionLib.model.library import NormalLibrary, dequantised, most_patches, quantised
from AnomalyDetectionLib.model.networks import Generator
from torch import Tensor

CANDIDATES = 100_000
HELD_OUT = 10_000
ROUNDS = 10
LEAST_OF_A_GROUP = 4  # candidates; with fewer, a group would be a patch and what lies beside it
BATCH = 2048
GAP = 5
HALF_MAX = torch.finfo(torch.float16).max


@dataclass(frozen=True, eq=False)
class Built:
    """A library, and how well it covers normal tissue."""

    library: NormalLibrary
    distance: float  # mean distance in z of held-out patches to the nearest library patch
    at_random: float  # the same for as many candidates taken at random
    candidates: int  # how many patches it was chosen from

    def note(self) -> dict[str, Any]:
        """What the model's card says about it."""
        return {
            "what": f"{len(self.library)} training patches of 15 x 15 voxels, for comparison with findings: derived "
            "from the scans trained on, under their terms (see licences)",
            "choice": f"the patches nearest to the middle of the groups that {self.candidates} training patches fall "
            "into in latent space (k-means)",
            "privacy": "8-bit intensities, in random order, without position and without whose they are; they lie at "
            f"least {GAP} voxels apart, so that no image can be put together from them",
            "bytes": int(self.library.patches.nbytes + self.library.latents.nbytes),
            "mean distance of held-out patches to the nearest": round(self.distance, 3),
            "the same, of as many patches at random": round(self.at_random, 3),
        }


def build_library(
    generator: Generator,
    source: PatchSource,
    held_out: PatchSource,
    *,
    most: int | None = None,
    seed: int = 0,
) -> Built:
    """Choose a library among training patches.

    Args:
        generator: on the device of the sources; it is left in evaluation mode.
        source: training patches; none of people who are held out or left out.
        held_out: patches of people not trained on, for the usual distances.
        most: how many patches at most; None: as many as a model file may hold.
    """
    generator.eval()
    random = torch.Generator().manual_seed(seed)
    # A small source may have drawn a patch twice.
    _, distinct = np.unique(source.centres.cpu().numpy(), return_index=True)
    which = torch.from_numpy(distinct)[torch.randperm(len(distinct), generator=random)[:CANDIDATES]]
    latents = _latents(generator, source, which)
    limit = most_patches(latents.shape[1])
    count = max(1, min(limit if most is None else min(most, limit), len(which) // LEAST_OF_A_GROUP))
    centres = _k_means(latents, latents[torch.randperm(len(latents), generator=random)[:count]])
    line, column = np.divmod(source.centres.cpu()[which].numpy(), source.columns)
    places = np.stack([*np.divmod(line, source.rows), column], axis=1)
    chosen = _medoids(latents, centres, places, source.patch_size + GAP)
    chosen = chosen[torch.randperm(len(chosen), generator=random)]
    cut = source.gather(which[chosen].to(source.centres.device)).cpu().contiguous().numpy()
    values, low, step = quantised(cut)
    # The latent vectors of what is kept, not of what was cut: a kept patch then lies at distance 0 from itself.
    kept = torch.from_numpy(dequantised(values, low, step))
    z = _encoded(generator, kept.to(source.centres.device)).clamp(-HALF_MAX, HALF_MAX).half()
    others = torch.randperm(len(held_out), generator=random)[:HELD_OUT]
    probes = _latents(generator, held_out, others)
    distances = _nearest(probes, z.float())
    usual = (float(distances.median()), float(distances.quantile(0.95)))
    at_random = latents[torch.randperm(len(latents), generator=random)[: len(chosen)]]
    library = NormalLibrary(values, z.numpy(), low, step, usual)
    mean, mean_at_random = float(distances.mean()), float(_nearest(probes, at_random).mean())
    return Built(library, mean, mean_at_random, len(which))


@torch.inference_mode()
def _encoded(generator: Generator, patches: Tensor) -> Tensor:
    return torch.cat([generator.encoder(batch).float().cpu() for batch in patches.split(BATCH)])


@torch.inference_mode()
def _latents(generator: Generator, source: PatchSource, which: Tensor) -> Tensor:
    """float32 (n, latent_size) on the CPU: z of the patches numbered `which`."""
    batches = which.to(source.centres.device).split(BATCH)
    return torch.cat([_encoded(generator, source.gather(batch)) for batch in batches])


def _groups(latents: Tensor, centres: Tensor) -> Tensor:
    """The nearest centre of each vector."""
    half_squares = centres.square().sum(1) / 2
    return torch.cat([(part @ centres.T - half_squares).argmax(1) for part in latents.split(BATCH // 2)])


def _k_means(latents: Tensor, centres: Tensor) -> Tensor:
    """The middles of groups (Lloyd's algorithm), from some to begin with."""
    for _ in range(ROUNDS):
        group = _groups(latents, centres)
        members = torch.bincount(group, minlength=len(centres))[:, None]
        sums = torch.zeros_like(centres).index_add_(0, group, latents)
        centres = torch.where(members > 0, sums / members.clamp_min(1), centres)
    return centres


def _medoids(latents: Tensor, centres: Tensor, places: np.ndarray, apart: int) -> Tensor:
    """Of each group the patch nearest to its middle that is apart from those of the groups before it.

    Groups all of whose patches are too near to chosen ones go without. `places`: slice, row and column of the
    patches' centres; within a slice, those chosen differ by at least `apart` rows or columns.
    """
    group = _groups(latents, centres)
    distance = (latents - centres[group]).norm(dim=1)
    chosen: dict[int, int] = {}
    taken: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for number in np.lexsort((distance.numpy(), group.numpy())).tolist():
        z, y, x = places[number].tolist()
        near = (abs(y - b) < apart and abs(x - a) < apart for b, a in taken[z])
        if int(group[number]) not in chosen and not any(near):
            taken[z].append((y, x))
            chosen[int(group[number])] = number
    return torch.tensor(list(chosen.values()))


def _nearest(probes: Tensor, latents: Tensor) -> Tensor:
    """The distance of each probe to the nearest vector."""
    return torch.cat([torch.cdist(part, latents).min(1).values for part in probes.split(BATCH)])
