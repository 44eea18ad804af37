"""The applications. Reserved: triage, search and review stand here; they do not import each other."""
