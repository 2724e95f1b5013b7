"""A model's statistics, rates and threshold from normal scans of one's own."""
