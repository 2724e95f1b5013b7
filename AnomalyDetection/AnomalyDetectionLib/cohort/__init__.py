"""Cohorts in the layout of BIDS: every scan analysed once, whatever happens meanwhile, and the group looked at."""
