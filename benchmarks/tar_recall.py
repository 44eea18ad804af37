"""Certificates of recall: how often what they say is false, with one sample and with many looks, beside naive rules.

    python -m benchmarks.tar_recall --json

A collection with known answers is reviewed; documents that nobody has read are sampled as the product samples them,
and its bounds are computed from what the sample holds. A *false certificate* promises a recall that was not reached.
Beside it: the same bound without paying for looks, the normal approximation, and "stop when a sample shows nothing".
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import beta, hypergeom

from benchmarks import harness
from rightsized.apps.search.discovery.stopping.bounds import Seen, most, recall, spent

DELTA = 0.05
DRAWS = 5000
SEED = 20261128
TARGET = 0.8
LOOKS = 10
LOOKED = 2000  # reviews with many looks


class World(NamedTuple):
    """A collection: documents, responsive ones, the recall that the review has reached, and the sample's size."""

    documents: int
    responsive: int
    reached: float
    sample: int

    @property
    def found(self) -> int:
        return round(self.responsive * self.reached)

    @property
    def read(self) -> int:
        """Documents read by then: twice what was found, as a fair review reads."""
        return min(2 * self.found, self.documents)


ONE_LOOK = [
    World(documents, max(round(documents * prevalence), 5), reached, sample)
    for documents in (2_000, 50_000)
    for prevalence in (0.002, 0.02, 0.2)
    for reached in (0.3, 0.7, 0.95)
    for sample in (200, 1000)
]
# The recall grows slowly to just below the target, so that every look but the last may be false.
MANY_LOOKS = [
    World(20_000, responsive, TARGET - 0.05, sample) for responsive in (60, 400, 2_000) for sample in (300, 1000)
]


def shown(world: World, found: int, read: int, hits: int) -> Seen:
    return Seen(found, 0, world.documents - read, world.sample, hits, 0, hits)


def one_look(world: World, draw: np.random.Generator, draws: int) -> dict[str, Any]:
    """How often the bounds of a first sample are wrong."""
    missing, pile = world.responsive - world.found, world.documents - world.read
    hits = draw.hypergeometric(missing, pile - missing, world.sample, draws)
    wrong = {"lower bound": 0, "upper bound": 0, "normal approximation": 0}
    lows, cached = [], dict[int, tuple[float, float, float]]()
    for hit in hits.tolist():
        if hit not in cached:
            bound = recall(shown(world, world.found, world.read, hit), DELTA)
            cached[hit] = bound.low, bound.high, _normal(world, hit, pile)
        low, high, normal = cached[hit]
        true = (world.found + hit) / world.responsive
        wrong["lower bound"] += low > true + 1e-12
        wrong["upper bound"] += high < true - 1e-12
        wrong["normal approximation"] += normal > true + 1e-12
        lows.append(low)
    exact = _exactly(world, missing, pile)
    return {**world._asdict(), "mean lower bound": float(np.mean(lows)), "wrong": _rates(wrong, draws), "exact": exact}


def _exactly(world: World, missing: int, pile: int) -> dict[str, float]:
    """How often the bounds are wrong, from the chance of every sample."""
    wrong = {"lower bound": 0.0, "upper bound": 0.0}
    for hit in range(min(missing, world.sample) + 1):
        bound, true = recall(shown(world, world.found, world.read, hit), DELTA), (world.found + hit) / world.responsive
        chance = float(hypergeom.pmf(hit, pile, missing, world.sample))
        wrong["lower bound"] += chance * (bound.low > true + 1e-12)
        wrong["upper bound"] += chance * (bound.high < true - 1e-12)
    return wrong


def _normal(world: World, hit: int, pile: int) -> float:
    """The lower bound from the normal approximation of the share that was missed."""
    share = hit / world.sample
    missed = pile * (share + 1.645 * math.sqrt(share * (1 - share) / world.sample))
    return (world.found + hit) / (world.found + max(missed, hit)) if world.found + hit else 0.0


class Rule(NamedTuple):
    """When a review stops: given the look's number, the sample's size and hits, what is found and what is unread."""

    name: str
    stops: Callable[[int, Seen], bool]


RULES = [
    Rule("rightsized", lambda look, seen: recall(seen, spent(DELTA, look)).low >= TARGET),
    Rule("looks not paid for", lambda _, seen: recall(seen, DELTA).low >= TARGET),
    Rule("point estimate", lambda _, seen: recall(seen, DELTA).value >= TARGET),
    Rule("a sample shows nothing", lambda _, seen: seen.responsive == 0),
]


