"""Research on anomaly detection: training, evaluation, simulation and the experiments of the paper; never in Slicer."""
