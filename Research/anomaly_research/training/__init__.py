"""The file of prepared scans, patch sampling, the training loop and its curves."""
