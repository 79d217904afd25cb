"""`stepwatch demo`: placeholder until the plant is there."""


def demo() -> None:
    """Train on a simulated plant, serve, inject faults, print alerts."""
