"""The append-only log of decisions: SQLite, group commit, and the recorder that wraps an answerer."""
