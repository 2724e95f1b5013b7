"""Detect images missing at either end of a DICOM series, where slice positions cannot show it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .headers import Instance


def expected_image_count(instances: Sequence[Instance]) -> int | None:
    """The expected number of classic images, if the series seems incomplete; None otherwise.

    By ImagesInAcquisition, or by InstanceNumbers that start late or have gaps; where the gaps are regular, only if
    SpacingBetweenSlices confirms them. Common benign causes are excluded: reformats copy the number of their source;
    echoes, time points or image types of one acquisition that are split into several series share its image count and
    numbering.
    """
    have = len(instances)
    first = instances[0]
    if have < 2 or any(len(instance.frames) != 1 for instance in instances):
        return None
    if "DERIVED" in first.sequence.image_type:
        return None
    counts = {instance.images_in_acquisition for instance in instances}
    expected = counts.pop() if len(counts) == 1 else 0
    shared = expected % have == 0 and (first.temporal_positions > 1 or first.echo_number > 1)
    if have < expected and not shared:
        return expected
    if expected == have:
        return None
    numbers = sorted({instance.instance_number for instance in instances})
    return _by_numbers(numbers, have) or _by_distance(instances, numbers)


def _by_numbers(numbers: Sequence[int], have: int) -> int | None:
    if len(numbers) < have or numbers[0] < 1:
        return None
    steps = np.diff(numbers)
    before = numbers[0] - 1 if numbers[0] <= have else 0  # a higher first number is just another numbering
    if (steps == 1).all():
        return numbers[-1] if before and before % have else None
    if (steps == steps[0]).all():  # every second number: another series has the others
        return None
    holes = numbers[-1] - numbers[0] + 1 - have
    return have + holes + before if holes < have / 2 else None


def _by_distance(instances: Sequence[Instance], numbers: Sequence[int]) -> int | None:
    """Where every second number is missing (or two of three, ...) and the slices are twice as far apart as the scanner says:
    they are not in another series."""
    step = numbers[1] - numbers[0] if len(numbers) == len(instances) else 1
    told = instances[0].slice_spacing
    if step < 2 or not told or told < 0 or (np.diff(numbers) != step).any():
        return None
    ordered = sorted(instances, key=lambda instance: instance.instance_number)
    places = [frame.position for instance in ordered for frame in instance.frames if frame.position]
    apart = np.linalg.norm(np.diff(places, axis=0), axis=1) if len(places) == len(instances) else np.zeros(1)
    return step * (len(instances) - 1) + 1 if np.allclose(apart, step * told, rtol=0.05) else None
