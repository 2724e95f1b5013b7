"""The detection as a process of its own."""
