"""Anatomy, signal equations, lesions, and patients made of them."""
