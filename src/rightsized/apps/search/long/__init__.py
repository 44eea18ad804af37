"""Documents longer than a model reads: their clauses ranked whole, packed into a budget of tokens, and summarised."""
