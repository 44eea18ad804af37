"""The longest text that is taken, in the shapes that are worst for the patterns: the detector answers for all of it."""

from __future__ import annotations

import pytest

from rightsized.guard.pii.detector import PiiDetector

LONG = 200_000


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "seed",
    ["4111 1111 1111 1111 ", "1 1 1 4", "a@a.", "https://a/(", "Aa ", "12 Elm Elm ", "555-123-4567 ", "password is "],
)
def test_a_long_hostile_text_is_read_to_its_end(seed: str) -> None:
    text = (seed * (LONG // len(seed)))[: LONG - 40] + " mail jane@example.org"
    findings = PiiDetector().detect(text)
    if findings.complete:
        assert any(text[one.start : one.end] == "jane@example.org" for one in findings.found)
    else:  # a machine so slow that the time ran out: the text counts as the most restrictive class
        assert findings.data_class == "secret"
