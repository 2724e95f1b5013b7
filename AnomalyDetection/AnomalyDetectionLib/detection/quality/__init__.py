"""Checks of a scan before its result is trusted: one file each. Warnings, never refusals."""
