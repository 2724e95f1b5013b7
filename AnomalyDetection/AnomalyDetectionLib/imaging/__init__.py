"""Volumes in and out, geometry and registration, brain mask, bias field and intensity."""
