"""From files to text with structure: one format a file, each run in a process of its own. Found by media type."""
