"""What the audit report holds. Counts are of the period asked for unless a field says otherwise; times in seconds
since the epoch, UTC. Texts, labels of single messages and keys are never in it.
"""

from __future__ import annotations

from rightsized.core.frozen import Frozen
from rightsized.core.types import State
from rightsized.ledger.publish import SinkStatus
from rightsized.tasks.accesses import Looked
from rightsized.tasks.leaving import Opened


class LogFacts(Frozen, frozen=True):
    """The record itself, over its whole life.

    `unaltered`: None where the check was left out. `key` is the verifier key that signs now, `first` and `last` when
    the first and the last decision of the whole log began.
    """

    origin: str
    entries: int
    unaltered: bool | None
    findings: tuple[str, ...]
    key: str
    checkpoint: str
    first: float | None
    last: float | None
    text_days: float
    labelled_text_days: float


class Outcomes(Frozen, frozen=True):
    """How requests ended. `certified`: answered under a promise in force. `interrupted`: begun, no end on record."""

    requests: int = 0
    answered: int = 0
    certified: int = 0
    to_person: int = 0
    failed: int = 0
    interrupted: int = 0
    audited: int = 0


class TaskFacts(Frozen, frozen=True):
    """A task or cascade that was asked, with the versions that answered."""

    name: str
    outcomes: Outcomes
    versions: tuple[str, ...]


class RungFacts(Frozen, frozen=True):
    """A rung or tier: how often it was given a text, how often its answer was given out, and which models it was.

    `on_premises` is None where the settings no longer name it. `classes` counts the texts it was given by class.
    """

    rung: str
    tier: int
    asked: int
    answered: int
    models: tuple[str, ...]
    on_premises: bool | None
    destination: str
    classes: dict[str, int]
    replaced: int


class CertificateFacts(Frozen, frozen=True):
    """A certificate on disk. `answers` were given under it in the period; `alarms` were raised ever."""

    id: str
    task: str
    version: str
    in_force: bool
    state: State
    sentence: str
    created: float
    expires: float
    answers: int
    alarms: int


class ModelFacts(Frozen, frozen=True):
    """A model in the store, from its card."""

    name: str
    digest: str
    architecture: str
    parameters: int
    licence: str
    source: str
    languages: tuple[str, ...]
    context: int


class Oversight(Frozen, frozen=True):
    """What people did. `overrides`: labels other than the model's; `corrections`: feedback after an answer was given.

    `decided` are requests that no tier answered, `audits` blind second looks. `waiting` is now.
    """

    reviewers: tuple[str, ...] = ()
    decided: int = 0
    audits: int = 0
    corrections: int = 0
    overrides: int = 0
    retracted: int = 0
    waiting: int = 0


class RuleFacts(Frozen, frozen=True):
    """How often a rule of the policy spoke, and to what effect."""

    rule: str
    effect: str
    subject: str
    times: int


class Happening(Frozen, frozen=True):
    """An event: an alarm, a change of signing keys, an erasure, a deletion of texts."""

    kind: str
    about: str
    at: float
    words: str


class Departure(Frozen, frozen=True):
    """Texts that were sent to one host: how often, and which class of data the requests held."""

    destination: str
    times: int
    classes: dict[str, int]
    last: float | None


class AuditReport(Frozen, frozen=True):
    """The whole report. `policies` are digests of the policy files under which requests were decided.

    `opened` are connections and fetches by the egress journal, which knows no texts.
    `detected` counts requests in which personal data of a type were found, `failures` messages of failed requests.
    `looked`: who was shown recorded texts through the server. `sinks`: where checkpoints are kept elsewhere, as of now.
    `dry_runs`: decisions of dry runs, which no other figure counts, but for what left this machine.
    """

    created: float
    since: float
    until: float
    code_version: str
    log: LogFacts
    outcomes: Outcomes
    tasks: tuple[TaskFacts, ...]
    rungs: tuple[RungFacts, ...]
    certificates: tuple[CertificateFacts, ...]
    models: tuple[ModelFacts, ...]
    oversight: Oversight
    policies: tuple[str, ...]
    rules: tuple[RuleFacts, ...]
    events: tuple[Happening, ...]
    departures: tuple[Departure, ...]
    opened: tuple[Opened, ...]
    allowed: tuple[str, ...]
    detected: dict[str, int]
    classes: dict[str, int]
    failures: dict[str, int]
    looked: tuple[Looked, ...] = ()
    sinks: tuple[SinkStatus, ...] = ()
    dry_runs: int = 0
