"""The default weights of extracts, chosen on policyqa and cuad (dev), each set weighing the same."""

from __future__ import annotations

ORDER = {"cosine": 6.0, "passage": 4.0, "title": -1.0}
CONFIDENCE = {"bias": -2.74, "margin": 0.85, "cosine": 1.31, "passage_cosine": 1.08, "coverage": 0.66}
