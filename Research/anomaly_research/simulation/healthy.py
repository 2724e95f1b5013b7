"""The signals of a head without lesions."""

from __future__ import annotations

import numpy as np

from .random_fields import smooth_noise
from .signals import Tissue, flair, gradient_echo, vary, vary_brain
from .simulated_brain import Brain
from .surrounding_tissues import SurroundingTissues

#: The signal of a tissue on each image.
EQUATIONS = {"t1": gradient_echo, "flair": flair}


def healthy_signals(
    brain: Brain, head: SurroundingTissues, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], tuple[Tissue, Tissue, Tissue]]:
    """The signals of a head without lesions, and the white matter, grey matter and CSF of the person.

    Returns:
        For "t1" and "flair" float32 like the brain's arrays, relative to the person's white matter.
    """
    white, grey, fluid = tissues = vary_brain(rng)
    spacing = brain.grid.spacing[::-1]
    present = [(white, brain.white), (grey, brain.grey), (fluid, brain.csf)]
    present += [(vary(t, rng, 0.15), amount) for t, amount in head.fractions]
    signals = {}
    for name, equation in EQUATIONS.items():
        signal = np.zeros(brain.mask.shape, np.float32)
        for tissue, amount in present:
            signal += np.float32(equation(tissue) / equation(white)) * amount
        # Living tissue is not of one brightness.
        texture = 0.025 * smooth_noise(rng, signal.shape, spacing, 3.0)
        texture += 0.03 * smooth_noise(rng, signal.shape, spacing, 25.0)
        signals[name] = signal * (1 + texture)
    return signals, tissues
