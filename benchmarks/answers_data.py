"""The judged questions that answers are measured with: the sample documents, and three public sets.

A case without gold rows has no answer where it is asked: the sample's own, and on CUAD clauses that the experts who
annotated a contract did not find there. The other sets do not say which questions have none.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks import harness
from rightsized.apps.search.answer.answering import asked_words
from rightsized.apps.search.answer.evidence import PASSAGES, Evidence, gathered, split, with_header
from rightsized.apps.search.collections import Collections
from rightsized.apps.search.evaluate import beir
from rightsized.apps.search.evaluate.asking import Asking, Bench
from rightsized.apps.search.evaluate.collected import collect, texts_to_encode
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.results import Results, Settings
from rightsized.apps.search.query.search import search
from rightsized.apps.search.rank.judgements import read_judgements
from rightsized.apps.search.types import Filters
from rightsized.core.egress import Egress
from rightsized.data import folder
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home
from rightsized.tasks.embeddings import Embedder

SEED = 20261128
EVERYTHING = Filters()
LIMIT = 12  # hits of each search; the first PASSAGES are read
SETTINGS = Settings()
SETS = ("sample", "policyqa", "cuad", "obliqa")


class Case(NamedTuple):
    """One question as it is asked; `gold` are rows of the passages that answer it. `group`: the document it is of."""

    text: str
    view: View
    filters: Filters
    gold: frozenset[int]
    group: str


class Seen(NamedTuple):
    """What the answer to a case is made from."""

    case: Case
    results: Results
    evidence: Evidence


@contextlib.contextmanager
def cases(name: str, data: Path, encoder: Embedder, plain: OnnxEncoder, most: int = 0) -> Iterator[list[Case]]:
    """The cases of a set, at most so many with an answer (0 = all), drawn at random."""
    if name == "sample":
        with _sample(plain) as found:
            yield found
        return
    judged = beir.read(data / "search" / name)
    chance = random.Random(SEED)
    questions = list(judged.questions)
    if most and most < len(questions):
        questions = [questions[at] for at in sorted(chance.sample(range(len(questions)), most))]
    judged = msgspec.structs.replace(judged, questions=tuple(questions))
    asking = Asking("" if name == "obliqa" else "doc")
    encoder.prepare([*texts_to_encode(judged), *(one.text for one in questions)])
    with tempfile.TemporaryDirectory() as home:
        collected = collect(Path(home), "judged", judged, encoder)
        bench = Bench(judged, collected, encoder, asking)
        found = [
            Case(one.text, bench.view, one.filters, one.relevant, question.fields.get("doc", ""))
            for one, question in zip(bench.questions(), judged.questions, strict=True)
        ]
        if name == "cuad":
            found += absent(bench, judged, chance, len(found) // 2)
        yield found
        collected.collection.close()


def absent(bench: Bench, judged: beir.Judged, chance: random.Random, count: int) -> list[Case]:
    """Questions of CUAD asked of contracts where the experts found no such clause."""
    ids = {one.key: one.id for one in bench.view.documents(EVERYTHING)}
    texts = {one.fields["category"]: one.text for one in judged.questions}
    there = {(one.fields["category"], one.fields["doc"]) for one in judged.questions}
    asked = {document for _, document in there}
    pairs = sorted((category, doc) for category in texts for doc in asked if (category, doc) not in there)
    return [
        Case(texts[category], bench.view, Filters(documents=(ids[doc],)), frozenset(), doc)
        for category, doc in sorted(chance.sample(pairs, min(count, len(pairs))))
    ]


@contextlib.contextmanager
def _sample(encoder: OnnxEncoder) -> Iterator[list[Case]]:
    """The sample documents, each question asked as the person that it names."""
    documents = folder("documents")
    with tempfile.TemporaryDirectory() as home:
        collections = Collections(Home(home).ensure(), lambda: encoder)
        collections.take_in("sample", [str(documents)], Egress.at(home, ()))
        collection = collections.open("sample")
        whole = collection.view(collection.all_principals())
        path = documents / "questions.jsonl"
        found = []
        for row in harness.rows(path):
            gold: frozenset[int] = frozenset()
            if row["kind"] != "unanswerable":
                one = Path(home) / "one.jsonl"
                one.write_bytes(msgspec.json.encode(row))
                read = read_judgements(one, whole).questions
                if not read:
                    harness.note(f"{row['id']} cannot be placed")
                    continue
                gold = read[0].relevant
            view = collection.view((row["principal"],))
            found.append(Case(row["text"], view, EVERYTHING, gold, row.get("document", "")))
        yield found
        collections.close()


def seen(some: Sequence[Case], encoder: Embedder) -> list[Seen]:
    """Search, and describe the sentences of the first passages. Vectors come from the cache where it has them."""
    encoder.prepare([one.text for one in some])
    with asyncio.Runner() as runner:
        found = [runner.run(_searched(one, encoder)) for one in some]
        texts: list[str] = []
        for case, results in zip(some, found, strict=True):
            read = results.hits[:PASSAGES]
            texts += [asked_words(case.text, results, SETTINGS), *(with_header(one, read) for one in split(read))]
        encoder.prepare([one for one in dict.fromkeys(texts) if one.strip()])
        return [
            Seen(
                case,
                results,
                runner.run(gathered(asked_words(case.text, results, SETTINGS), results.hits, encoder)),
            )
            for case, results in zip(some, found, strict=True)
        ]


async def _searched(case: Case, encoder: Embedder) -> Results:
    return await search(case.view, case.text, encoder=encoder, filters=case.filters, limit=LIMIT, settings=SETTINGS)
