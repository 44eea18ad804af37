"""The default weights of extracts.

The order was chosen on policyqa and cuad (dev). The probability was fitted on one half of the questions of the sample
documents, policyqa, cuad and obliqa, each set weighing the same; benchmarks/answers.py reports on the other halves.
"""

from __future__ import annotations

ORDER = {"cosine": 6.0, "passage": 4.0, "title": -1.0}
CONFIDENCE = {"bias": -3.96, "share": 3.72, "word_lead": 0.57, "meaning_lead": 3.44, "cosine": 3.14}
