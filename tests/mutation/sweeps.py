"""x."""

MUTANTS = []
