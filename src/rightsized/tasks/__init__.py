"""Tasks and their versions, the fit pipeline, the report, the review queue, and the one place that composes."""
