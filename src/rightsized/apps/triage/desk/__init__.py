"""The desk: who answers when, what is owed by when, what it costs to wait. Pure functions; time is an argument."""
