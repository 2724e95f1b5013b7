"""Patches, scoring, findings, and the detector that joins them."""
