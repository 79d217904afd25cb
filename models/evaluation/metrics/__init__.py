"""How well scores and alarms find what is labelled: plain functions of arrays."""
