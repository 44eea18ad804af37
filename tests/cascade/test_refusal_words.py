"""What a request that no tier may take is told: the rule that stands against it, and what would help."""

from __future__ import annotations

from typing import Any

import pytest

from rightsized.cascade.refusals import none_left
from rightsized.cascade.tier import Tier
from rightsized.core.errors import ForbiddenError
from rightsized.core.generation import Generation
from rightsized.core.tiers import TierConfig
from rightsized.engines.fake_generator import FakeGenerator

CLOUD = Tier(
    TierConfig(name="cloud", url="https://models.example/v1", data_classes=("public",), region="eu"),
    FakeGenerator("cloud", lambda generation: "", on_premises=False),
)


def refused(**more: Any) -> ForbiddenError:
    error = none_left(Generation("chat", {"messages": []}, **more), [CLOUD])
    assert isinstance(error, ForbiddenError)
    return error


def test_a_request_that_declared_nothing_is_told_the_header() -> None:
    error = refused(data_class="health")
    assert error.message == "No tier may take this request. cloud: health data may not be sent there."
    assert error.fix.startswith("Declare its class with the header X-Rightsized-Data-Class")


def test_a_request_whose_key_binds_it_is_not_told_to_declare_what_would_change_nothing() -> None:
    error = refused(data_class="health", least="health")
    assert error.fix.startswith("This API key counts every request as health data, whatever the request declares.")
    assert "X-Rightsized-Data-Class" not in str(error)
    assert "Declare its class" in refused(data_class="secret", least="internal").fix  # it declared more than it must


def test_a_request_that_must_stay_elsewhere_is_told_of_the_region() -> None:
    error = refused(data_class="public", region="ch")
    assert "the data must stay in ch; this tier is in eu" in error.message
    assert error.fix.startswith("Leave out the header X-Rightsized-Region")


@pytest.mark.parametrize("least", [None, "public"])
def test_a_request_that_the_policy_keeps_back_is_told_of_the_policy(least: Any) -> None:
    error = refused(data_class="public", least=least, vetoes={"cloud": "rule 'no-cloud' forbids it"})
    assert "rule 'no-cloud' forbids it" in error.message
    assert "policy" in error.fix
