"""Networks and the model file: weights, statistics, settings, card."""
