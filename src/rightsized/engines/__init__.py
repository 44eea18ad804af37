"""Runtimes that run models, one a file. Engines know nothing of thresholds or tasks."""
