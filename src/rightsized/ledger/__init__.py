"""Decisions on record: an append-only SQLite log with group commit. Proofs are to come."""
