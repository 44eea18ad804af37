"""What is asked of an adaptation, what was mined, and what came of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from rightsized.apps.search.evaluate.bootstrap import Difference, Interval
from rightsized.core.frozen import Frozen

Kind = Literal["heading", "run-in heading", "title", "first sentence"]
KINDS: tuple[Kind, ...] = ("heading", "run-in heading", "title", "first sentence")
FEWEST_PAIRS = 64  # below which nothing is learnt


class Pair(NamedTuple):
    """A text that asks, and the passage that it belongs to, without the words of the first where they open it.

    `row` is the store's number of the passage, `document` the id of its document.
    """

    kind: Kind
    asks: str
    body: str
    row: int
    document: str


class Negative(NamedTuple):
    """A passage that shares words with what asks and does not answer; an empty body where none was found."""

    body: str = ""
    document: str = ""


class Mined(NamedTuple):
    """Pairs in an order drawn by the seed, with a negative for each."""

    pairs: tuple[Pair, ...]
    negatives: tuple[Negative, ...]
    judged: int = 0  # pairs left out because they ask what a judged question asks


class AdaptOptions(Frozen, frozen=True):
    """How to adapt. `layers` from the top are trained; `mix` is the share of the trained weights in those installed,
    the rest is the base's (Wortsman et al. 2022). `rate` of learning at its highest. `most_pairs` bounds memory.
    """

    epochs: float = 1.0
    batch: int = 32
    rate: float = 2e-5
    layers: int = 2
    mix: float = 0.5
    most_pairs: int = 10_000
    most_tokens: int = 128
    threads: int = 2
    seed: int = 0


class Trained(Frozen, frozen=True):
    """What training did. `before` and `after`: how often a pair that was kept back finds its partner first in a batch
    of them. `memory_mb`: most that the training process held, megabytes of 10^6 bytes.
    """

    pairs: dict[str, int]
    negatives: int
    judged_left_out: int
    held_out: int
    before: float
    after: float
    steps: int
    loss: float
    seconds: float
    memory_mb: float


class Judgement(Frozen, frozen=True):
    """Before and after on the judged questions of one half. Served: the whole search; meaning: the vectors alone."""

    questions: int
    served: dict[str, tuple[Interval, Interval, Difference]]
    meaning: dict[str, tuple[Interval, Interval, Difference]]


class Adapted(Frozen, frozen=True):
    """`model` is installed either way; it serves the collection where `kept`. `reason` says why, or why not.

    `deciding` is over the half of the judged questions that decides, `other` over the other half; None without any.
    """

    collection: str
    base: str
    model: str
    digest: str
    trained: Trained
    deciding: Judgement | None
    other: Judgement | None
    kept: bool
    reason: str
    problems: tuple[str, ...] = ()
