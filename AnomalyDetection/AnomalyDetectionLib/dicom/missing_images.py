"""Whether images of a DICOM series seem to be missing where their places cannot tell: at either end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .headers import Instance


def expected_image_count(instances: Sequence[Instance]) -> int | None:
    """How many images the series of classic images had, if that seems to be more than there are; None otherwise.

    ImagesInAcquisition tells it, or InstanceNumbers that have holes or begin late. Neither counts where it has
    another usual reason: reformats copy the number of their source; several echoes, time points or kinds of images of
    one acquisition, brought into series of their own, share its number of images and take turns in its numbering.
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
    return _by_numbers(sorted({instance.instance_number for instance in instances}), have)


def _by_numbers(numbers: Sequence[int], have: int) -> int | None:
    if len(numbers) < have or numbers[0] < 1:
        return None
    steps = np.diff(numbers)
    before = numbers[0] - 1 if numbers[0] <= have else 0  # a higher first number is a way of numbering
    if (steps == 1).all():
        return numbers[-1] if before and before % have else None
    if (steps == steps[0]).all():  # every second one: another series has the others
        return None
    holes = numbers[-1] - numbers[0] + 1 - have
    return have + holes + before if holes < have / 2 else None
