"""This computer's own metrics: read, recorded, learned from and told about."""
