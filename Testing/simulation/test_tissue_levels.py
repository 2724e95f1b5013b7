"""The levels of tissues and the noise, read off a scan."""

from __future__ import annotations

import numpy as np
import pytest
from anomaly_research.simulation import signals
from anomaly_research.simulation.tissue_levels import Noise, TissueLevels, measure_noise, tissue_levels

LEVELS = {"csf": (0.05, 0.02), "grey": (0.6, 0.75), "white": (0.95, 0.6)}  # T1, FLAIR


@pytest.fixture(scope="module")
def scan():
    """T1, FLAIR, brain and pure CSF: shells of CSF and grey matter round white matter, with ventricles."""
    s, r, c = np.indices((30, 190, 160))
    depth = np.sqrt(((s - 15) * 4 / 56) ** 2 + ((r - 95) * 0.9 / 82) ** 2 + ((c - 80) * 0.9 / 66) ** 2)
    brain = depth < 1
    ventricles = (abs(s - 16) < 4) & (((r - 95) / 30) ** 2 + ((c - 80) / 14) ** 2 < 1)
    tissue = np.select([~brain, (depth > 0.96) | ventricles, depth > 0.86], [0, 1, 2], 3)
    rng = np.random.default_rng(0)
    images = []
    for channel in range(2):
        values = np.array([0.0, *(LEVELS[name][channel] for name in ("csf", "grey", "white"))])
        images.append((values[tissue] + rng.normal(0, 0.02, tissue.shape)).astype(np.float32))
    return images[0], images[1], brain, ventricles


def test_the_levels_of_the_tissues_are_read_off_the_scan(scan):
    levels = tissue_levels(*scan[:3])
    for name, expected in LEVELS.items():
        assert getattr(levels, name) == pytest.approx(expected, abs=0.03)


def test_fluid_is_read_in_the_ventricles_where_they_are_large_enough(scan):
    t1, flair, _, ventricles = scan
    wrong = TissueLevels((0.3, 0.4), (0.6, 0.75), (0.95, 0.6))
    assert wrong.with_fluid(t1, flair, ventricles).csf == pytest.approx(LEVELS["csf"], abs=0.01)
    assert wrong.with_fluid(t1, flair, np.zeros_like(ventricles)) == wrong


def test_white_matter_and_fluid_have_their_own_levels():
    levels = TissueLevels((10.0, 20.0), (60.0, 90.0), (100.0, 70.0))
    for channel in range(2):
        assert levels.of(signals.WHITE_MATTER, channel) == pytest.approx(levels.white[channel])
        assert levels.of(signals.CSF, channel) == pytest.approx(levels.csf[channel])
    # The table of docs/method.md: the rim is 0.67 and 1.66 of white matter, CSF 0.26 and 0.05.
    assert levels.of(signals.GLIOTIC_RIM, 0) == pytest.approx(10 + 90 * (0.67 - 0.26) / 0.74, abs=1.0)
    assert levels.of(signals.GLIOTIC_RIM, 1) == pytest.approx(20 + 50 * (1.66 - 0.05) / 0.95, abs=1.0)


@pytest.mark.parametrize("blur", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("sd", [3.0, 40.0])
def test_noise_is_measured_with_its_smoothness(blur, sd):
    rng = np.random.default_rng(1)
    image = 500 + Noise(sd, blur).draw(rng, (8, 80, 80))
    found = measure_noise(image, np.ones(image.shape, bool))
    assert found.sd == pytest.approx(sd, rel=0.1)
    assert found.blur == pytest.approx(blur, abs=0.12)


def test_drawn_noise_has_its_spread_up_to_the_border():
    noise = Noise(5.0, 0.9).draw(np.random.default_rng(2), (4, 200, 200))
    assert noise.std() == pytest.approx(5.0, rel=0.05)
    assert noise[:, :2].std() == pytest.approx(5.0, rel=0.1)
