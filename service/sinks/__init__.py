"""Where verdicts and alerts go."""
