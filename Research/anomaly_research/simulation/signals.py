"""What a tissue looks like on the paper's T1 and FLAIR: signal equations and relaxation times at 1.5 T.

Gradient echo (spoiled, steady state) and inversion recovery with a magnitude reconstruction, with the
repetition, echo and inversion times of the paper (van Hespen et al. 2021, "Data"). The flip angle is not in
the paper; 80 degrees is a usual choice for a 2D T1-weighted gradient echo of that TR.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np


@dataclass(frozen=True)
class Tissue:
    """Proton density (0 to 1, relative to water) and relaxation times in ms at 1.5 T."""

    pd: float
    t1: float
    t2: float
    t2_star: float


# The table of docs/method.md, "Simulating infarcts". The lesion rows are design values without a citable source at 1.5 T.
WHITE_MATTER = Tissue(0.70, 600, 75, 60)
GREY_MATTER = Tissue(0.82, 950, 92, 65)
CSF = Tissue(1.00, 4300, 1800, 900)
WHITE_MATTER_HYPERINTENSITY = Tissue(0.82, 1000, 130, 90)
GLIOTIC_RIM = Tissue(0.85, 1250, 170, 110)
OLD_CAVITY = Tissue(0.97, 3500, 900, 500)

# Outside the brain only the look matters: brain extraction has to meet a skull it knows. T2 of fat is the
# long apparent one of a turbo spin echo.
FAT = Tissue(0.80, 260, 95, 50)
MARROW = Tissue(0.60, 350, 75, 30)
MUSCLE = Tissue(0.75, 900, 45, 30)
SKIN = Tissue(0.60, 750, 55, 30)
CORTICAL_BONE = Tissue(0.04, 300, 5, 1)
VITREOUS = Tissue(0.98, 4000, 1500, 700)


def gradient_echo(tissue: Tissue, tr: float = 235.0, te: float = 2.0, flip_deg: float = 80.0) -> float:
    """The T1-weighted signal: S = PD sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE / T2*) with
    E1 = exp(-TR / T1). Times in ms."""
    flip = np.deg2rad(flip_deg)
    e1 = np.exp(-tr / tissue.t1)
    return float(tissue.pd * np.sin(flip) * (1 - e1) / (1 - np.cos(flip) * e1) * np.exp(-te / tissue.t2_star))


def flair(tissue: Tissue, tr: float = 6000.0, te: float = 100.0, ti: float = 2000.0) -> float:
    """The FLAIR signal: S = PD |1 - 2 exp(-TI / T1) + exp(-TR / T1)| exp(-TE / T2). Times in ms."""
    recovery = abs(1 - 2 * np.exp(-ti / tissue.t1) + np.exp(-tr / tissue.t1))
    return float(tissue.pd * recovery * np.exp(-te / tissue.t2))


#: The signal of a tissue on each image.
EQUATIONS = {"t1": gradient_echo, "flair": flair}


def vary(tissue: Tissue, rng: np.random.Generator, spread: float) -> Tissue:
    """The tissue of one person: every value times a factor drawn evenly from 1 - spread to 1 + spread.

    Proton density stays at or below that of water; T2* at or below T2.
    """
    pd, t1, t2, t2_star = (np.array(astuple(tissue)) * rng.uniform(1 - spread, 1 + spread, 4)).tolist()
    return Tissue(min(pd, 1.0), t1, t2, min(t2_star, t2))


def vary_brain(rng: np.random.Generator) -> tuple[Tissue, Tissue, Tissue]:
    """One person's white matter, grey matter and CSF.

    Independent draws can turn the contrast of the brain over, which no living person shows; so they are
    repeated until grey matter is 1.15 to 1.35 of white matter on FLAIR and 0.70 to 0.85 on T1, and CSF is
    nearly nulled on FLAIR.
    """
    while True:
        white, grey, csf = (vary(tissue, rng, 0.15) for tissue in (WHITE_MATTER, GREY_MATTER, CSF))
        if (
            1.15 <= flair(grey) / flair(white) <= 1.35
            and 0.70 <= gradient_echo(grey) / gradient_echo(white) <= 0.85
            and flair(csf) / flair(white) <= 0.25
        ):
            return white, grey, csf


def vary_lesion(lesion: Tissue, white: Tissue, grey: Tissue, rng: np.random.Generator) -> Tissue:
    """One lesion's tissue, drawn until it still is what its name says.

    Gliosis and hyperintensities have to be brighter than the person's grey matter on FLAIR and darker than
    white matter on T1; a cavity darker than white matter on both.
    """
    cavity = flair(lesion) < flair(WHITE_MATTER)
    while True:
        drawn = vary(lesion, rng, 0.30)
        if gradient_echo(drawn) >= (0.6 if cavity else 0.9) * gradient_echo(white):
            continue
        if (flair(drawn) < 0.5 * flair(white)) if cavity else (flair(drawn) > 1.2 * flair(grey)):
            return drawn
