"""The records that pass between parts: frozen, serialisable, without behaviour beyond plain look-ups.

Nothing here reads a clock, a file or the network.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from rightsized.core.frozen import Frozen as Frozen  # also from here
from rightsized.core.generation import Completion, DataClass, Generation, Usage
from rightsized.core.verdicts import Detected, Verdict

Kind = Literal["classify", "generate", "embed", "search", "review"]
State = Literal["certified", "estimated", "none", "suspended"]
Promise = Literal["selective_error", "wrong_local_rate"]
Status = Literal["answered", "abstained"]
Loss = Literal["error", "regret", "disagreement", "field"]

TIER_TASK, TIER_SMALL, TIER_LARGE, TIER_PERSON = 3, 2, 1, 0
ANSWER = "answer"  # the operation of a question to documents; where nothing is answered, its asker reads for themselves


class LabelScore(Frozen, frozen=True):
    """A label and its probability in [0, 1]."""

    label: str
    probability: float


class Prediction(Frozen, frozen=True):
    """What a model says of one text.

    `label` is the best single label; `labels` holds every label that applies in a multi-label task
    (one element otherwise, none where no label clears its threshold).
    `scores` are the best labels in falling order. `out_of_scope` in [0, 1] is high where the text
    looks like nothing in the training data.
    """

    label: str
    labels: tuple[str, ...]
    scores: tuple[LabelScore, ...]
    out_of_scope: float = 0.0


class Request(Frozen, frozen=True):
    """One thing to answer. `id` is the decision id; the recorder gives one where it is empty.

    Where text is to be written, `generation` says which, and `text` is its body as JSON. `tenant` and `key` say for
    whom; both are kept with the decision. `roles` are those of whoever asks, for the policy. `data_class` is that of a
    request to a task; one to a tier has it in `generation`. `detected`: what was found in the text. `trace`: a list to
    which whoever answers adds each attempt as it is made, for the record of a request that gets no reply. `subject`:
    the person whom it is about, by whatever name the client has for them; the record is sealed under their key.
    `dry_run`: somebody looks at what would be answered. It is on record and counts for nothing: not audited, in no
    queue, in no figure of traffic, learnt from by nobody. `operation`: what is asked for where `generation` does not
    say it; empty: labels.
    """

    task: str
    text: str
    id: str = ""
    conversation: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    generation: Generation | None = None
    tenant: str = ""
    key: str = ""
    roles: tuple[str, ...] = ()
    data_class: DataClass | None = None
    detected: Detected | None = None
    trace: list[Attempt] | None = None
    subject: str = ""
    dry_run: bool = False
    operation: str = ""

    @property
    def held(self) -> DataClass | None:
        """The class of the data in it; None where nobody said."""
        return self.generation.data_class if self.generation else self.data_class


class Attempt(Frozen, frozen=True):
    """One tier's try at a request, taken or not.

    `score` is s_k(x) in [0, 1]; `threshold` is None where the tier may never answer locally.
    `reason` says why the tier was passed over, in words; empty where it answered. `samples` further answers were drawn
    for the check alone, `sampled` are their tokens; `cost` and `latency_ms` count them. `destination` is the host that
    the text was sent to; empty where it was not sent, or stayed on this machine.
    """

    rung: str
    tier: int
    model: str
    score: float
    threshold: float | None
    accepted: bool
    prediction: Prediction | None = None
    reason: str = ""
    latency_ms: float = 0.0
    cost: float = 0.0
    completion: Completion | None = None
    samples: int = 0
    sampled: Usage = Usage()
    destination: str = ""


class Reply(Frozen, frozen=True):
    """The answer to a request, with everything that led to it.

    `output` is the label answered, `completion` the text written; both are None where every tier abstained and a
    person must decide. `state` is the state of the
    promise under which this reply was given; `certificate` its id. `cost` is in US dollars. `verdicts` are those of the
    policy file whose digest is `policy`; empty where there is none.
    """

    id: str
    task: str
    status: Status
    output: Prediction | None
    rung: str
    tier: int
    model: str
    confidence: float
    state: State
    certificate: str = ""
    certified: bool = False
    cost: float = 0.0
    latency_ms: float = 0.0
    truncated: bool = False
    attempts: tuple[Attempt, ...] = ()
    completion: Completion | None = None
    verdicts: tuple[Verdict, ...] = ()
    policy: str = ""

    @property
    def label(self) -> str | None:
        """The label answered, or None where the request goes to a person."""
        return self.output.label if self.output else None

    @property
    def steps(self) -> int:
        """Texts that were taken on the way to the answer: more than one where a long chat was read in pieces."""
        return max(1, sum(one.accepted for one in self.attempts))

    @property
    def suggestion(self) -> Prediction | None:
        """The most capable tier's prediction, answered or not: what a reviewer may start from."""
        return next((a.prediction for a in reversed(self.attempts) if a.prediction), self.output)


class Begun(Frozen, frozen=True):
    """The start of a stream: the decision it belongs to, and who writes. `steps` as in the Reply, where it is known."""

    id: str
    rung: str
    tier: int
    model: str
    state: State
    certified: bool
    steps: int = 1


