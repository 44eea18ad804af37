"""Pairs of texts out of a collection: headings with what stands below them, titles with how the document begins.

Reads through a view, one document at a time. What asks the same as a judged question is left out. Pairs are drawn by a
digest of what they are, so that the same collection and seed give the same pairs whatever the order of documents.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil

from rightsized.apps.search.adapt.headings import common, plain, run_in, telling
from rightsized.apps.search.adapt.records import AdaptOptions, Kind, Pair
from rightsized.apps.search.protocols import View
from rightsized.apps.search.types import Document, Filters, Found
from rightsized.core.protocols import Progress, no_progress
from rightsized.parsers.sentences import sentences
from rightsized.tune.duplicates import normalise

FEWEST_WORDS = 10  # of a passage that is learnt from
TITLED = 2  # passages at the beginning that a title speaks for
A_HEADING = 8  # pairs of one heading in one document at most
SPARSE = 4  # passages a pair above which first sentences serve as well
SENTENCE_WORDS = (5, 30)  # of a first sentence that asks
SAME_WORDS = 0.8  # Jaccard similarity of words at which a text asks what a judged question asks


def mine(
    view: View, judged: Sequence[str], options: AdaptOptions, progress: Progress = no_progress
) -> tuple[list[Pair], int]:
    """At most `options.most_pairs` pairs, in an order that the seed draws, and how many were left out for being judged.

    Args:
        view: of somebody who may see all of the collection.
        judged: questions that must not be learnt from.
    """
    documents = view.documents(Filters())
    shared = common((one.id, plain(path)) for one in documents for path in _paths(view, one))
    asked = _Asked(judged)
    drawn = _Drawn(options)
    spare = _Drawn(options)
    left_out, passages = 0, 0
    for done, document in enumerate(documents):
        progress("Mining pairs", done, len(documents))
        found = view.passages(document.id)
        passages += len(found)
        for pair in _pairs(document, found, shared):
            if asked.already(pair.asks):
                left_out += 1
            elif pair.kind == "first sentence":
                spare.add(pair)
            else:
                drawn.add(pair)
    progress("Mining pairs", len(documents), len(documents))
    if drawn.seen * SPARSE < passages:
        for pair in spare.pairs():
            drawn.add(pair)
    return drawn.pairs(), left_out


class _Drawn:
    """The pairs with the smallest digests of those seen; of equal ones the first."""

    def __init__(self, options: AdaptOptions) -> None:
        self._most, self._seed = options.most_pairs, options.seed
        self._heap: list[tuple[int, Pair]] = []
        self._known: set[int] = set()
        self.seen = 0

    def add(self, pair: Pair) -> None:
        text = f"{self._seed}\0{normalise(pair.asks)}\0{normalise(pair.body)}".encode("utf-8", "surrogatepass")
        key = int.from_bytes(hashlib.sha256(text).digest()[:8])
        if key in self._known:
            return
        self._known.add(key)
        self.seen += 1
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, (-key, pair))
        elif -key > self._heap[0][0]:
            heapq.heapreplace(self._heap, (-key, pair))

    def pairs(self) -> list[Pair]:
        return [pair for _, pair in sorted(self._heap, reverse=True)]


def _paths(view: View, document: Document) -> set[str]:
    return {name for one in view.passages(document.id) for name in one.passage.path}


def _pairs(document: Document, found: Sequence[Found], shared: frozenset[str]) -> Iterator[Pair]:
    title, counts = plain(document.title), Counter[str]()
    named = telling(title) and title.casefold() not in shared
    for one in found:
        body = _body(one, document.title)
        made = list(_of_passage(one, body, title, shared, counts, document.id))
        if not made and named and one.passage.ordinal < TITLED and _long(body):
            made.append(Pair("title", title, body, one.row, document.id))
        yield from made
        yield from _first_sentence(one, body, document.id)


def _of_passage(
    one: Found, body: str, title: str, shared: frozenset[str], counts: Counter[str], document: str
) -> Iterator[Pair]:
    """The heading above a passage, else the headings that run into its text."""
    asks = _heading(one.passage.path, title, shared)
    if asks and counts[asks] < A_HEADING and _long(body):
        counts[asks] += 1
        yield Pair("heading", asks, body, one.row, document)
        return
    for opened in run_in(body):
        heading = opened.heading
        if telling(heading) and heading.casefold() not in shared and _long(opened.body):
            yield Pair("run-in heading", heading, opened.body, one.row, document)


def _heading(path: Sequence[str], title: str, shared: frozenset[str]) -> str:
    """The innermost heading; with the one above it, or the title, where alone it says too little."""
    names = [plain(name) for name in path]
    if not names:
        return ""
    if telling(names[-1]) and names[-1].casefold() not in shared:
        return names[-1]
    above = next((name for name in [*names[-2::-1], title] if telling(name) and name.casefold() not in shared), "")
    return f"{above}: {names[-1]}" if above and names[-1] and above != names[-1] else ""


def _body(one: Found, title: str) -> str:
    """The passage's text without title and headings that open it."""
    text = one.passage.text.strip()
    names = sorted((name for name in (title, *one.passage.path) if name.strip()), key=len, reverse=True)
    opened = True
    while opened:
        opened = False
        for name in names:
            if text.casefold().startswith(name.casefold()) and _ends(name, text[len(name) :]):
                text, opened = text[len(name) :].lstrip(" \n\t.:#*-–"), True
    return text


def _ends(heading: str, rest: str) -> bool:
    """Whether a heading stands by itself there, and does not begin a sentence."""
    return heading.rstrip()[-1] in ".:?!" or rest.lstrip(" \t")[:1] in ("", *"\r\n.:;|#*-–—")


def _first_sentence(one: Found, body: str, document: str) -> Iterator[Pair]:
    spans = sentences(body)
    if len(spans) < 2:
        return
    asks, rest = body[slice(*spans[0])], body[spans[1][0] :]
    kind: Kind = "first sentence"
    if SENTENCE_WORDS[0] <= len(asks.split()) <= SENTENCE_WORDS[1] and _long(rest):
        yield Pair(kind, plain(asks), rest, one.row, document)


def _long(text: str) -> bool:
    return len(text.split()) >= FEWEST_WORDS


class _Asked:
    """The judged questions, by the words in them that are rarest."""

    def __init__(self, judged: Sequence[str]) -> None:
        self._questions = list({frozenset(normalise(text).split()) for text in judged} - {frozenset()})
        self._counts = Counter(word for words in self._questions for word in words)
        self._with: dict[str, list[int]] = {}
        for number, words in enumerate(self._questions):
            for word in words:
                self._with.setdefault(word, []).append(number)

    def already(self, text: str) -> bool:
        """Whether a judged question has nearly the same words."""
        words = frozenset(normalise(text).split())
        rarest = sorted(words, key=lambda word: (self._counts[word], word))
        # Two sets so alike share at least one of any so many words: the rarest lead to few questions.
        telling = rarest[: len(words) - ceil(SAME_WORDS * len(words)) + 1]
        near = {number for word in telling for number in self._with.get(word, ())}
        return any(len(words & self._questions[one]) >= SAME_WORDS * len(words | self._questions[one]) for one in near)
