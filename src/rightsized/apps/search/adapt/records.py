"""What is asked of an adaptation, what was mined, and what came of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from rightsized.apps.search.evaluate.bootstrap import Difference, Interval
from rightsized.core.frozen import Frozen

Kind = Literal["heading", "run-in heading", "title", "first sentence"]
Method = Literal["projection", "layers"]
METHODS: tuple[Method, ...] = ("projection", "layers")
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
    """How to adapt. `most_pairs` bounds memory and time, `most_tokens` what is read of a passage by `layers`.

    `projection` fits linear maps behind the frozen encoder, and chooses on the half of the judged questions that may be
    looked at. `layers` trains so many layers from the top, and installs weights of which the share `mix` is
    the trained ones and the rest the base's (Wortsman et al. 2022); it needs torch.
    """

    method: Method = "projection"
    epochs: float = 0.0  # 0: the method's own
    most_pairs: int = 4_000
    most_tokens: int = 128
    layers: int = 2
    rate: float = 2e-5
    mix: float = 0.5
    batch: int = 32
    threads: int = 2
    seed: int = 0


class Trained(Frozen, frozen=True):
    """What training did. `before` and `after`: how often a pair that was kept back finds its partner first in a batch
    of them. `chosen` is in words; `memory_mb` the most that the training process held, megabytes of 10^6 bytes.
    """

    method: Method
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
    chosen: str


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
