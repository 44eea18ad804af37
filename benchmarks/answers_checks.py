"""Sentences of the documents, as they stand and changed in one way at a time: which does the check take for borne out?

No model writes here. Sentences as they stand and cut short ought to be taken; all others are wrong, but for a share of
those put against another passage, which may say the same. How often a true paraphrase is taken is not measured by this.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.answers_data import SEED, Seen
from rightsized.apps.search.answer.written import LEAST_COSINE
from rightsized.apps.search.types import Hit
from rightsized.parsers.sentences import sentences
from rightsized.tasks.embeddings import Embedder
from rightsized.tasks.faithful.facts import names
from rightsized.tasks.faithful.support import Source, common_words, judged

MOST = 300  # sentences of a set
WORDS = (8, 40)  # a sentence has so many
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?![\w.,])")
_NOT = re.compile(r"\b(?:not|never)\s+", re.IGNORECASE)
_VERB = re.compile(r"\b(?:shall|may|must|will|is|are|can)\s+(?!not\b)")
_LIMITS = {"at least": "at most", "at most": "at least", "before": "after", "after": "before", "must": "may",
           "may": "must", "no more than": "no less than", "more than": "less than", "all": "some"}  # fmt: skip
_LIMIT = re.compile(rf"\b(?:{'|'.join(sorted(_LIMITS, key=len, reverse=True))})\b")
Change = Callable[[str, random.Random], str]


def number(said: str, dice: random.Random) -> str:
    found = list(_NUMBER.finditer(said))
    if not found:
        return said
    one = dice.choice(found)
    return said[: one.start()] + str(dice.randint(101, 997)) + said[one.end() :]


def denied(said: str, dice: random.Random) -> str:
    """A negation dropped, or put in where there is none."""
    return _NOT.sub("", said, count=1) if _NOT.search(said) else _VERB.sub(lambda m: f"{m[0]}not ", said, count=1)


def limit(said: str, dice: random.Random) -> str:
    return _LIMIT.sub(lambda match: _LIMITS[match[0]], said, count=1)


def name(said: str, dice: random.Random) -> str:
    known = names(said)
    if not known:
        return said
    return re.sub(rf"\b{re.escape(dice.choice(known))}\b", "Quellmar", said, flags=re.IGNORECASE)


def short(said: str, dice: random.Random) -> str:
    """Without what stands in parentheses and behind the last comma."""
    cut = re.sub(r"\s*\([^)]*\)", "", said)
    head, comma, tail = cut.rpartition(", ")
    return f"{head}." if comma and len(head.split()) >= WORDS[0] and len(tail.split()) < 8 else cut


CHANGES: dict[str, Change] = {
    "number changed": number, "negation turned": denied, "limit turned": limit, "name changed": name,
}  # fmt: skip


def checks(found: Sequence[Seen], encoder: Embedder) -> dict[str, dict[str, Any]]:
    """For each change: how many sentences it made, and the share of them taken for borne out."""
    dice = random.Random(SEED)  # test data
    made: dict[str, list[tuple[str, Hit]]] = defaultdict(list)
    picked = list(_sentences(found))
    dice.shuffle(picked)
    for said, own, others in picked[:MOST]:
        made["as it stands"].append((said, own))
        cut = short(said, dice)
        if cut != said:
            made["cut short"].append((cut, own))
        for kind, change in CHANGES.items():
            changed = change(said, dice)
            if changed != said:
                made[kind].append((changed, own))
        if others:
            made["another passage cited"].append((said, dice.choice(others)))
        made["of another question"].append((dice.choice(picked)[0], own))
    return {kind: _taken(some, encoder) for kind, some in made.items()}


def _sentences(found: Sequence[Seen]) -> Iterator[tuple[str, Hit, list[Hit]]]:
    """Sentences of passages that answer, with the passage and the others that were found; each passage once."""
    known: set[int] = set()
    for one in found:
        for hit in one.evidence.hits:
            if hit.found.row not in one.case.gold or hit.found.row in known:
                continue
            known.add(hit.found.row)
            text = hit.found.passage.text
            others = [other for other in one.evidence.hits if other.found.row != hit.found.row]
            for start, end in sentences(text):
                said = " ".join(text[start:end].split())
                if WORDS[0] <= len(said.split()) <= WORDS[1]:
                    yield said, hit, others


def _taken(some: Sequence[tuple[str, Hit]], encoder: Embedder) -> dict[str, Any]:
    supported = []
    for said, hit in some:
        passage = hit.found.passage
        source = Source(passage.text, " > ".join((hit.found.document.title, *passage.path)))
        support = judged(said, source, common_words(passage.text)).support
        if support is not None:
            supported.append((said, passage.text[support.start : support.end]))
    vectors = encoder.get([text for pair in supported for text in pair])
    near = [float(vectors[a].vector @ vectors[b].vector) >= LEAST_COSINE for a, b in supported]
    return {"n": len(some), "accepted": float(np.sum(near)) / max(1, len(some))}
