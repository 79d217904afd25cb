"""The numbers: scorers, scoring, thresholds and the bank of streams, on numpy and torch alone."""
