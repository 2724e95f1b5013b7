"""Cohorts in BIDS layout: every scan is analysed exactly once, even after crashes, and the group is summarised."""
