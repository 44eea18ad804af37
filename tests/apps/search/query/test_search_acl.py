"""Random askers, documents and questions: nothing hidden is told. And the attempt finds leaks where there are some."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import search_acl
from benchmarks.search_acl_corpus import askers, collected, corpus
from rightsized.apps.search.protocols import View

SIZE, SEED = 60, 7


class World:
    """A collection, its askers, and what the oracle knows."""

    def __init__(self, home: Path) -> None:
        self.held = corpus(SIZE, SEED)
        self.collection, encoder = collected(home, self.held, self.held.documents)
        self.whole = tuple(sorted({name for one in self.held.documents for name in one.principals}))
        self.given = search_acl.setting(self.held, self.collection.view(self.whole), encoder)
        self.known = [one for one in self.held.documents if one.key in self.given.ids]
        self.people = askers(12, SEED)

    def leaks(self, view: View, who: int, which: int, seed: int) -> list[search_acl.Leak]:
        chance = random.Random(seed)
        one = search_acl.asker(self.held, view, self.people[who])
        target = self.known[which % len(self.known)]
        return search_acl.leaks(self.given, one, target, search_acl.question(chance, self.held, target), chance)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("acl"))
    yield made
    made.collection.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(who=st.integers(0, 11), which=st.integers(0, SIZE - 1), seed=st.integers(0, 2**32))
def test_nothing_hidden_is_told(world: World, who: int, which: int, seed: int) -> None:
    assert world.leaks(world.collection.view(world.people[who]), who, which, seed) == []


class Loose:
    """A view of somebody that answers one method as if everything were theirs."""

    def __init__(self, own: View, whole: View, method: str) -> None:
        self._own, self._whole, self._method = own, whole, method

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole if name == self._method else self._own, name)


METHODS = (
    "found", "lexical", "terms", "documents", "facets", "document", "passages", "text", "lines", "cosines", "vectors",
    "documents_of", "knows",
)  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_view_that_forgets_principals_in_one_place_is_found_out(world: World, method: str) -> None:
    whole = world.collection.view(world.whole)
    for seed in range(200):
        who = seed % len(world.people)
        view: Any = Loose(world.collection.view(world.people[who]), whole, method)
        if world.leaks(view, who, seed, seed):
            return
    pytest.fail(f"{method} told what is hidden, and nothing noticed")


def test_hidden_documents_change_scores_and_nothing_else(tmp_path: Path) -> None:
    compared = search_acl.differences(40, 60, SEED, tmp_path)
    assert compared["questions"] == 60
    assert set(compared["differ"]) <= {"lexical scores", "order of hits", "hits as a set", "dense scores"}
