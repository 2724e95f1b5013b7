"""The layout of BIDS datasets: scans, the truth about them, and which T1 and FLAIR belong together."""
