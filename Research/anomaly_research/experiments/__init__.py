"""The paper's experiments, and those that go beyond it."""
