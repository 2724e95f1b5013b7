"""A model's statistics, false positives per scan and threshold, from your own normal scans."""
