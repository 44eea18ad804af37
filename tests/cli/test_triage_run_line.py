"""What `rightsized triage run` prints of a message."""

from __future__ import annotations

from rightsized.apps.triage.records import Labelled
from rightsized.cli.triage_run import _said
from rightsized.core.types import LabelScore


def test_an_abstention_shows_the_best_guess_as_a_guess() -> None:
    abstained = Labelled("support", (), "abstained", 0.6, "certified", suggested=(LabelScore("orders", 0.6),))
    assert _said(abstained) == "orders?"
    assert _said(Labelled("support", (), "abstained", 0.0, "none")) == "?"
    assert _said(Labelled("support", ("orders", "billing"), "answered", 0.9, "certified")) == "orders + billing"
