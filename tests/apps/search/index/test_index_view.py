"""A view hands out what its principals may see and nothing else, by every method, whatever the question."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from index_samples import STEPS, CountingEncoder, MemorySource

from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.index.view import IndexView
from rightsized.apps.search.query.clauses import And, Clause, Not, Or, Phrase, Terms
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.types import Filters
from rightsized.core.errors import NotFoundError

WORDS = [f"word{number}" for number in range(40)]
GROUPS = [f"group:{number}" for number in range(6)]
DOCUMENTS = 120


@pytest.fixture(scope="module")
def source() -> MemorySource:
    """Documents of random words and permissions; one in three has the content of another."""
    draw = random.Random(1)
    source = MemorySource()
    for number in range(DOCUMENTS):
        text = f"Paper {number}\n\n" + "\n\n".join(" ".join(draw.choices(WORDS, k=6)) for _ in range(3))
        if number and number % 3 == 0:
            text = source.files[f"{draw.randrange(number):03}.txt"][0].decode()
        who = draw.sample(GROUPS, draw.randint(0, 2)) + (["everyone"] if draw.random() < 0.1 else [])
        source.put(f"{number:03}.txt", text, *(who or ["nobody"]), author=f"a{number % 5}", year=str(number % 4))
    return source


@pytest.fixture(scope="module")
def collection(source: MemorySource, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    collection = open_collection(tmp_path_factory.mktemp("home"), "docs", CountingEncoder(), create=True)
    sync(collection, source, STEPS)
    yield collection
    collection.close()


def clause(draw: random.Random) -> Clause:
    words = " ".join(draw.choices(WORDS, k=2))
    kind = draw.randrange(5)
    if kind == 0:
        return Phrase(words, draw.randrange(3))
    if kind == 1:
        return And((Terms(words), Not(Terms(draw.choice(WORDS)))))
    if kind == 2:
        return Or((Terms(draw.choice(WORDS)), Phrase(words)))
    return Terms(words, fuzzy=kind == 3)


def filters(draw: random.Random, ids: list[str]) -> Filters:
    found = Filters()
    if draw.random() < 0.5:
        return found
    fields = {"author": tuple(draw.sample(["a0", "a1", "a2", "zz"], 2))} if draw.random() < 0.6 else {}
    if draw.random() < 0.3:
        fields["year"] = ("1",)
    documents = tuple(draw.sample(ids, 10)) if draw.random() < 0.3 else ()
    since = 1000.0 + draw.randrange(DOCUMENTS) if draw.random() < 0.3 else None
    return Filters(documents, fields, since, since + 60 if since and draw.random() < 0.5 else None)


def passing(collection: Collection, asked: Filters, principals: set[str]) -> set[str]:
    """Ids by a plain loop over all documents."""
    every = collection.view([*GROUPS, "nobody"]).documents(Filters())
    assert len(every) == DOCUMENTS
    return {
        one.id
        for one in every
        if principals & set(one.principals)
        and (not asked.documents or one.id in asked.documents)
        and all(one.metadata.get(field) in values for field, values in asked.fields.items())
        and (asked.since is None or one.date >= asked.since)
        and (asked.until is None or one.date <= asked.until)
    }


def test_nothing_leaks_and_nothing_is_lost(collection: Collection) -> None:
    draw = random.Random(3)
    encoder = CountingEncoder()
    every = collection.view([*GROUPS, "nobody"])
    ids = [one.id for one in every.documents(Filters())]
    content = {one.id: one.content for one in every.documents(Filters())}
    for _ in range(150):
        mine = draw.sample(GROUPS, draw.randint(0, 3))
        view, asked = collection.view(mine), filters(draw, ids)
        may = passing(collection, asked, {"everyone", *mine})
        contents = {content[one] for one in may}
        question, vector = clause(draw), encoder.encode_now(" ".join(draw.choices(WORDS, k=3))).vector
        for mine_found, all_found in (
            (view.lexical(question, asked, 1000), every.lexical(question, Filters(), 1000)),
            (view.dense(vector, asked, 1000), every.dense(vector, Filters(), 1000)),
        ):
            found = view.found(mine_found.rows, asked)
            assert len(found) == len(mine_found.rows)
            assert {one.document.id for one in found} <= may
            allowed = {one.row for one in every.found(all_found.rows) if one.document.content in contents}
            assert set(mine_found.rows.tolist()) == allowed
        assert {one.id for one in view.documents(asked)} == may
        counts = {(one.field, one.value): one.count for one in view.facets(asked, ["author", "year", "absent"])}
        assert sum(n for (field, _), n in counts.items() if field == "author") == len(may)


def test_facets_of_rows_count_their_visible_documents(collection: Collection) -> None:
    for group in GROUPS:
        view = collection.view([group])
        rows = view.lexical(Terms(WORDS[0]), Filters(), 30).rows.tolist()
        own = {one.id for one in view.documents_of(rows).values()}
        counted = {one.value: one.count for one in view.facets(Filters(), ["author"], rows)}
        assert counted == {one.value: one.count for one in view.facets(Filters(documents=tuple(own)), ["author"])}
        assert sum(counted.values()) == len(own) > 0
        assert view.facets(Filters(), ["author"], []) == []


def test_a_document_that_came_after_a_view_is_not_there_for_it(tmp_path: Path) -> None:
    made, source = open_collection(tmp_path, "docs", CountingEncoder(), create=True), MemorySource()
    for key in ("a.txt", "b.txt"):  # before it there is nothing, and then one document
        view = made.view([])
        source.put(key, f"{key}\n\nNew words.")
        sync(made, source, STEPS)
        (new,) = [one for one in made.view([]).documents(Filters()) if one.key == key]
        with pytest.raises(NotFoundError):
            view.document(new.id)
        assert made.view([]).document(new.id).key == key
    made.close()


def test_a_word_is_known_where_a_visible_passage_has_it(collection: Collection) -> None:
    for group in [*GROUPS, "nobody"]:
        view = collection.view([group])
        for word in [*WORDS, "absent"]:
            assert view.knows(word) == bool(len(view.lexical(Terms(word), Filters(), 1).rows))


def test_suggestions_count_visible_passages(collection: Collection) -> None:
    every = collection.view([*GROUPS, "nobody"])
    for group in GROUPS:
        view = collection.view([group])
        texts = {f.row: f.passage.indexed for d in view.documents(Filters()) for f in view.passages(d.id)}
        expected = {word: sum(word in text.split() for text in texts.values()) for word in WORDS}
        assert dict(view.terms("word", 100)) == {word: count for word, count in expected.items() if count}
        assert len(view.terms("word", 3)) == 3
    assert len(every.terms("word", 100)) == len(WORDS)


def test_rows_that_are_hidden_have_no_cosines_vectors_or_texts(collection: Collection) -> None:
    every, view = collection.view([*GROUPS, "nobody"]), collection.view([])
    hidden = [one for one in every.documents(Filters()) if "everyone" not in one.principals]
    seen = {one.content for one in view.documents(Filters())}
    one = next(one for one in hidden if one.content not in seen)
    rows = [found.row for found in every.passages(one.id)]
    vector = CountingEncoder().encode_now("word1").vector
    assert np.isnan(view.cosines(vector, [*rows, 10**9])).all()
    np.testing.assert_allclose(every.cosines(vector, rows), every.vectors(rows) @ vector, atol=1e-6)
    assert view.found(rows) == []
    with pytest.raises(NotFoundError):
        view.vectors(rows)
    for method in (IndexView.passages, IndexView.text, IndexView.lines, IndexView.original, IndexView.document):
        told = []
        for document in (one.id, "f" * 20):
            with pytest.raises(NotFoundError) as error:
                method(view, document)
            told.append(str(error.value).replace(document, "X"))
        assert told[0] == told[1]


def test_a_view_stays_as_it_is_and_revoked_documents_are_not_read(tmp_path: Path) -> None:
    source = MemorySource()
    source.put("a.txt", "Alpha\n\nSalaries of all.", "group:1")
    collection = open_collection(tmp_path, "docs", CountingEncoder(), create=True)
    sync(collection, source, STEPS)
    view = collection.view(["group:1"])
    rows = view.lexical(Terms("salaries"), Filters(), 5).rows
    (document,) = view.documents(Filters())
    source.share("a.txt", "group:2")
    sync(collection, source, STEPS)
    assert view.found(rows) == []
    with pytest.raises(NotFoundError):
        view.text(document.id)
    collection.close()


def test_scores_tell_nothing_of_hidden_passages(tmp_path: Path) -> None:
    """Hidden passages of the same lengths come and go: what an asker sees scores the same."""

    def scores(hidden: list[str], name: str) -> list[list[float]]:
        source = MemorySource()
        for number in range(12):
            text = (
                f"Paper {number}\n\nred {'green' if number % 3 else 'blue'} wall {'stone' if number % 2 else 'brick'}"
            )
            source.put(f"{number:02}.txt", text, "group:me")
        for number, text in enumerate(hidden):
            source.put(f"hidden-{number}.txt", text, "group:they")
        collection = open_collection(tmp_path, name, CountingEncoder(), create=True)
        sync(collection, source, STEPS)
        view = collection.view(["group:me"])
        clauses = [Terms("blue stone wall"), Phrase("blue wall"), Or((Terms("brick"), Phrase("red green")))]
        found = [view.lexical(one, Filters(), 50).scores.tolist() for one in clauses]
        collection.close()
        return found

    none = scores(["Paper 0\n\nplain plain plain plain"], "none")
    many = scores([f"Paper {n}\n\nblue stone blue {n}" for n in range(30)], "many")
    assert [len(one) for one in none] == [len(one) for one in many]
    for one, other in zip(none, many, strict=True):
        assert len(one) > 3
        np.testing.assert_allclose(one, other, rtol=1e-5)
