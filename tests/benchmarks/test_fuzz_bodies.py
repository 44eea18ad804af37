"""The mutated bodies are what they claim to be: the same for a seed, many kinds, and most of them wrong."""

from __future__ import annotations

import json

from benchmarks.fuzz import complaint
from benchmarks.mutations import SEEDS, Mutant, mutants

ANY = Mutant("/v1/classify", b"{}", {})


def _reads(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def test_mutants_repeat_and_differ() -> None:
    made = list(mutants(400, 5))
    assert made == list(mutants(400, 5))
    assert made != list(mutants(400, 6))
    assert {mutant.path for mutant in made} == {path for path, _ in SEEDS}
    assert len({mutant.body for mutant in made}) > 300
    broken = sum(not _reads(mutant.body) for mutant in made)
    assert 40 < broken < 200
    valid = {json.dumps(document) for _, document in SEEDS}
    assert sum(mutant.body.decode("utf-8", "replace") in valid for mutant in made) < 100


def test_seeds_are_not_changed_by_making_mutants() -> None:
    before = json.dumps(SEEDS)
    list(mutants(300, 1))
    assert json.dumps(SEEDS) == before


def test_what_counts_as_wrong() -> None:
    error = b'{"error": {"message": "", "type": "", "param": null, "code": null}}'
    problem = b'{"type": "", "title": "", "status": 404, "detail": "", "code": ""}'
    assert complaint(ANY, 200, "text/event-stream", b"data: 1") == ""
    assert complaint(ANY, 400, "application/json", error) == ""
    assert complaint(ANY, 404, "application/problem+json", problem) == ""
    assert complaint(ANY, 500, "application/json", error) == "status 500"
    assert complaint(ANY, 400, "application/json", b'{"error": "no"}')
    assert complaint(ANY, 400, "text/plain", b"Invalid")
    assert complaint(ANY, 404, "application/problem+json", error)
