"""The scoreboard: labelled recordings through the bank like live traffic, and what came of it."""
