"""Long work in a child process: progress, memory limit, cancel, and a table that any process can read."""
