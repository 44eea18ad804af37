"""E-mail and ticket triage. Reserved."""
