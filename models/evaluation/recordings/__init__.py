"""Labelled recordings: of one machine, and how they lie on disk."""
