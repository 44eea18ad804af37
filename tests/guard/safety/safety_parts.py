"""A real ladder of fake models under safety rules."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from rightsized.cascade.generate import Ladder, LadderSetup
from rightsized.cascade.promise import Promise
from rightsized.cascade.replay import pieces_of
from rightsized.cascade.tier import Tier
from rightsized.core.generation import Completion, Generation
from rightsized.core.tiers import TierConfig
from rightsized.core.types import Reply, Request
from rightsized.engines.fake_generator import FakeGenerator
from rightsized.guard.policy.file import PolicyFile, build
from rightsized.guard.safety import ENFORCED, Means, Safe

SAID = {"small": "It cures cancer.", "large": "See your doctor [1]."}


class Policies:
    """A policy in force, without a file."""

    def __init__(self, toml: str) -> None:
        self.current: PolicyFile | None = policy(toml)


def policy(toml: str) -> PolicyFile:
    return build(tomllib.loads(f"version = 1\n{toml}"), b"", "policy.toml", enforced=ENFORCED)


class Asked(FakeGenerator):
    """A fake model that keeps what it was asked."""

    def __init__(self, name: str, write: Callable[[Generation], str], calls: list[tuple[str, str]] | None = None):
        super().__init__(name, write)
        self.seen: list[Generation] = []
        self._calls_made = calls or []

    async def generate(self, generation: Generation) -> Completion:
        self.seen.append(generation)
        done = await super().generate(generation)
        if self._calls_made:
            made = [
                {"id": "c", "type": "function", "function": {"name": n, "arguments": a}} for n, a in self._calls_made
            ]
            done.body["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": made}
        return done


async def topics(task: str, text: str) -> Mapping[str, float]:
    assert task == "subjects"
    return {"medicine": 0.9 if "pill" in text else 0.1, "weather": 0.8 if "rain" in text else 0.05}


def safe(toml: str, said: Mapping[str, str] = SAID, **more: Any) -> tuple[Safe, dict[str, Asked]]:
    models = {name: Asked(name, lambda g, text=text: text, more.get("calls")) for name, text in said.items()}
    tiers = tuple(Tier(TierConfig(name, engine="fake", price_out=1e6), model) for name, model in models.items())
    ladder = Ladder(LadderSetup(tiers, Promise("none"), uncertified_tier=more.get("first", "")))
    means = more.get("means") or Means(
        topics, lambda text: "de" if "ist" in text else "en", lambda text: float("ignore" in text)
    )
    return Safe(ladder, Policies(toml), means, tiers=list(said), replay=pieces_of), models  # type: ignore[arg-type]


def asked(text: str = "hello", *messages: dict[str, Any], model: str = "auto", **body: Any) -> Request:
    given = [*messages, {"role": "user", "content": text}]
    return Request(
        task="chat",
        text="",
        id="d1",
        generation=Generation("chat", {"messages": given, **body}, model),
        roles=("client",),
    )


def verdicts(reply: Reply) -> list[tuple[str, str]]:
    return [(verdict.rule, verdict.effect) for verdict in reply.verdicts]
