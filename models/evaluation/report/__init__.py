"""What came of the trials, as Markdown, JSON and pictures."""
