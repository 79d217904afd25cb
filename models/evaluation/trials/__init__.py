"""One scorer on one machine: trained, run through the bank like live traffic, measured, cached."""
