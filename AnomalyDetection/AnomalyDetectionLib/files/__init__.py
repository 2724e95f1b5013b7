"""Atomic writes of files and folders, locks, hashes and safe text; nothing here knows about images."""
