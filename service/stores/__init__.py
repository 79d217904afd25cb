"""Where snapshots of streams live."""
