"""`python -m AnomalyDetectionLib.cohort.snakemake_process PID ...`: Snakemake, which ends when process PID is gone."""

from __future__ import annotations

import os
import sys

from ..files.parent_process import call_when_process_ends


def main() -> None:
    """Run Snakemake with the arguments after the first."""
    call_when_process_ends(int(sys.argv[1]), lambda: os._exit(1))
    from snakemake.cli import main as snakemake

    snakemake(sys.argv[2:])


if __name__ == "__main__":
    main()
