"""A collection on disk: the database that is the truth, the sidecars rebuilt from it, and views bound to principals."""
