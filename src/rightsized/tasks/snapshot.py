"""What is served at one moment: every task, judged and composed. A reload builds a new one and swaps one reference.

`build` is the only place that composes answerers: Recorded(Policy(Cascade([n-gram rung, encoder rung]))).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from rightsized.cascade.route import Cascade, CascadeSetup
from rightsized.core.config import Config
from rightsized.core.errors import RightsizedError
from rightsized.core.protocols import Answerer, Rung
from rightsized.core.types import Certificate, State, Task
from rightsized.engines.classifier import Classifier
from rightsized.engines.onnx import OnnxEncoder
from rightsized.guard.policy.answerer import Policy
from rightsized.guard.policy.store import PolicyStore
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.recorded import Recorded, no_coin
from rightsized.store.home import Home
from rightsized.tasks.audits import standing_alarm
from rightsized.tasks.counts import Counts, version_counts
from rightsized.tasks.fallback import Fallback
from rightsized.tasks.opened import Encoders, OpenedTask, open_task
from rightsized.tasks.standing import Standing, examine, standing_alarm_of
from rightsized.tasks.versions import TaskStore
from rightsized.tasks.watch import TaskWatch

Coin = Callable[[str, str], tuple[bool, float]]


class Loaded(Struct):
    """A task as served: its parts, its standing, and the answerer composed over them."""

    opened: OpenedTask
    standing: Standing
    cascade: Cascade
    answerer: Answerer
    counts: Counts
    watch: TaskWatch | None = None

    @property
    def note(self) -> str:
        """Why the promise is not in force, in words; empty where nothing is wrong."""
        said = self.standing.failure or self.cascade.void
        if self.cascade.state == "suspended" and self.cascade.fallen_back:
            said += " Stricter thresholds without an alarm of their own answer meanwhile; nothing is promised of them."
        return said

    @property
    def task(self) -> Task:
        return self.opened.task

    @property
    def certificate(self) -> Certificate:
        return self.opened.certificate

    @property
    def classifier(self) -> Classifier:
        return self.opened.classifier

    @property
    def encoder(self) -> OnnxEncoder:
        return self.opened.encoder

    @property
    def rungs(self) -> Sequence[Rung]:
        return self.opened.rungs

    @property
    def state(self) -> State:
        """The state under which replies are given now."""
        return self.cascade.state


class Snapshot(Struct, frozen=True):
    """Tasks by name, and those that could not be opened with the reason."""

    tasks: dict[str, Loaded]
    broken: dict[str, RightsizedError]


class Builder:
    """Builds snapshots for one service; versions that have not changed are taken over from the one before."""

    def __init__(
        self,
        config: Config,
        encoders: Encoders,
        ledger: SqliteLedger | None,
        coin: Coin = no_coin,
        reader: LedgerReader | None = None,
        *,
        policy: PolicyStore,
    ) -> None:
        self._config, self._encoders, self._ledger, self._coin = config, encoders, ledger, coin
        self._reader = ledger.reader if ledger else reader
        self._policy = policy
        self._home = Home(config.home)
        self._store = TaskStore(self._home)

    def changed(self, before: Snapshot) -> bool:
        """Whether a task came, went or has another version in force."""
        names = set(self._store.names())
        if names != set(before.tasks) | set(before.broken):
            return True
        return any(self._store.current(name) != loaded.task.version for name, loaded in before.tasks.items())

    async def build(self, before: Snapshot | None = None) -> Snapshot:
        """Open, judge and compose every task."""
        tasks: dict[str, Loaded] = {}
        broken: dict[str, RightsizedError] = {}
        for name in self._store.names():
            old = before.tasks.get(name) if before else None
            try:
                if old is not None and self._store.current(name) == old.task.version:
                    tasks[name] = old
                else:
                    tasks[name] = await self._load(name)
            except RightsizedError as error:  # one broken task must not stop the others
                broken[name] = error
        return Snapshot(tasks, broken)

    async def _load(self, name: str) -> Loaded:
        opened = open_task(self._store, self._encoders, name)
        counts = self._counts(opened)
        alarm = standing_alarm_of(self._store, self._reader, opened.certificate)
        standing = await examine(self._home, opened, counts.requests, alarm)
        cascade = Cascade(self._setup(opened, standing, counts))
        if alarm:
            cascade.suspend(alarm)
        ruled = Policy(cascade, self._policy)
        if self._ledger is None:
            return Loaded(opened, standing, cascade, ruled, counts)
        answerer = Recorded(ruled, self._ledger, coin=self._coin, version=opened.task.version)
        watch = TaskWatch(
            opened.folder,
            opened.certificate,
            ledger=self._ledger,
            audit=self._config.audit,
            on_alarm=cascade.suspend,
            fallback=self._fallback(opened, standing, alarm, cascade),
        )
        await watch.refresh()
        return Loaded(opened, standing, cascade, answerer, counts, watch)

    def _fallback(self, opened: OpenedTask, standing: Standing, alarm: str, cascade: Cascade) -> Fallback | None:
        """What may answer after an alarm. Nothing may where the promise is broken beside that, or by a later alarm."""
        if self._ledger is None or self._config.audit.after_alarm != "loosest" or standing.broken:
            return None
        if opened.certificate.state != "certified" or self._config.audit.rate <= 0:
            return None
        own = standing_alarm(self._ledger.reader, opened.certificate.id)
        if alarm and (own is None or own.detail != alarm):
            return None
        return Fallback(self._ledger, opened.certificate, opened.rungs, cascade.fall_back)

    def _setup(self, opened: OpenedTask, standing: Standing, counts: Counts) -> CascadeSetup:
        certificate = opened.certificate
        thresholds: tuple[float | None, ...] = certificate.thresholds
        state: State = certificate.state
        if standing.broken:
            state = "none"
            if self._config.audit.after_alarm != "continue":
                thresholds = tuple(None for _ in thresholds)
        return CascadeSetup(
            task=opened.task.name,
            version=opened.task.version,
            rungs=tuple(opened.rungs),
            thresholds=thresholds,
            state=state,
            certificate=certificate.id,
            expires=certificate.expires,
            expires_requests=certificate.expires_requests,
            requests=counts.requests,
            stop_when_void=self._config.audit.after_alarm != "continue",
        )

    def _counts(self, opened: OpenedTask) -> Counts:
        if self._reader is None:
            return Counts()
        return version_counts(self._reader, opened.certificate, opened.task.version)
