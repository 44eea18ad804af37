"""Sample data written for this project."""
