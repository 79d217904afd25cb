"""Pictures of a replay and of a training, and what pictures of time series have in common.

Modules named `..._picture`, and `panels`, need matplotlib: import them once `files.can_draw` says
that it is there.
"""
