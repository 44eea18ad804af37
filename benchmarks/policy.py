"""What the policy costs a request: microseconds of CPU a ruling, remembered and worked out anew, by size of the policy.

Also the whole `Policy(inner)` around an answerer that does nothing, beside that answerer alone, in turn.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import harness
from rightsized.core.generation import DATA_CLASSES, Generation
from rightsized.core.protocols import Answerer
from rightsized.core.types import Reply, Request
from rightsized.guard.policy import file
from rightsized.guard.policy.answerer import Policy
from rightsized.guard.policy.rulebook import Destination, Facts, Rulebook
from rightsized.guard.policy.store import PolicyStore

SIZES = (10, 100, 1000)
PLACES = tuple(
    Destination(f"tier-{n}", n < 2, f"api{n}.example.com" if n > 1 else "", ("", "eu", "us")[n % 3], f"model-{n}")
    for n in range(5)
)
CALLS, QUICK_CALLS = 200_000, 10_000
ROUNDS = 5


def policy_text(rules: int, seed: int = 1) -> str:
    """A policy of so many rules: two thirds flows, a quarter requests, the rest residency."""
    dice = random.Random(seed)
    parts = ["version = 1"]
    for number in range(rules):
        kind = dice.random()
        task, tenant = f'tasks = ["task-{dice.randrange(50)}*"]', f'tenants = ["tenant-{dice.randrange(50)}"]'
        data_class = f'data_classes = ["{dice.choice(DATA_CLASSES)}"]'
        if kind < 0.66:
            place = f'tiers = ["tier-{dice.randrange(5)}"]'
            rule = f'[[flows]]\nid = "r{number}"\neffect = "{dice.choice(("allow", "deny"))}"\n{data_class}\n{place}'
        elif kind < 0.92:
            rule = f'[[requests]]\nid = "r{number}"\neffect = "deny"\n{task}\nroles = ["viewer"]'
        else:
            rule = f'[[residency]]\nid = "r{number}"\nregions = ["eu"]\n{tenant}'
        parts.append(rule if dice.random() < 0.3 else f"{rule}\n{tenant if kind < 0.66 else ''}")
    return "\n\n".join(parts)


def facts(number: int) -> Facts:
    """One of 5,000 different requests."""
    return Facts(
        f"task-{number % 50}",
        "chat",
        "auto",
        DATA_CLASSES[number % 5],
        f"tenant-{number % 100}",
        f"k{number % 100}",
        ("client",),
    )


def microseconds(work: Callable[[Facts], Any], asked: list[Facts], calls: int) -> float:
    """CPU microseconds a call, the least of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        for number in range(calls):
            work(asked[number % len(asked)])
        best = min(best, (time.thread_time() - began) / calls * 1e6)
    return best


class Nothing(Answerer):
    """Answers at once."""

    def __init__(self) -> None:
        self._reply = Reply("", "chat", "answered", None, "small", 2, "m", 0.0, "none")

    async def answer(self, request: Request) -> Reply:
        return self._reply


async def around(store: PolicyStore, calls: int) -> dict[str, float]:
    """CPU microseconds a request: the answerer alone and behind the policy, in turn; the least of some rounds."""
    alone = Nothing()
    answerers = {"alone": alone, "behind_policy": Policy(alone, store, PLACES)}
    generation = Generation("chat", {"messages": []}, data_class="internal")
    request = Request("chat", "", id="d", generation=generation, tenant="tenant-1", key="k1", roles=("client",))
    best = dict.fromkeys(answerers, float("inf"))
    for _ in range(ROUNDS):
        for name, answerer in answerers.items():
            began = time.thread_time()
            for _ in range(calls):
                await answerer.answer(request)
            best[name] = min(best[name], (time.thread_time() - began) / calls * 1e6)
    return best


def measure(rules: int, calls: int, folder: Path) -> dict[str, Any]:
    """One size of policy."""
    path = folder / f"{rules}.toml"
    path.write_text(policy_text(rules))
    began = time.thread_time()
    policy = file.read(path)
    read_ms = (time.thread_time() - began) * 1000
    began = time.thread_time()
    book = Rulebook(policy, PLACES)
    compile_ms = (time.thread_time() - began) * 1000
    asked = [facts(number) for number in range(5000)]
    new = [msgspec.json.decode(msgspec.json.encode(one), type=Facts) for one in asked]  # equal, not the same objects
    for one in asked:
        book.rule(one)
    return {
        "rules": rules,
        "destinations": len(PLACES),
        "read_ms": read_ms,
        "compile_ms": compile_ms,
        "remembered_us": microseconds(book.rule, new, calls),
        "anew_us": microseconds(book.decide, asked, max(calls // 50, 1000)),
        "around_us": asyncio.run(around(PolicyStore(path), calls // 10)),
    }


def main() -> int:
    given = harness.options("policy", __doc__ or "")
    calls = QUICK_CALLS if given.quick else CALLS
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(rules, calls, Path(folder)) for rules in SIZES]
    lines = [
        f"{row['rules']:>5} rules: {row['remembered_us']:.2f} us remembered, {row['anew_us']:.1f} us anew, "
        f"{row['around_us']['behind_policy'] - row['around_us']['alone']:.2f} us around a request"
        for row in rows
    ]
    return harness.finish(given, {"policies": rows}, lines)


if __name__ == "__main__":
    sys.exit(main())
