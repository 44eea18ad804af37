"""Tries to make document search tell what an asker may not see: random (asker, document, question) triples.

    python -m benchmarks.search_acl --json

Each triple asks in every way there is: results, counts, facets, scope, corrections, suggestions, more like this, an
answer (extracts, or written by a stand-in that repeats the passages it is given), and the document itself by id. An
oracle in memory says what may be seen. A leak is a hidden document's id, key, title, author, word or count in an
answer, or an error that tells hidden from nonexistent. Needs no model: vectors are a stand-in's.

A second part compares the collection with one that lacks the hidden documents: all that differs must be scores.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks import harness
from benchmarks.search_acl_corpus import (
    MARK,
    Corpus,
    Held,
    askers,
    collected,
    corpus,
    marks_of,
    visible,
)
from rightsized.apps.search.answer.answering import Bar, Inquiry, answer
from rightsized.apps.search.answer.written import write
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.clauses import And, Not, Or, Phrase, Terms
from rightsized.apps.search.query.results import Results, Settings
from rightsized.apps.search.query.search import search
from rightsized.apps.search.query.similar import similar
from rightsized.apps.search.query.suggesting import suggestions
from rightsized.apps.search.types import Filters
from rightsized.core.errors import NotFoundError
from rightsized.engines.fake import FakeEncoder
from rightsized.tasks.writing import FakeTextWriter, Prompt

FIELDS = ("author", "folder", "type", "parties", "source")
EVERY = Bar(least=0.0)  # answers whatever the evidence
UNKNOWN = "0123456789abcdef0123"  # an id that no document has
SEED = 20261128


class Asker(NamedTuple):
    """One asker and what the oracle says of them: ids by key of what they see, marks, and whole-collection facts."""

    principals: tuple[str, ...]
    view: View
    keys: frozenset[str]
    marks: frozenset[str]


class Setting(NamedTuple):
    held: Corpus
    ids: dict[str, str]  # document id by key, of all documents
    rows: dict[str, list[int]]  # rows of passages by key
    encoder: FakeEncoder
    answers: Counter[str]  # what was answered, so that a run shows that it looked at something


class Leak(NamedTuple):
    where: str
    what: str


def asker(held: Corpus, view: View, principals: tuple[str, ...]) -> Asker:
    some = visible(held, principals)
    return Asker(principals, view, frozenset(one.key for one in some), frozenset(marks_of(held, some)))


def setting(held: Corpus, everything: View, encoder: FakeEncoder) -> Setting:
    """Ids and rows as one who sees everything finds them; `held` is made so that the askers do not."""
    found = {one.key: one.id for one in everything.documents(Filters())}
    rows = {key: [one.row for one in everything.passages(found[key])] for key in found}
    return Setting(held, found, rows, encoder, Counter())


def question(chance: random.Random, held: Corpus, target: Held) -> str:
    """Something to ask that a document would answer, seen or not."""
    content = held.contents[target.content]
    mark = chance.choice(sorted(content.marks | target.marks))
    at = chance.randrange(3, len(mark))
    misspelt = mark[:at] + mark[at + 1 :]
    some = " ".join(chance.sample(content.text.split(), 4))
    return chance.choice(
        (
            content.title, mark, misspelt, some, f'"{some}"', f"notice {mark}", f"notice -{mark}", f"{mark} OR payment",
            f"NOT {mark}", f"title:{mark} notice", f'author:"{target.author}" notice', f"folder:{mark} payment",
            f"parties:{mark} payment", f"What does {misspelt.title()} Gears pay?", "annual leave", "",
            f"payment -author:{mark}", f"after:2020 {mark} before:2030", f"{mark.title()} Gears, Inc. supply agreement",
        )
    )  # fmt: skip


def leaks(given: Setting, one: Asker, target: Held, asked: str, chance: random.Random) -> list[Leak]:
    """Everything that one triple gives away."""
    found: list[Leak] = []
    settings = Settings(
        facets=FIELDS,
        by_document=chance.random() < 0.3,
        fold=chance.random() < 0.7,
        half_life_days=chance.choice((0.0, 30.0)),
    )
    narrowed = Filters(documents=(given.ids[target.key],)) if chance.random() < 0.2 else Filters()
    results = asyncio.run(search(one.view, asked, encoder=given.encoder, filters=narrowed, limit=10, settings=settings))
    found += _of_results(given, one, results)
    found += _of_answers(given, one, asked, chance.random() < 0.5)
    mark = chance.choice(sorted(given.held.contents[target.content].marks))
    for typed in (mark[:3], mark[:-1], asked[:5]):
        told = suggestions(one.view, typed, 20)
        found += _marks(
            one, "suggestions", [hit.text[len(typed) :] if hit.kind == "word" else hit.text for hit in told]
        )
        found += _ids(given, one, "suggestions", [hit.document for hit in told if hit.document])
        found += _terms(given, one, typed)
    found += _counts(given, one, mark)
    found += _by_id(given, one, target)
    return found


def _of_results(given: Setting, one: Asker, results: Results) -> list[Leak]:
    found = []
    told = [item for hit in results.hits for item in (hit.found, *hit.folded)]
    found += _ids(given, one, "results", [item.document.id for item in told])
    found += _marks(one, "results", [msgspec.json.encode(hit).decode() for hit in results.hits])
    found += _ids(given, one, "scope", results.scope.documents)
    found += _marks(one, "scope", results.scope.titles)
    found += _marks(one, "corrections", [change.meant for change in results.corrections])
    found += _marks(one, "facets", [facet.value for facet in results.facets])
    everything = Counter((facet.field, facet.value) for facet in results.facets)
    if any(count > 1 for count in everything.values()):
        found.append(Leak("facets", "a value stands twice"))
    if any(facet.count > len(one.keys) for facet in results.facets):
        found.append(Leak("facets", "more documents counted than the asker sees"))
    return found


def _of_answers(given: Setting, one: Asker, asked: str, written: bool) -> list[Leak]:
    """What an answer says and cites, and what the model that writes it is told."""
    writer = FakeTextWriter(_repeated)
    if written:
        answered = asyncio.run(write(one.view, asked, writer, Inquiry(given.encoder, bar=EVERY)))
    else:
        answered = asyncio.run(answer(one.view, asked, encoder=given.encoder, bar=EVERY))
    said = (*answered.sentences, *answered.offered)
    cited = [place for sentence in said for place in sentence.citations]
    found = _ids(given, one, "answers", [place.found.document.id for place in cited])
    told = [answered.text, *answered.notes, *(sentence.text for sentence in said)]
    found += _marks(one, "answers", [*told, *(msgspec.json.encode(place).decode() for place in cited)])
    given.answers[f"{answered.method} {answered.status}"] += 1
    given.answers["citations"] += len(cited)
    prompts = [excerpt for prompt in writer.prompts for excerpt in prompt.excerpts]
    given.answers["passages given to a model"] += len(prompts)
    found += _marks(one, "prompts", [f"{excerpt.label}\n{excerpt.text}" for excerpt in prompts])
    return found + _of_results(given, one, answered.results)


def _repeated(prompt: Prompt) -> str:
    """The beginning of every passage, cited."""
    return "\n".join(f"{excerpt.text.split('. ')[0]}. [{at}]" for at, excerpt in enumerate(prompt.excerpts, 1))


def _counts(given: Setting, one: Asker, mark: str) -> list[Leak]:
    """Counts against those of the oracle."""
    authors = Counter(held.author for held in given.held.documents if held.key in one.keys)
    counted = {facet.value: facet.count for facet in one.view.facets(Filters(), ["author"])}
    found = [] if counted == dict(authors) else [Leak("counts", "facets are not the oracle's")]
    if len(one.view.documents(Filters())) != len(one.keys):
        found.append(Leak("counts", "documents are not the oracle's"))
    hidden = mark not in one.marks
    clauses = (Terms(mark), Phrase(mark), Or((Terms(mark), Phrase(mark))), And((Terms(mark), Not(Terms("zzz")))))
    if hidden and any(len(one.view.lexical(clause, Filters(), 50).rows) for clause in clauses):
        found.append(Leak("counts", f"passages of {mark}"))
    if hidden and one.view.knows(mark):
        found.append(Leak("counts", f"that {mark} is there"))
    return found


def _terms(given: Setting, one: Asker, typed: str) -> list[Leak]:
    prefix = typed.split()[-1] if typed.split() else ""
    return _marks(one, "terms", [word for word, _ in one.view.terms(prefix, 1000)]) if len(prefix) > 1 else []


def _by_id(given: Setting, one: Asker, target: Held) -> list[Leak]:
    """Everything that takes an id or a row: hidden must be as nonexistent, visible must be there."""
    view, identifier, rows = one.view, given.ids[target.key], given.rows[target.key]
    reads: dict[str, Callable[[str], Any]] = {
        "document": view.document, "passages": view.passages, "text": view.text, "lines": view.lines,
        "original": view.original, "similar": lambda document: similar(view, document),
    }  # fmt: skip
    found = []
    seen = target.key in one.keys
    for name, read in reads.items():
        told, unknown = _told(read, identifier), _told(read, UNKNOWN)
        if seen and isinstance(told, NotFoundError) and name != "original":
            found.append(Leak(name, "a visible document is not there"))
        if not seen and str(told).replace(identifier, UNKNOWN) != str(unknown):
            found.append(Leak(name, f"hidden is told from nonexistent: {told}"))
        if name == "similar" and isinstance(told, tuple):
            found += _ids(given, one, name, [hit.found.document.id for hit in told])
            if identifier in [hit.found.document.id for hit in told]:
                found.append(Leak(name, "a document is like itself"))
    shown = {key for key, own in given.rows.items() if key in one.keys and set(own) & set(rows)}
    if not shown:
        vector = given.encoder.encode_now("notice").vector
        if (
            view.found(rows)
            or view.documents_of(rows)
            or view.facets(Filters(), FIELDS, rows)
            or not all(value != value for value in view.cosines(vector, rows))
        ):
            found.append(Leak("rows", "passages of hidden documents"))
        if not isinstance(_told(view.vectors, rows), NotFoundError):
            found.append(Leak("rows", "vectors of hidden documents"))
    return found


def _told(read: Callable[[Any], Any], argument: Any) -> Any:
    try:
        return read(argument)
    except NotFoundError as error:
        return error


def _ids(given: Setting, one: Asker, where: str, told: Sequence[str]) -> list[Leak]:
    allowed = {given.ids[key] for key in one.keys}
    return [Leak(where, f"document {identifier}") for identifier in told if identifier not in allowed]


def _marks(one: Asker, where: str, told: Sequence[str]) -> list[Leak]:
    words = {word.lower() for text in told for word in MARK.findall(text)}
    return [Leak(where, word) for word in sorted(words - one.marks)]


def triples(size: int, count: int, seed: int, home: Path) -> dict[str, Any]:
    """Ask `count` triples of a collection of `size` documents."""
    held = corpus(size, seed)
    collection, encoder = collected(home, held, held.documents)
    whole = tuple(sorted({principal for one in held.documents for principal in one.principals}))
    given = setting(held, collection.view(whole), encoder)
    nobody = [one for one in held.documents if one.key not in given.ids]
    known = [one for one in held.documents if one.key in given.ids]
    people = [asker(held, collection.view(some), some) for some in askers(40, seed)]
    chance = random.Random(seed)  # test data
    found: list[Leak] = []
    hidden = 0
    for done in range(count):
        one, target = chance.choice(people), chance.choice(known)
        hidden += target.key not in one.keys
        found += leaks(given, one, target, question(chance, held, target), chance)
        if done % 1000 == 999:
            harness.note(f"{done + 1} triples, {len(found)} leaks")
    collection.close()
    return {
        "triples": count,
        "of_hidden_documents": hidden,
        "documents": size,
        "documents_of_nobody": len(nobody),
        "askers": len(people),
        "answers": dict(given.answers),
        "leaks": len(found),
        "leaks_by_place": dict(Counter(leak.where for leak in found)),
        "examples": [list(leak) for leak in found[:10]],
    }


def differences(size: int, count: int, seed: int, home: Path) -> dict[str, Any]:
    """What an asker sees of the whole collection beside one that has only what they may see."""
    held = corpus(size, seed)
    collection, encoder = collected(home / "whole", held, held.documents)
    chance = random.Random(seed)  # test data
    differs: Counter[str] = Counter()
    asked = 0
    for number, principals in enumerate(askers(6, seed + 1)):
        alone, _ = collected(home / f"alone{number}", held, visible(held, principals))
        pair = [one.view(principals) for one in (collection, alone)]
        for _ in range(count // 6):
            target = chance.choice(held.documents)
            text = question(chance, held, target)
            told = [_summary(view, encoder, text) for view in pair]
            differs.update(part for part in told[0] if told[0][part] != told[1][part])
            asked += 1
        alone.close()
    collection.close()
    return {"questions": asked, "differ": dict(differs)}


def _summary(view: View, encoder: FakeEncoder, text: str) -> dict[str, Any]:
    """What a search tells, by keys, since ids differ from collection to collection."""
    settings = Settings(facets=FIELDS)
    results = asyncio.run(search(view, text, encoder=encoder, limit=10, settings=settings))
    keys = [(hit.found.document.key, hit.found.passage.ordinal) for hit in results.hits]
    last = text.split()[-1] if text.split() else ""
    return {
        "scope": sorted(results.scope.titles),
        "corrections": results.corrections,
        "notes": results.notes,
        "more": results.more,
        "suggestions": [(one.text, one.kind) for one in suggestions(view, text[:4], 20)],
        "terms": view.terms(last[:3], 50) if last else [],
        "facets of all": view.facets(Filters(), FIELDS),
        "facets": results.facets,
        "total": results.total,
        "hits as a set": sorted(keys),
        "order of hits": keys,
        "dense scores": [round(hit.scores.get("dense", 0.0), 4) for hit in results.hits],
        "lexical scores": [round(hit.scores.get("lexical", 0.0), 4) for hit in results.hits],
    }


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--triples", type=int, default=10_000)
    parser.add_argument("--documents", type=int, default=240)
    parser.add_argument("--seed", type=int, default=SEED)


def main() -> int:
    given = harness.options("search_acl", __doc__ or "", _configure)
    extra = given.extra
    count = 300 if given.quick else extra.triples
    with tempfile.TemporaryDirectory() as folder:
        asked = triples(extra.documents, count, extra.seed, Path(folder) / "triples")
        compared = differences(extra.documents, max(60, count // 10), extra.seed, Path(folder))
    lines = [
        f"{asked['triples']:,} triples ({asked['of_hidden_documents']:,} of hidden documents): {asked['leaks']} leaks",
        f"{compared['questions']:,} questions with and without the hidden documents; answers that differ: "
        f"{compared['differ'] or 'none'}",
    ]
    status = harness.finish(given, {"triples": asked, "without_hidden": compared}, lines)
    return status or int(asked["leaks"] > 0)


if __name__ == "__main__":
    sys.exit(main())