class Decision(Frozen, frozen=True):
    """The record of one request, as the ledger keeps it. Text is kept apart, under its digest.

    `phase` is `started` once durable, `done` at the end; a start without an end reads `interrupted`.
    `audit` is the outcome of the audit coin; `audit_probability` the known probability it was thrown with.
    Times are seconds since the epoch, UTC. `verdicts` and `policy` are those of the reply; where there is none, of the
    refusal. `attempts` are those made for a request that failed, those under way when it did included; None where they
    were not kept. Those of an answered one are in its reply. `subject` is whom it is about, in the record a reference
    that means nothing without the subject's key; `sealed` is what only that key opens, empty once it was opened.
    `operation`, `asked_model` and `roles` are what was asked for, and as whom: what the policy's rules look at.
    `documents` are those of which the request holds text, as `COLLECTION/ID`.
    `dry_run` is the request's: such a decision can be looked up and explained, and counts for nothing.
    """

    id: str
    task: str
    version: str
    started: float
    text_sha256: str
    phase: Literal["started", "done", "failed", "interrupted"]
    audit: bool
    audit_probability: float
    conversation: str = ""
    ended: float | None = None
    reply: Reply | None = None
    error: str = ""
    tenant: str = ""
    key: str = ""
    data_class: DataClass | None = None
    detected: Detected | None = None
    verdicts: tuple[Verdict, ...] = ()
    policy: str = ""
    attempts: tuple[Attempt, ...] | None = None
    subject: str = ""
    sealed: str = ""
    operation: str = ""
    asked_model: str = ""
    roles: tuple[str, ...] = ()
    dry_run: bool = False
    documents: tuple[str, ...] = ()

    @property
    def tried(self) -> tuple[Attempt, ...] | None:
        """The attempts made, whether or not a reply came of them; None where that is not on record."""
        return self.reply.attempts if self.reply is not None else self.attempts


class Targets(Frozen, frozen=True):
    """What the user asked of a task: the error budget, the promise and the machine."""

    max_error: float = 0.05
    confidence: float = 0.95
    promise: Promise = "selective_error"
    budget_ms: float | None = None
    budget_mb: float | None = None


class Task(Frozen, frozen=True):
    """A named job: its kind, labels and targets, and the version of what answers it."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    version: str = ""
    multi_label: bool = False
    encoder: str = "minilm"
    targets: Targets = Targets()


class Interval(Frozen, frozen=True):
    """An estimate with its confidence interval and the number of rows behind it."""

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95


class Segment(Frozen, frozen=True):
    """A declared part of the traffic with its own share of delta."""

    name: str
    delta: float
    n: int
    m: int
    errors: int
    certified: bool


class Certificate(Frozen, frozen=True):
    """The signed result of calibration. See docs/explanation/certificate.md for what each figure promises.

    `thresholds` has one entry a rung before the last; None means the rung never answers.
    `rejected` holds every configuration shown to keep the promise, in the order tested.
    `digests` names what the promise depends on: models, heads, calibrators, runtime, instruction set, data.
    `expires` is a convention in seconds since the epoch; `expires_requests` one in requests.
    `rungs` names every rung, the last included. `figures_from` says which slice n, m, errors and intervals stand on.
    `loss`: `error` counts wrong answers, `regret` those where the last rung would have been right, `disagreement`
    those that differ from the last rung's, `field` messages in which a value taken for a field is wrong. `segment_by`
    says what divides the traffic into `segments`. `row` is the word for one row, `outside` for what the out-of-scope
    rows are (empty: not said), `rests_on` for what no digest pins.
    """

    id: str
    task: str
    state: State
    promise: Promise
    epsilon: float
    delta: float
    delta_spent: float
    attempt: int
    method: str
    n: int
    m: int
    errors: int
    rungs: tuple[str, ...]
    thresholds: tuple[float | None, ...]
    rejected: tuple[tuple[float | None, ...], ...]
    local_share: Interval
    expected_cost: float
    sampling: str
    unit: str
    label_kind: str
    out_of_scope_rows: int
    digests: dict[str, str]
    created: float
    expires: float
    expires_requests: int
    code_version: str
    sentence: str
    segments: tuple[Segment, ...] = ()
    p_value: float | None = None
    needed: int | None = None
    selective_error: Interval | None = None
    wrong_local_rate: Interval | None = None
    loss: Loss = "error"
    figures_from: Literal["calibrate", "out-of-fold"] = "calibrate"
    segment_by: str = ""
    row: str = "message"
    outside: str = "out of scope"
    rests_on: str = ""
    public_key: str = ""
    signature: str = ""


class Contribution(Frozen, frozen=True):
    """How much one word moved the answer's score (in log-odds); `start` and `end` are character offsets."""

    text: str
    start: int
    end: int
    value: float


class Neighbour(Frozen, frozen=True):
    """A labelled training example near the text, with its cosine similarity."""

    text: str
    label: str
    similarity: float


class Explanation(Frozen, frozen=True):
    """Why a text got its label: word contributions that add up to `total` = f(text) - f(empty)."""

    label: str
    method: str
    contributions: tuple[Contribution, ...]
    base: float
    total: float
    evaluations: int
    latency_ms: float
    neighbours: tuple[Neighbour, ...] = ()
