"""The heart: routing by threshold, the certificate and the monitor of its promise."""
