"""What the task layer hands to the command line, the server and the report: frozen records, no behaviour."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from rightsized.core.types import Certificate, Frozen, Interval, Prediction, State, Task

Slice = Literal["report", "calibrate", "out-of-fold", "none"]


class LabelRow(Frozen, frozen=True):
    """One label's share of the data and how well it is told apart, on the measured slice."""

    label: str
    n_train: int
    n: int
    precision: float
    recall: float
    f1: float


class Confusion(Frozen, frozen=True):
    """A pair of labels that get mixed up: how often, and up to three texts."""

    true: str
    predicted: str
    n: int
    examples: tuple[str, ...] = ()


class NoisyLabel(Frozen, frozen=True):
    """A training row whose label looks wrong by confident learning; nothing is changed because of it."""

    row: int
    text: str
    given: str
    suggested: str
    probability: float


class Finding(Frozen, frozen=True):
    """Something about the data that the user should know: kind, a sentence, and some row numbers."""

    kind: str
    message: str
    rows: tuple[int, ...] = ()


class CurvePoint(Frozen, frozen=True):
    """At this confidence threshold: the share answered here, and the share of those that is wrong."""

    threshold: float
    coverage: float
    risk: float


class RungRow(Frozen, frozen=True):
    """One rung of the ladder as measured: its size on disk, time, and its part of the answers."""

    name: str
    tier: int
    model: str
    size_mb: float
    latency_ms: float
    accuracy: float
    threshold: float | None
    answered: float
    error: float


class Budget(Frozen, frozen=True):
    """A limit the user set (None: none set) beside what was measured here."""

    name: str
    unit: str
    limit: float | None
    measured: float

    @property
    def kept(self) -> bool:
        return self.limit is None or self.measured <= self.limit


class Candidate(Frozen, frozen=True):
    """A model that was considered, with what it costs to run and what it achieves out-of-fold."""

    name: str
    size_mb: float
    latency_ms: float
    accuracy: float
    kept_at_budget: float
    chosen: bool
    note: str = ""


class CostComparison(Frozen, frozen=True):
    """US dollars for 1,000 requests: all to a large model, and with the small one in front."""

    large_per_1000: float
    cascade_per_1000: float
    person_share: float
    assumption: str


class Latency(Frozen, frozen=True):
    """Milliseconds for one request, measured through the serving path on this machine."""

    p50: float
    p95: float
    p99: float = 0.0
    n: int = 0


class Measured(Frozen, frozen=True):
    """Figures of the fitted task, all on one slice of the data."""

    slice: Slice
    n: int
    accuracy: Interval
    macro_f1: float
    coverage: Interval
    wrong_local_rate: Interval
    selective_error: Interval
    ece: float


class FitReport(Frozen, frozen=True):
    """The right-sizing report: everything a fit found out. `report` is the path of its HTML page."""

    task: Task
    created: float
    seed: int
    data_name: str
    data_sha256: str
    rows: int
    n_train: int
    n_calibrate: int
    n_report: int
    split: str
    state: State
    measured: Measured
    certificate: Certificate
    latency: Latency
    rss_mb: float
    budgets: tuple[Budget, ...]
    rungs: tuple[RungRow, ...]
    candidates: tuple[Candidate, ...]
    curve: tuple[CurvePoint, ...]
    labels: tuple[LabelRow, ...]
    confusions: tuple[Confusion, ...]
    noisy_labels: tuple[NoisyLabel, ...]
    findings: tuple[Finding, ...]
    cost: CostComparison
    train_cpu_s: float
    machine: dict[str, str] = field(default_factory=dict)
    report: str = ""


class MonitorStatus(Frozen, frozen=True):
    """The promise as watched in service: audits seen, evidence against it, and when it would be noticed."""

    audits: int
    wrong: int
    waiting: int
    e_value: float
    alarm_at: float
    alarmed: bool
    messages_to_detection: float | None
    drift_warning: str = ""
    if_waiting_wrong: float = 0.0  # the evidence, were every audit that waits for its label, or is missing, wrong
    fallback: tuple[float | None, ...] | None = None  # after an alarm: thresholds that answer on, uncertified
    missing: int = 0  # wrong answers of which nobody will know whether the last tier was right; no alarm counts them


class TaskStatus(Frozen, frozen=True):
    """A task as served now."""

    task: Task
    state: State
    certificate: Certificate
    answered: int
    abstained: int
    waiting: int
    monitor: MonitorStatus | None = None
    note: str = ""


class PromiseStatus(Frozen, frozen=True):
    """A promise about what is no task, such as answers from a collection's documents, as it stands now.

    `task` is the name under which its decisions are on record; `note` says why it is not in force.
    """

    task: str
    state: State
    certificate: Certificate
    waiting: int
    monitor: MonitorStatus | None = None
    note: str = ""


class Turn(Frozen, frozen=True):
    """One speaker's words: a turn of a conversation, or what one tier wrote."""

    role: str
    text: str


class Place(Frozen, frozen=True):
    """A place in a document: `quote` is its characters `start` to `end`, white space evened out.

    `page` is 0 where there are no pages; `headings` stand above it, outermost first.
    """

    collection: str
    document: str
    title: str
    start: int
    end: int
    quote: str
    page: int = 0
    headings: tuple[str, ...] = ()


class Written(Frozen, frozen=True):
    """A request for text and what was written, for a person to say whether it is `right` or `wrong`.

    `answer` is the answer that was given (`given`), else the most capable tier's draft; None where none was written
    (`wrote` is false) or its text has been deleted. `drafts` say what each tier wrote, where they may be shown.
    `cited`: the places of documents that an answer rests on.
    """

    turns: tuple[Turn, ...]
    answer: str | None = None
    given: bool = False
    wrote: bool = False
    drafts: tuple[Turn, ...] = ()
    cited: tuple[Place, ...] = ()


class QueueItem(Frozen, frozen=True):
    """A message that waits for a person. An audit item carries no suggestion: the reviewer must not see one.

    `written` is set where text was written: then the label is `right` or `wrong`, and `text` the prompt in words.
    `documents`, as `COLLECTION/ID`, are quoted in it: only who may see them all is shown it.
    """

    decision: str
    task: str
    text: str
    created: float
    kind: Literal["abstained", "audit", "feedback"]
    suggestion: Prediction | None = None
    written: Written | None = None
    documents: tuple[str, ...] = ()


class Review(Frozen, frozen=True):
    """A person's label for a decision. Labels of abstained items train; only audit labels watch the promise."""

    decision: str
    task: str
    label: str
    reviewer: str
    created: float
    kind: Literal["abstained", "audit", "feedback"]


class JobStatus(Frozen, frozen=True):
    """Long work in a child process."""

    id: str
    kind: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    stage: str
    done: int
    total: int
    created: float
    ended: float | None = None
    error: str = ""
    result: str = ""
