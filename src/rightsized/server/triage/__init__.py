"""The HTTP face of triage: what its routes take and give, and their handlers."""
