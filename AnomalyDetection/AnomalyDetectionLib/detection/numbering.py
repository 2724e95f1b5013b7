"""Findings keep their numbers when the threshold or the least size changes.

The scores stay, so the groups of patches nest: a higher threshold shrinks or splits a finding, a lower one
grows or joins them. A number therefore belongs to a patch, the highest of the finding that first had it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..grid import Grid
from ..imaging.voxels import voxels_of
from .findings import Findings
from .score_map import ScoreMap


@dataclass(frozen=True)
class FindingNumbers:
    """All numbers ever given to findings of one score map. `peaks`: lattice index (slice, row, column) of the
    patch that number 1, 2, ... belongs to; None for the number of a finding that the reader added by hand."""

    peaks: tuple[tuple[int, int, int] | None, ...]

    def with_manual_finding(self) -> tuple[FindingNumbers, int]:
        """The numbers with one more, for a finding added by the reader; and that number."""
        return FindingNumbers((*self.peaks, None)), len(self.peaks) + 1


def keep_numbers(
    findings: Findings, scores: ScoreMap, known: FindingNumbers | None
) -> tuple[Findings, FindingNumbers]:
    """Give findings the numbers that they had before.

    A finding takes the number whose patch lies in it; of several, the one with the highest score there (the
    lower number, where they are equal). One that holds no known patch gets the next number that was never used,
    those with the highest peak first. So a number never passes to another finding, and a threshold that is
    raised and lowered again brings all numbers back.

    Returns the findings sorted by number, with label map, and all numbers known from now on. Raises InputError
    if the numbers exceed what a uint16 label map can hold.

    `findings`: as `derive_findings` made them from `scores`. `scores`: the same score map as for `known`.
    `known`: None the first time: then the numbers stay as they are."""
    if known is None:
        return findings, FindingNumbers(tuple(finding.peak_patch for finding in findings.items))
    groups = findings.groups
    if groups is None:
        raise ValueError("the findings do not know their patches")
    number_of_group: dict[int, int] = {}
    detected = [(peak, number) for number, peak in enumerate(known.peaks, start=1) if peak is not None]
    for peak, number in sorted(detected, key=lambda known: (-float(scores.lattice[known[0]]), known[1])):
        number_of_group.setdefault(int(groups[peak]), number)
    peaks = list(known.peaks)
    renumbered = []
    lookup = np.zeros(max((finding.number for finding in findings.items), default=0) + 1, np.uint16)
    for finding in sorted(findings.items, key=lambda finding: finding.number):
        number = number_of_group.get(int(groups[finding.peak_patch]), 0)
        if not number:
            peaks.append(finding.peak_patch)
            number = len(peaks)
            if number > np.iinfo(np.uint16).max:
                raise InputError(
                    "There were too many different findings to be numbered: choose a higher threshold and run again."
                )
        lookup[finding.number] = number
        renumbered.append(replace(finding, number=number))
    labels = Grid.of(findings.labels).image(lookup[voxels_of(findings.labels)])
    items = tuple(sorted(renumbered, key=lambda finding: finding.number))
    return replace(findings, items=items, labels=labels, groups=None), FindingNumbers(tuple(peaks))
