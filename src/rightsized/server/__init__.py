"""The HTTP server: the API and the console on one port."""
