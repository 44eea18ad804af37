"""CUAD's contracts as whole documents, with the characters that each question asks for; and a collection made of them.

The corpus comes cut into rows. A contract is its rows with a blank between them: one text without line breaks, in which
no cut of the corpus can be seen. The collection is made by the product: files in a folder, parsed, cut and embedded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import harness, models
from rightsized.apps.search.collections import Collections
from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.types import Document, Filters
from rightsized.core.egress import Egress
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home

NAME = "cuad-contracts"
Span = tuple[int, int]


@dataclass(frozen=True)
class Asked:
    """A question about one contract, and where its clauses stand: (start, end) of the contract's text, in order."""

    id: str
    contract: str
    text: str
    category: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Contract:
    """A whole contract; `half` is 0 or 1, by its name."""

    id: str
    title: str
    text: str
    asked: tuple[Asked, ...]

    @property
    def half(self) -> int:
        return hashlib.sha256(self.id.encode()).digest()[0] % 2


def contracts(data: Path) -> list[Contract]:
    """Every contract with its questions; questions without any clause are left out."""
    folder = data / "search" / "cuad"
    texts, titles, places = _joined(folder)
    relevant = _relevant(folder)
    asked: dict[str, list[Asked]] = {}
    for row in harness.rows(folder / "queries.jsonl.gz"):
        spans = sorted(places[one] for one in relevant.get(row["id"], ()))
        if spans:
            one = Asked(row["id"], row["doc"], row["text"], row["category"], tuple(spans))
            asked.setdefault(row["doc"], []).append(one)
    return [Contract(key, titles[key], text, tuple(asked[key])) for key, text in texts.items() if key in asked]


def _joined(folder: Path) -> tuple[dict[str, str], dict[str, str], dict[str, Span]]:
    texts: dict[str, str] = {}
    titles: dict[str, str] = {}
    places: dict[str, Span] = {}
    for row in harness.rows(folder / "corpus.jsonl.gz"):
        before = texts.get(row["doc"], "")
        start = len(before) + 1 if before else 0
        texts[row["doc"]] = f"{before} {row['text']}" if before else row["text"]
        titles[row["doc"]] = row["title"]
        places[row["id"]] = (start, start + len(row["text"]))
    return texts, titles, places


def _relevant(folder: Path) -> dict[str, list[str]]:
    import gzip

    found: dict[str, list[str]] = {}
    for line in gzip.decompress((folder / "qrels.tsv.gz").read_bytes()).decode().splitlines()[1:]:
        question, row, score = line.split("\t")
        if int(score) > 0:
            found.setdefault(question, []).append(row)
    return found


def indexed(some: list[Contract], encoder: OnnxEncoder) -> tuple[Collection, Mapping[str, Document]]:
    """The collection of these contracts, made once and kept beside the encoder; and its documents by contract."""
    root = models.home().path / "benchmarks" / "long"
    folder = root / "contracts"
    folder.mkdir(parents=True, exist_ok=True)
    for one in some:
        path = folder / f"{one.id}.txt"
        if not path.exists() or path.read_text("utf-8") != one.text:
            path.write_text(one.text, "utf-8")
        path.chmod(0o644)
    home = Home(root / "home").ensure()
    collections = Collections(home, lambda: encoder)
    collections.take_in(NAME, [str(folder)], Egress.at(str(home.path), ()), progress=_progress)
    collection = collections.open(NAME)
    view = collection.view(collection.all_principals())
    documents = {one.key.removesuffix(".txt"): one for one in view.documents(Filters())}
    for one in some:
        if view.text(documents[one.id].id).rstrip() != one.text.rstrip():
            raise SystemExit(f"{one.id} was read otherwise than it stands in the corpus.")
    return collection, documents


def _progress(stage: str, done: int, total: int) -> None:
    if done % 20 == 0:
        harness.note(f"{stage} {done}/{total}")