def many_looks(world: World, draw: np.random.Generator, draws: int) -> dict[str, Any]:
    """How often a rule stops with less than the target found, where one looks after each step of the review."""
    steps = np.linspace(TARGET - 0.05, TARGET - 0.01, LOOKS)
    false = {rule.name: 0 for rule in RULES}
    for _ in range(draws):
        open_rules, found, read, extra = list(RULES), 0, 0, 0
        for look, step in enumerate(steps, 1):
            found = max(round(world.responsive * step), found + extra)
            read = max(2 * found, read + world.sample if extra or look > 1 else 0)
            missing, pile = world.responsive - found, world.documents - read
            extra = int(draw.hypergeometric(missing, pile - missing, world.sample))
            seen = shown(world, found, read, extra)
            if (found + extra) / world.responsive >= TARGET:
                break  # what is promised from here on is true
            for rule in [one for one in open_rules if one.stops(look, seen)]:
                false[rule.name] += 1
                open_rules.remove(rule)
    return {"documents": world.documents, "responsive": world.responsive, "sample": world.sample,
            "looks": LOOKS, "false certificates": _rates(false, draws)}  # fmt: skip


def power(draw: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """How often a review that has found 90% is certified at 80% by its first sample."""
    for world in (World(50_000, responsive, 0.9, sample) for responsive in (200, 2_000) for sample in (1000, 3000)):
        missing, pile = world.responsive - world.found, world.documents - world.read
        level = spent(DELTA, 1)
        hits = draw.hypergeometric(missing, pile - missing, world.sample, draws)
        certified = sum(
            recall(shown(world, world.found, world.read, hit), level).low >= TARGET for hit in hits.tolist()
        )
        yield {**world._asdict(), "certified": round(certified / draws, 4)}


def noise(draw: np.random.Generator, draws: int) -> dict[str, Any]:
    """Reviewers who miss one responsive document in ten: the promise holds for their tags, not for the truth."""
    world, wrong = World(20_000, 400, 0.78, 1000), {"as tagged": 0, "in truth": 0}
    for _ in range(draws):
        tagged = draw.binomial(world.responsive, 0.9)  # what they call responsive where they read it
        found = round(tagged * world.reached)
        pile = world.documents - 2 * found
        hit = int(draw.hypergeometric(tagged - found, pile - (tagged - found), world.sample))
        above = max(most(hit, pile, world.sample, DELTA), hit)
        low = (found + hit) / (found + above)
        wrong["as tagged"] += low > (found + hit) / tagged
        wrong["in truth"] += low > (found + hit) / world.responsive
    return {"missed by reviewers": 0.1, "wrong": _rates(wrong, draws)}


def _rates(counts: dict[str, int], draws: int) -> dict[str, dict[str, float]]:
    """Each rate with its exact 95% interval."""
    return {
        name: {
            "rate": count / draws,
            "low": float(beta.ppf(0.025, count, draws - count + 1)) if count else 0.0,
            "high": float(beta.ppf(0.975, count + 1, draws - count)) if count < draws else 1.0,
        }
        for name, count in counts.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    asked = harness.options("tar_recall", "How often certificates of recall are false.", None, arguments)
    draws, draw = (300 if asked.quick else DRAWS), np.random.default_rng(SEED)
    single = []
    for world in ONE_LOOK:
        if world.documents - world.read > world.sample:
            single.append(one_look(world, draw, draws))
            harness.note(f"{world}: {single[-1]['wrong']}")
    several = []
    for world in MANY_LOOKS:
        several.append(many_looks(world, draw, min(draws, LOOKED)))
        harness.note(f"{world}: {several[-1]['false certificates']}")
    worst = {end: max(one["exact"][end] for one in single) for end in ("lower bound", "upper bound")}
    falsest = {rule.name: max(one["false certificates"][rule.name]["rate"] for one in several) for rule in RULES}
    data = {
        "delta": DELTA, "target": TARGET, "draws": draws, "one look": single, "many looks": several,
        "power": list(power(draw, draws)), "label noise": noise(draw, draws),
        "largest exact rate of wrong bounds": worst, "largest rate of false certificates": falsest,
    }  # fmt: skip
    return harness.finish(asked, data, [f"wrong bounds, at most: {worst}", f"false: {falsest}"])


if __name__ == "__main__":
    sys.exit(main())
