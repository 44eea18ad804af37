"""What learning hands to the command line: frozen records, no behaviour."""

from __future__ import annotations

from rightsized.core.frozen import Frozen
from rightsized.core.types import Interval, LabelScore


class Candidate(Frozen, frozen=True):
    """A version that was fitted and is not in force, and what it learned beside the version in force, `base`.

    `corrections` are labels from the queue and from feedback that trained it, `held` those kept back by hash to compare
    with. `learned` pairs the conversation of each (empty where it has none) with the sha256 of its text, so that a
    test can leave out what belongs to it. `needed` is how many fresh labels would probably earn a certificate.
    `declared` is how many a person said it shall be tested on instead (0: nobody did); since they may have known the
    labels of earlier audits, only those that came after `created` count then.
    """

    task: str
    version: str
    base: str
    created: float
    examples: int
    corrections: int
    held: int
    replaced: int
    max_error: float
    needed: int | None
    learned: tuple[tuple[str, str], ...] = ()
    declared: int = 0


class Paired(Frozen, frozen=True):
    """Two models on the same rows: shares right, their difference (candidate less running), and who fixed what.

    `fixed` rows only the candidate has right, `broken` only the running model. `where` says what the rows are.
    """

    where: str
    n: int
    running: float
    candidate: float
    difference: Interval
    fixed: int
    broken: int


class Changed(Frozen, frozen=True):
    """A row on which the two models differ."""

    text: str
    label: str
    running: str
    candidate: str


class Comparison(Frozen, frozen=True):
    """The candidate beside the running model. `verdict` is one sentence."""

    task: str
    running: str
    candidate: str
    held: Paired | None
    out_of_fold: Paired | None
    changed: tuple[Changed, ...]
    verdict: str


class Refitted(Frozen, frozen=True):
    """A new candidate, and how it fares beside the running model."""

    candidate: Candidate
    comparison: Comparison


class CurvePoint(Frozen, frozen=True):
    """What `labels` labels bring: the share right, and the share answered within the budget. Cross-fitted."""

    labels: int
    right: Interval
    answered: Interval


class Reach(Frozen, frozen=True):
    """How many more labels bring an error rate down to the budget, about, and from `low` to `high` (80%).

    0 where it is reached; None where nothing can be said, and `why`.
    """

    more: int | None
    low: int | None
    high: int | None
    why: str


class Curve(Frozen, frozen=True):
    """The learning curve of a task on its own labels. `half` is about the surest half of the messages, `all` about all.

    `needed` is how many fresh labels a test takes after the last point, by simulation; None where none up to 32,000
    would do. No promise: the messages that people labelled may not be like the traffic.
    """

    task: str
    version: str
    messages: int
    max_error: float
    points: tuple[CurvePoint, ...]
    half: Reach
    all: Reach
    needed: int | None


class Question(Frozen, frozen=True):
    """A message worth a label, with the model's best guesses. `kind` says how its label is given."""

    decision: str
    text: str
    kind: str
    uncertainty: float
    guesses: tuple[LabelScore, ...] = ()
    decided: float = 0.0


class Word(Frozen, frozen=True):
    """A word and how much more frequent it is here than in what the task knows (ratio of shares)."""

    word: str
    lift: float


class NewLabel(Frozen, frozen=True):
    """A group of messages that no label fits, proposed as a label. Never created by itself."""

    name: str
    n: int
    words: tuple[Word, ...]
    examples: tuple[str, ...]
    decisions: tuple[str, ...]
    similarity: float
    nearest_label: str


class ShadowReport(Frozen, frozen=True):
    """What the candidate would have said of live traffic, beside what the running model said.

    `labelled` compares both with the labels that people gave since, audit labels left out: looking at those first would
    be a look at the test that earns the certificate; nor are audits among `differing`, since whoever labels them must
    see no prediction. `unread` messages had lost their text.
    """

    task: str
    version: str
    base: str
    started: float
    stopped: float | None
    n: int
    same: int
    running_answered: int
    candidate_answered: int
    unread: int
    labelled: Paired | None = None
    differing: tuple[Changed, ...] = ()


class Standing(Frozen, frozen=True):
    """How learning of one task stands: labels at hand, the candidate, the shadow run, and what would help.

    `corrections` may train a candidate and are not in the version in force; `held` are kept back to compare. `audits`
    were chosen by the coin, `fresh` of the labelled ones have been in no test; `wanted` is how many the next one takes.
    `drift` says what of the newest messages no longer looks like those calibrated on, `alarm` what broke the promise.
    """

    task: str
    version: str
    state: str
    waiting: int
    corrections: int
    held: int
    audits: int
    audits_labelled: int
    fresh: int
    wanted: int | None = None
    candidate: Candidate | None = None
    shadow: ShadowReport | None = None
    drift: str = ""
    alarm: str = ""
    next: tuple[str, ...] = ()
