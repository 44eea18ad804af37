"""Long work in a child process: progress, memory limit, checkpoint, cancel and a table of jobs."""
