"""Document search over HTTP: bodies and handlers. What may be seen is decided by the view, never here."""
