"""How observations come in and verdicts go back."""
