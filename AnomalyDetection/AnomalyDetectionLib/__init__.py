"""AnomalyDetection: suspected anomalies on T1 and FLAIR brain MRI, after van Hespen et al. (2021).

The engine. It knows nothing of 3D Slicer: the Slicer module, the command line and cohort runs are
doors to the same call. A scan passes through four immutable values, one way::

    Study -> PreparedStudy -> ScoreMap -> Findings

Research use only; not a medical device.
"""

__version__ = "0.2.0"
