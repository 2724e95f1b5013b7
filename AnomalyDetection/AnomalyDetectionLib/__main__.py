"""`python -m AnomalyDetectionLib` is the same as `anomaly-detection`."""

from .cli import main

if __name__ == "__main__":
    main()
