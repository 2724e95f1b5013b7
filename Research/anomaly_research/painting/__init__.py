"""Painted lesions and distractors: what the context detector learns from. The simulated patients are another generator."""
