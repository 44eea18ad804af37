"""Code review. Reserved."""
