"""What an answer is: sentences with the exact places that they rest on, how likely it is right, and its promise."""

from __future__ import annotations

from typing import Literal

from rightsized.apps.search.query.results import Results
from rightsized.apps.search.types import Found, Highlight
from rightsized.core.frozen import Frozen
from rightsized.core.types import State

Status = Literal["answered", "abstained"]
Method = Literal["extract", "write"]  # sentences of the document itself, or of a model, each checked
Promised = Literal["certified", "uncertified"]  # certified: a test on judged questions stands behind it


class Cited(Frozen, frozen=True):
    """A place that a sentence rests on: `text` is the characters `mark.start` to `mark.end` of the document's text.

    `found` is the passage around it, with the document. `score` orders the places of one extract.
    """

    text: str
    found: Found
    mark: Highlight
    score: float = 0.0


class Said(Frozen, frozen=True):
    """One sentence of an answer and the places that it rests on, at least one: its own where it is an extract."""

    text: str
    citations: tuple[Cited, ...]


class WrittenBy(Frozen, frozen=True):
    """Who wrote: the tier, its model's digest, and the decision and promise of the cascade that chose it.

    `sentences` were written, `left_out` of them are not shown: no passage that they cite bears them out.
    """

    tier: str
    model: str
    decision: str
    state: State = "none"
    certificate: str = ""
    sentences: int = 0
    left_out: int = 0


class Answer(Frozen, frozen=True):
    """The answer to one question, and the search that it comes from.

    An extract's sentences stand in the order of their document, `best` is the place of the best of them, and
    `probability` in [0, 1] is that a cited passage holds the answer, as far as the judged questions tell that it was
    fitted on; `signals` is what it was told. `promise` is the certificate's sentence, or says why none is made.
    `abstained`: the evidence was too weak, and there are no sentences. Where nothing written may be shown, `offered` is
    the extract. `decision`: the id under which it is on record; empty where no promise is watched.
    """

    status: Status
    method: Method
    sentences: tuple[Said, ...]
    probability: float
    results: Results
    best: int = 0
    state: Promised = "uncertified"
    promise: str = ""
    notes: tuple[str, ...] = ()
    offered: tuple[Said, ...] = ()
    written: WrittenBy | None = None
    signals: tuple[float, ...] = ()
    decision: str = ""

    @property
    def text(self) -> str:
        """The sentences, white space evened out."""
        return " ".join(" ".join(one.text.split()) for one in self.sentences)
