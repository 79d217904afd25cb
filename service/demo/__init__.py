"""The simulated plant and its gateway, a client like any other."""
