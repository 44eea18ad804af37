"""Storms are one incident, with their members; ordinary messages and kinds that always come often are none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rightsized.apps.triage.desk.incidents import Incident, Print, alike, print_of, recognise, signature, tail
from rightsized.apps.triage.desk.settings import IncidentSettings
from rightsized.apps.triage.desk.simulation.texts import outage, sample

SETTINGS = IncidentSettings()
MINUTE = 60.0


@pytest.fixture(scope="module")
def ordinary() -> list[str]:
    return [text for text, _ in sample().ordinary]


@pytest.fixture(scope="module")
def earlier(ordinary: list[str]) -> list[Print]:
    return [print_of(f"e{n}", 0.0, text) for n, text in enumerate(ordinary[:400])]


def through(texts: list[str], earlier: list[Print], seconds: float = MINUTE / 2) -> dict[str, Incident]:
    """All incidents of messages that come at this interval, by key."""
    seen: list[Print] = []
    found: dict[str, Incident] = {}
    for n, text in enumerate(texts):
        new = print_of(str(n), 1e9 + n * seconds, text)
        incident = recognise(new, seen, earlier, [*found.values()], SETTINGS)
        seen.append(new)
        if incident is not None:
            found[incident.key] = incident
    return found


def test_the_signature_estimates_the_jaccard_similarity_of_5_grams(ordinary: list[str]) -> None:
    for one in ordinary[:20]:
        a, b = one.casefold(), one.casefold() + " and that is really all that there is to say about it"
        plain = ["".join(c if c.isalpha() else " " for c in text) for text in (a, b)]
        grams = [{text[i : i + 5] for i in range(len(text) - 4)} for text in (" ".join(p.split()) for p in plain)]
        exact = len(grams[0] & grams[1]) / len(grams[0] | grams[1])
        assert (signature(a) == signature(b)).mean() == pytest.approx(exact, abs=4 * 0.044)


def test_a_storm_among_ordinary_messages_is_one_incident(ordinary: list[str], earlier: list[Print]) -> None:
    rng = np.random.default_rng(1)
    texts = [outage(rng) if n % 3 == 0 and n >= 60 else text for n, text in enumerate(ordinary[400:550])]
    storm = {str(n) for n in range(60, 150, 3)}
    (incident,) = through(texts, earlier).values()
    members = set(incident.members)
    assert members <= storm
    assert len(members) >= 0.9 * len(storm)
    assert incident.key == "60"
    assert incident.members == tuple(sorted(members, key=int))
    assert incident.chance <= SETTINGS.chance


def test_ordinary_messages_are_none_however_many_come(ordinary: list[str], earlier: list[Print]) -> None:
    assert not through(ordinary[400:700], earlier, seconds=2.0)


def test_a_kind_that_always_comes_often_is_none(ordinary: list[str], earlier: list[Print]) -> None:
    rng = np.random.default_rng(2)
    often = [print_of(f"o{n}", 0.0, outage(rng)) for n in range(80)]  # a sixth of what came before
    texts = [outage(rng) if n % 6 == 0 else text for n, text in enumerate(ordinary[400:500])]
    assert not through(texts, [*earlier, *often])
    assert through(texts, earlier)  # where it is new, it is one


def test_it_ends_when_the_window_has_passed_without_a_message(ordinary: list[str], earlier: list[Print]) -> None:
    rng = np.random.default_rng(3)
    seen = [print_of(str(n), 1e9 + n, outage(rng)) for n in range(12)]
    open_ = recognise(seen[-1], seen[:-1], earlier, [], SETTINGS)
    assert open_ is not None
    for later, belongs in ((30 * MINUTE, True), (90 * MINUTE, False)):
        new = print_of("new", 1e9 + later, outage(rng))
        assert (recognise(new, seen, earlier, [open_], SETTINGS) is not None) is belongs


def test_without_earlier_messages_little_is_certain() -> None:
    rng = np.random.default_rng(4)
    texts = [outage(rng) for _ in range(30)]
    assert not through(texts, [])


def test_the_bound_is_above_the_binomial_tail() -> None:
    for count, of, share in ((8, 60, 0.01), (12, 200, 0.02), (5, 5, 0.3), (30, 100, 0.2)):
        exact = sum(math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(count, of + 1))
        assert exact <= tail(count, of, share) <= 40 * exact
    assert tail(2, 100, 0.05) == 1.0


def test_vectors_find_what_is_worded_differently() -> None:
    same, other = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    one = print_of("a", 0.0, "The card machine refuses everything", same)
    others = [
        print_of("b", 0.0, "Payment terminal out of order", same),
        print_of("c", 0.0, "Which tent is best", other),
    ]
    assert alike(one, others, SETTINGS).tolist() == [True, False]
    assert alike(one._replace(vector=None), others, SETTINGS).tolist() == [False, False]
    assert alike(one, [], SETTINGS).tolist() == []
