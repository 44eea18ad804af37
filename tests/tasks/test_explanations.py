"""The explanation is of the answer that was given: same label, same rung, and it adds up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rightsized.core.config import load
from rightsized.core.errors import ForbiddenError, InputError
from rightsized.tasks.service import open_service

TEXTS = ["my parcel has not arrived and I want my money back", "qwerty uiop", "can I hire a tent for the weekend?"]


def test_explains_the_label_that_is_answered(fitted_home: Path) -> None:
    async def check() -> set[str]:
        async with open_service(load(flags={"home": str(fitted_home)}), purpose="test", record=False) as service:
            rungs = set()
            for text in TEXTS:
                reply = await service.classify("support", text)
                why = await service.explain("support", text)
                assert reply.suggestion is not None
                assert why.label == reply.suggestion.label
                assert sum(c.value for c in why.contributions) == pytest.approx(why.total, abs=1e-4)
                assert all(text[c.start : c.end] == c.text for c in why.contributions)
                assert len(why.neighbours) == 5
                rungs.add(reply.rung)
            with pytest.raises(InputError, match="can be explained"):
                await service.explain("support", "word " * 10_000)
            return rungs

    assert {"ngram", "person"} <= asyncio.run(check())


@pytest.mark.parametrize(("budget_ms", "method"), [(0.001, "whole text"), (0.0, "4 antithetic pairs")])
def test_the_budget_decides_the_method_and_the_explanation_names_it(
    fitted_home: Path, budget_ms: float, method: str
) -> None:
    async def check() -> None:
        settings = load(flags={"home": str(fitted_home), "explain.budget_ms": budget_ms})
        async with open_service(settings, purpose="test", record=False) as service:
            assert method in (await service.explain("support", TEXTS[0])).method

    asyncio.run(check())


NONSENSE = [
    "What is the capital of France?",
    "who won the world cup in 1998",
    "lorem ipsum dolor sit amet",
    "asdf qwer zxcv",
]


def test_texts_of_no_label_are_not_answered(fitted_home: Path) -> None:
    async def check() -> None:
        async with open_service(load(flags={"home": str(fitted_home)}), purpose="test", record=False) as service:
            replies = await service.classify_many("support", NONSENSE)
            assert [reply.status for reply in replies] == ["abstained"] * len(NONSENSE)

    asyncio.run(check())


def test_the_policy_is_asked_before_a_text_is_read_again(copied_home: Path) -> None:
    """It was decided under one policy; the model may be kept from such data since."""
    rule = 'version = 1\n\n[[flows]]\nid = "no-health"\neffect = "deny"\ndata_classes = ["health"]\ntiers = ["task"]\n'

    async def check() -> None:
        text = TEXTS[0]
        async with open_service(load(flags={"home": str(copied_home)}), purpose="test", record=True) as service:
            reply = await service.classify("support", text, data_class="health")
            decision = service.decision(reply.id)
            assert (await service.explain("support", text, decision)).contributions
            (copied_home / "policy.toml").write_text(rule)
            service.policy.refresh()
            with pytest.raises(ForbiddenError, match="no-health"):
                await service.explain("support", text, decision)
            reply = await service.classify("support", text, data_class="internal")
            assert (await service.explain("support", text, service.decision(reply.id))).contributions

    asyncio.run(check())
