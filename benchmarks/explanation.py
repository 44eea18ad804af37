"""Figure 7: what an explanation costs and how faithful it is, beside random, leave-one-out and SHAP Partition.

All methods explain the same label of the same texts by the same score (log-odds of the served classifier). Cost is in
milliseconds and in multiples of one forward, measured in turn on each text. Faithfulness is ERASER's comprehensiveness
(higher is better) and sufficiency (lower is better), with absent words removed and, as a check, replaced by [MASK].
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness, models
from benchmarks.peer import Peer, PeerUnavailable
from rightsized.engines.classifier import Classifier
from rightsized.engines.onnx import OnnxEncoder
from rightsized.explain import shapley
from rightsized.explain.faithfulness import faithfulness
from rightsized.explain.game import Options, TextGame
from rightsized.explain.labels import label_log_odds, label_probability
from rightsized.explain.segments import Node, words
from rightsized.explain.words import explain_words

SHAP = ("shap==0.51.0",)
SHAP_EVALUATIONS = 50
SEED = 7
LONG_TEXTS, LONG_MESSAGES = 20, 12  # long texts are made of this many messages
BUDGET_MS = 100.0


@dataclass(frozen=True)
class Case:
    """A text, its words, and the functions that score its predicted label."""

    text: str
    parts: tuple[Node, ...]
    log_odds: Callable[[Sequence[str]], NDArray[np.float64]]
    probability: Callable[[Sequence[str]], NDArray[np.float64]]


@dataclass(frozen=True)
class Found:
    """A method's values for one text, a number a word, with its cost and how far their sum is from the total."""

    values: Sequence[float]
    evaluations: int
    milliseconds: float
    gap: float


Method = Callable[[Case], Found]


@dataclass
class Tally:
    """What one method achieved over all texts."""

    rows: list[dict[str, float]] = field(default_factory=list)

    def add(self, case: Case, found: Found, forward_ms: float) -> None:
        removed = faithfulness(case.text, found.values, case.probability)
        masked = faithfulness(case.text, found.values, case.probability, mask="[MASK]")
        self.rows.append(
            {
                "comprehensiveness": removed.comprehensiveness,
                "sufficiency": removed.sufficiency,
                "comprehensiveness_masked": masked.comprehensiveness,
                "sufficiency_masked": masked.sufficiency,
                "evaluations": found.evaluations,
                "ms": found.milliseconds,
                "forwards": found.milliseconds / forward_ms,
                "additive_error": abs(found.gap),
            }
        )

    def summary(self) -> dict[str, Any]:
        means = {key: mean(row[key] for row in self.rows) for key in self.rows[0]}
        errors = {
            f"{key}_standard_error": float(np.std([row[key] for row in self.rows]) / np.sqrt(len(self.rows)))
            for key in ("comprehensiveness", "sufficiency")
        }
        largest = max(row["additive_error"] for row in self.rows)
        return {**means, **errors, "ms_median": median(r["ms"] for r in self.rows), "additive_error_max": largest}


def permutation(pairs: int, mask: str = "") -> Method:
    """Our explainer with this many antithetic pairs and no limit."""

    def method(case: Case) -> Found:
        options = Options(pairs=pairs, max_evaluations=100_000, mask=mask)
        made = explain_words(case.text, case.log_odds, options)
        values = [c.value for c in made.contributions]
        return Found(values, made.evaluations, made.latency_ms, sum(values) - made.total)

    return method


def leave_one_out(case: Case) -> Found:
    started, n = time.perf_counter(), len(case.parts)
    game = TextGame(case.text, case.log_odds, Options())
    base, full = game.ends()
    without = game.over(case.parts)([tuple(word != absent for word in range(n)) for absent in range(n)])
    values = (full - without).tolist()
    return Found(values, game.evaluations, (time.perf_counter() - started) * 1e3, sum(values) - (full - base))


def at_random(case: Case) -> Found:
    drawn = random.Random(case.text)
    return Found([drawn.random() for _ in case.parts], 0, 0.0, 0.0)


def nearly_exact(case: Case) -> Found:
    """Twenty-five antithetic pairs of separate orders: what more sampling could still gain."""
    started, n = time.perf_counter(), len(case.parts)
    game = TextGame(case.text, case.log_odds, Options())
    base, full = game.ends()
    drawn = random.Random(case.text)
    orders = shapley.with_reverse([drawn.sample(range(n), n) for _ in range(25)])
    values = shapley.along([tuple(o) for o in orders], game.over(case.parts)).tolist()
    return Found(values, game.evaluations, (time.perf_counter() - started) * 1e3, sum(values) - (full - base))


def shap_partition(peer: Peer, mask: str) -> Method:
    """SHAP Partition; `ms` counts the peer's own call, scores included."""

    def method(case: Case) -> Found:
        handlers = {"score": lambda message: case.log_odds(message["texts"]).tolist()}
        made = peer.call("explain", handlers, text=case.text, evaluations=SHAP_EVALUATIONS, mask=mask)
        values = _to_words(case, made["tokens"], made["values"])
        total = float(case.log_odds([case.text])[0]) - made["base"]
        return Found(values, made["evaluations"], peer.cost["wall_s"] * 1e3, sum(made["values"]) - total)

    return method


def _to_words(case: Case, tokens: Sequence[str], values: Sequence[float]) -> list[float]:
    """Values of the peer's tokens, shared out evenly over the characters, summed over our words."""
    per_character: list[float] = []
    for token, value in zip(tokens, values, strict=True):
        per_character += [value / max(1, len(token.strip())) * (not sign.isspace()) for sign in token]
    return [sum(per_character[part.start : part.end]) for part in case.parts]


