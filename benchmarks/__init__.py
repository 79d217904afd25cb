"""Measurements and acceptance runs; `benchmarks/README.md` says how to repeat them."""
