"""Tests that come with a request: a field of ours that no model server sees, and the outcome in the usage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from fake_service import FakeService
from live_server import Client, running
from scripted_gateway import ScriptedGateway

from rightsized.core.generation import Completion, Generation, GivenTests, RunResult
from rightsized.core.types import Attempt
from rightsized.server.console.writing import steps

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
CODE = "assert f() == 1"
GIVEN = {"rightsized": {"tests": {"code": CODE}}}
CHATTED: dict[str, Any] = {"model": "small", "messages": [{"role": "user", "content": "Write f."}], "top_k": 3}
TOLD = {"outcome": "failed", "reason": "an assertion does not hold", "ran": 2, "line": 7}


class TestedGateway(ScriptedGateway):
    """Its answers failed the tests that came with them."""

    __test__ = False

    async def _completion(self, generation: Generation) -> Completion:
        written = await super()._completion(generation)
        found = RunResult("failed", "an assertion does not hold", 2, 7, "sha256:1", "sha256:2", 0.1)
        tested = found if generation.tests is not None else None
        return msgspec.structs.replace(written, tested=tested, warnings=("Mind this.",))


@pytest.fixture(scope="module")
def gateway() -> TestedGateway:
    return TestedGateway()


@pytest.fixture(scope="module")
def openai(gateway: TestedGateway) -> Iterator[Client]:
    service = FakeService()
    service.gateway = gateway
    with running(service) as made:
        yield made


def test_a_chat(openai: Client, gateway: TestedGateway) -> None:
    answer = openai.post(CHAT, CHATTED | GIVEN)
    assert (answer.status, answer.json["usage"]["tests"]) == (200, TOLD)
    seen = gateway.seen[-1][0]
    assert seen.tests == GivenTests(CODE)
    assert seen.body == {"messages": CHATTED["messages"], "top_k": 3}  # nothing of ours goes on
    assert "tests" not in openai.post(CHAT, CHATTED).json["usage"]
    assert gateway.seen[-1][0].tests is None


def test_a_stream(openai: Client) -> None:
    answer = openai.post(CHAT, CHATTED | GIVEN | {"stream": True})
    events = [
        json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line.startswith("data: {")
    ]
    assert events[-1]["usage"]["tests"] == TOLD


def test_a_response_carries_outcome_and_warnings(openai: Client, gateway: TestedGateway) -> None:
    answer = openai.post(RESPONSES, {"model": "small", "input": "Write f."} | GIVEN)
    assert answer.status == 200
    assert (answer.json["usage"]["tests"], answer.json["usage"]["warnings"]) == (TOLD, ["Mind this."])
    assert gateway.seen[-1][0].tests == GivenTests(CODE)
    assert "rightsized" not in gateway.seen[-1][0].body


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"tests": {"code": "", "language": "python"}}, "rightsized.tests.code"),
        ({"tests": {"code": CODE, "language": "cobol"}}, "rightsized.tests.language"),
        ({"tests": CODE}, "rightsized.tests"),
        ({"test": {"code": CODE}}, "rightsized"),
    ],
)
def test_what_cannot_be_read_is_named(openai: Client, given: dict[str, Any], param: str) -> None:
    answer = openai.post(CHAT, CHATTED | {"rightsized": given})
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


def test_the_page_of_a_decision_says_what_they_came_to() -> None:
    written = Completion("def f(): return 2", tested=RunResult("timeout", "not done in 10 s"))
    weighed = Attempt("small", 2, "m", 0.9, 0.8, True, completion=written)
    (step,) = steps([weighed], None)
    assert step.outcome == "answered; its tests: timeout (not done in 10 s)"
    ruled = msgspec.structs.replace(weighed, accepted=False, reason="its tests: timeout, not done in 10 s")
    assert steps([ruled], None)[0].outcome == ruled.reason


def test_a_task_takes_none(openai: Client) -> None:
    answer = openai.post(CHAT, CHATTED | GIVEN | {"model": "task:support"})
    assert (answer.status, answer.json["error"]["param"]) == (400, "rightsized.tests")
