"""Whole files and folders, locks and hashes: what knows nothing of images."""
