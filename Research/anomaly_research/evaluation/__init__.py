"""How much of what is there is found: lesion matching, the FLAIR-threshold baseline, tables."""