def measure(cases: Sequence[Case], methods: dict[str, Method]) -> dict[str, dict[str, Any]]:
    """Run every method on every text in turn, so that all meet the same load."""
    tallies = {name: Tally() for name in methods}
    for done, case in enumerate(cases):
        if done % 25 == 0:
            harness.note(f"{done} of {len(cases)} texts")
        forward_ms = _forward_ms(case)
        for name, method in methods.items():
            tallies[name].add(case, method(case), forward_ms)
    return {name: tally.summary() for name, tally in tallies.items()}


def _forward_ms(case: Case) -> float:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        case.log_odds([case.text])
        times.append((time.perf_counter() - started) * 1e3)
    return median(times)


def cases_of(texts: Sequence[str], classifier: Classifier, encoder: OnnxEncoder) -> list[Case]:
    """The texts with at least two words, each with its predicted label's score."""
    made = []
    for text in texts:
        label = classifier.score_vector(text, encoder.encode_now(text).vector).prediction.label
        log_odds = label_log_odds(classifier, label, encoder, encoder.threads)
        probability = label_probability(classifier, label, encoder, encoder.threads)
        if len(words(text)) > 1:
            made.append(Case(text, words(text), log_odds, probability))
    return made


def long_texts(cases: Sequence[Case]) -> dict[str, Any]:
    """Texts of about 140 words at default settings, and messages under a time budget."""
    rows = [explain_words(case.text, case.log_odds) for case in cases]
    tight = [explain_words(case.text, case.log_odds, Options(budget_ms=BUDGET_MS)) for case in cases]
    forwards = [_forward_ms(case) for case in cases]
    return {
        "texts": len(cases),
        "words": mean(len(case.parts) for case in cases),
        "methods": sorted({row.method for row in rows}),
        "evaluations": mean(row.evaluations for row in rows),
        "ms": mean(row.latency_ms for row in rows),
        "forwards": mean(row.latency_ms / ms for row, ms in zip(rows, forwards, strict=True)),
        "additive_error_max": max(abs(sum(c.value for c in row.contributions) - row.total) for row in rows),
        "budget_ms": BUDGET_MS,
        "budget_methods": sorted({row.method for row in tight}),
        "budget_ms_p50": median(row.latency_ms for row in tight),
        "budget_ms_max": max(row.latency_ms for row in tight),
    }


def _methods() -> dict[str, Method]:
    return {
        "random": at_random,
        "leave-one-out": leave_one_out,
        "permutation Shapley, 1 pair": permutation(1),
        "permutation Shapley, 2 pairs": permutation(2),
        "permutation Shapley, 4 pairs (default)": permutation(4),
        "permutation Shapley, 4 pairs, masked": permutation(4, "[MASK]"),
        "permutation Shapley, 25 pairs": nearly_exact,
    }


def main() -> int:
    given = harness.options("explanation", __doc__ or "", _configure)
    count = 20 if given.quick else given.extra.texts
    encoder = models.encoder()
    train, labels = harness.banking77(given.data, "10shot" if given.quick else "train")
    classifier = models.fit(encoder, train, labels).classifier
    texts, _ = harness.banking77(given.data, "test")
    drawn = random.Random(SEED)
    chosen = drawn.sample(texts, min(count, len(texts)))
    joined = [" ".join(drawn.sample(texts, LONG_MESSAGES)) for _ in range(LONG_TEXTS)]
    cases, methods, peers = cases_of(chosen, classifier, encoder), _methods(), []
    peer = Peer("shap", SHAP, "shap_peer.py")
    try:
        with peer:
            peer.call("explain", {"score": lambda m: [0.0] * len(m["texts"])}, text="a b", evaluations=10, mask="")
            methods["SHAP Partition, words removed"] = shap_partition(peer, "")
            methods['SHAP Partition, words as "..." (its default)'] = shap_partition(peer, "...")
            found = measure(cases, methods)
            peers.append({"peer": peer.name, "requirements": list(SHAP), "versions": peer.versions()})
    except PeerUnavailable as reason:
        peers.append(peer.unavailable(reason))
        found = measure(cases, _methods())
    result = {
        "data": "banking77",
        "texts": len(cases),
        "words": mean(len(case.parts) for case in cases),
        "threads": encoder.threads,
        "forward_ms": median(_forward_ms(case) for case in cases),
        "methods": found,
        "long": long_texts(cases_of(joined, classifier, encoder)),
        "peers": peers,
    }
    return harness.finish(given, result, _table(result))


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--texts", type=int, default=100, help="messages explained")


def _table(result: dict[str, Any]) -> list[str]:
    lines = [f"{'method':46} {'compr.':>7} {'suff.':>7} {'calls':>7} {'ms':>8} {'forwards':>9} {'sum off':>9}"]
    for name, row in result["methods"].items():
        lines.append(
            f"{name:46} {row['comprehensiveness']:7.3f} {row['sufficiency']:7.3f} {row['evaluations']:7.1f} "
            f"{row['ms']:8.1f} {row['forwards']:9.1f} {row['additive_error_max']:9.1e}"
        )
    return lines + [f"{row['peer']}: {row['unavailable']}" for row in result["peers"] if "unavailable" in row]


if __name__ == "__main__":
    sys.exit(main())
