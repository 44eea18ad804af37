"""Bursts of near-copies: an outage that thirty people write about counts once, thanks that always come do not."""

from __future__ import annotations

import numpy as np

from rightsized.apps.triage.learning.bursts import bursts, counted_once

DAY = 86_400.0
OUTAGE = "The payment page has shown an error since ten o'clock, I cannot pay for my order number {}"


def traffic() -> tuple[list[str], list[float]]:
    """A month: 200 messages of their own, 20 times thanks, and 30 about one morning's outage."""
    random = np.random.default_rng(0)
    words = [f"{a} {b} {c}" for a, b, c in random.permutation(1_000)[:600].reshape(200, 3)]
    told = [(float(at), f"question {word}") for at, word in zip(random.random(200) * 30 * DAY, words, strict=True)]
    told += [(float(at), "Thanks a lot!") for at in np.linspace(0.5, 29.5, 20) * DAY]
    told += [(12 * DAY + 600.0 * i, OUTAGE.format(i)) for i in range(30)]
    return [text for _, text in sorted(told)], [at for at, _ in sorted(told)]


def test_an_incident_counts_once_and_what_traffic_always_repeats_counts_as_often_as_it_comes() -> None:
    texts, started = traffic()
    (burst,) = bursts(texts, started)
    assert len(burst) == 30
    assert all("payment page" in texts[row] for row in burst)
    names = [f"decision {i}" for i in range(len(texts))]
    kept = counted_once(texts, started, names)
    assert len(kept) == len(texts) - 29
    assert sum(texts[row].startswith("Thanks") for row in kept) == 20
    assert kept != counted_once(texts, started, [f"other {i}" for i in range(len(texts))]), "which one stays is chance"


def test_few_copies_or_none_are_no_burst() -> None:
    texts, started = traffic()
    four = [i for i, text in enumerate(texts) if "payment" in text][:4]
    rest = [i for i, text in enumerate(texts) if "payment" not in text]
    rows = sorted(four + rest)
    assert bursts([texts[i] for i in rows], [started[i] for i in rows]) == []
    assert bursts([], []) == []
    assert counted_once(["a"], [1.0], ["d"]) == [0]
