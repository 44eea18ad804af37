"""A policy may let personal data go only where they are hidden."""

from __future__ import annotations

import pytest
from policy_samples import ruled

from rightsized.guard.policy.rulebook import Destination, Facts

RULES = """
version = 1

[[flows]]
id = "hidden-only"
effect = "allow"
data_classes = ["personal"]
tiers = ["*"]
pseudonymised = true
"""


@pytest.mark.parametrize(("hidden", "effect"), [(True, "allow"), (False, "deny")])
def test_only_where_personal_data_are_hidden(hidden: bool, effect: str) -> None:
    place = Destination("cloud", False, "api.example.com", pseudonymised=hidden)
    verdicts = ruled(RULES, Facts("chat", "chat", data_class="personal"), place)
    assert verdicts["tier:cloud"][0] == effect
