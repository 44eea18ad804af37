"""Document search. Reserved."""
