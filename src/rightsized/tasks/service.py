"""The tasks of one home folder, open for use: answers, explains, queues. What the server, the command line and the
library talk to (`service_protocol.Service`).

With `record`, this process is the home's one writer and every decision is on disk before its reply is given out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol, Self

from rightsized.core.config import Config
from rightsized.core.errors import InputError, NotFoundError, StoreError
from rightsized.core.generation import Caller, DataClass
from rightsized.core.protocols import Answerer
from rightsized.core.roles import LOCAL_ADMIN
from rightsized.core.types import Decision, Explanation, Reply
from rightsized.engines.onnx import OnnxEncoder
from rightsized.guard.policy.answerer import Policy
from rightsized.guard.policy.rulebook import CLASSIFY, Facts
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.recorded import Recorded, no_coin
from rightsized.store.home import Home, WriterLock
from rightsized.store.secrets import SecretFolder
from rightsized.tasks import shadow_run
from rightsized.tasks.background import Background
from rightsized.tasks.coins import coin_of
from rightsized.tasks.dataset import OUT_OF_SCOPE, SEPARATOR
from rightsized.tasks.detection import Detection
from rightsized.tasks.explanations import Explainer
from rightsized.tasks.gateway import LocalGateway
from rightsized.tasks.home_record import HomeRecord
from rightsized.tasks.log_upkeep import LogUpkeep
from rightsized.tasks.opened import Encoders
from rightsized.tasks.policies import Permits, open_policy, task_request
from rightsized.tasks.promises import Promises
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.readiness import WriteCheck
from rightsized.tasks.records import JobStatus, QueueItem, Review, TaskStatus, Written
from rightsized.tasks.snapshot import Builder, Loaded, Snapshot
from rightsized.tasks.spending import Spending
from rightsized.tasks.written import MayRead, check_verdict, is_written, shown

RELOAD_S = 2.0  # how often a new version is looked for


class JobTable(Protocol):
    """The jobs of a home, as `jobs` keeps them."""

    def all(self) -> list[JobStatus]: ...

    def cancel(self, job_id: str) -> None: ...


class LocalService:
    """Opened by `start` or `async with`; closed by `close`."""

    def __init__(
        self, config: Config, *, purpose: str, record: bool, jobs: JobTable | None = None, gateway: bool = False
    ) -> None:
        """`gateway`: also open the tiers that write, where the settings name some."""
        self._config = config
        self._with_gateway = gateway and bool(config.tiers)
        self._jobs = jobs
        self._purpose = purpose
        self._records_here = record and config.record.enabled
        self._home = Home(config.home)
        self._stack = ExitStack()
        self._background: list[asyncio.Task[None]] = []
        self._aside = Background()
        self._check: WriteCheck | None = None
        self._upkeep: LogUpkeep | None = None
        self._snapshot = Snapshot({}, {})
        self._queue: ReviewQueue | None = None
        self._reader: LedgerReader | None = None
        self._lock: WriterLock | None = None
        self._ledger: SqliteLedger | None = None
        self._started = False
        self.promises = Promises(config.audit)
        self.gateway: LocalGateway | None = None  # where the settings name tiers that write
        self.spending = Spending()

    async def start(self) -> None:
        """Take the home, open its tasks. Raises HomeLockedError, IntegrityError, StoreError."""
        try:
            self._home.ensure()
            self.policy = open_policy(self._config)
            self.permits, self.detection = Permits(self.policy), Detection(self._config, self.policy)
            ledger = self._ledger = self._open_ledger() if self._records_here else None
            coin = coin_of(self._config, ledger.reader) if ledger else no_coin
            self._encoders = Encoders(self._config)
            self._stack.callback(self._encoders.close)
            past = None if ledger else self._past()
            self.promises.open(ledger, past, coin)
            self._builder = Builder(self._config, self._encoders, ledger, coin, past, policy=self.policy)
            self._snapshot = await self._builder.build()
            if self._with_gateway:
                opened, spent = self._encoders, self.spending
                gateway = LocalGateway(self._config, ledger, coin, encoders=opened, spending=spent, policy=self.policy)
                await gateway.start()
                self.gateway = gateway
            self._explainer = Explainer(self._config.explain.budget_ms)
            self._upkeep = LogUpkeep(self._config, ledger, self._aside, self.policy) if ledger is not None else None
            publisher = self._upkeep.publisher if self._upkeep else None
            self.record = HomeRecord(self._config, self.policy, ledger, publisher)
        except BaseException:
            self._stack.close()
            raise
        self._started = True
        if self._upkeep is not None:
            self._background = [asyncio.create_task(work) for work in (self._reload_loop(), *self._upkeep.loops())]

    def _open_ledger(self) -> SqliteLedger:
        self._lock = self._stack.enter_context(WriterLock(self._home, self._purpose))
        secrets = SecretFolder(self._home.secrets)
        kept = self._config.record
        tenants = kept.subject == "tenant"
        ledger = SqliteLedger(self._home.decisions, group_ms=kept.group_ms, secrets=secrets, tenants=tenants)
        self._stack.enter_context(ledger)
        self._reader = self.spending.reader = ledger.reader
        self._queue, self._check = ReviewQueue(ledger.reader, ledger), WriteCheck(ledger)
        return ledger

    def _past(self) -> LedgerReader | None:
        """What others recorded, where this process records nothing: alarms and counts hold for it too."""
        there = self._home.decisions.is_file()
        return self._stack.enter_context(LedgerReader(self._home.decisions)) if there else None

    async def close(self) -> None:
        """Let the home go. Ends of requests in flight are written first."""
        self._started = False
        # Ended tasks hold what they held: this service and all its models.
        work, self._background = self._background, []
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        if self._upkeep is not None:
            await self._upkeep.last_words()
        if self.gateway is not None:
            await self.gateway.close()
        for loaded in self._snapshot.tasks.values():
            drain = getattr(loaded.answerer, "drain", None)
            if drain is not None:
                await drain()
        await self.promises.drain()
        await asyncio.to_thread(self._stack.close)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def announce(self, address: str) -> None:
        """Tell other processes where this writer can be reached."""
        if self._lock is not None:
            self._lock.announce(address)

    def permit(self, operation: str, model: str, caller: Caller, data_class: DataClass) -> None:
        """Ask the policy about work of a model here that leaves no decision. Raises ForbiddenError."""
        self.permits.check(Facts("", operation, model, data_class, caller.tenant, caller.key, caller.roles))

    async def classify(
        self,
        task: str,
        text: str,
        *,
        conversation: str = "",
        caller: Caller | None = None,
        data_class: DataClass | None = None,
    ) -> Reply:
        """Answer one text. Raises NotFoundError, InputError, BusyError, ForbiddenError."""
        loaded = self.loaded(task)
        if not text.strip():  # no row without text was tested, so nothing is promised about one
            raise InputError("The text is empty.", fix="Send at least one word.")
        if len(text) > self._config.engine.max_text_chars:
            raise InputError(
                f"The text has {len(text):,} characters; {self._config.engine.max_text_chars:,} is the most.",
                fix="Send less, or raise engine.max_text_chars.",
            )
        who = caller or LOCAL_ADMIN.caller
        watch = None if who.dry_run else loaded.watch
        ticket = watch.begin() if watch else 0
        reply = None
        try:
            request = await self.detection.look(task_request(task, text, who, conversation, data_class))
            reply = await loaded.answerer.answer(request)
        finally:
            if watch:
                watch.see(ticket, reply)
        if not who.dry_run:
            loaded.counts.add(reply)
        return reply

    def recorded(self, inner: Answerer, version: str) -> Answerer:
        """Something of an application that answers, behind the policy and with each decision on record."""
        ruled = Policy(inner, self.policy)
        return Recorded(ruled, self._ledger, version=version) if self._ledger is not None else ruled

    async def classify_many(
        self, task: str, texts: Sequence[str], *, caller: Caller | None = None, data_class: DataClass | None = None
    ) -> list[Reply]:
        """Answer several; replies stand in the order of the texts."""
        gate = asyncio.Semaphore(max(1, self._config.engine.queue // 4))  # one batch leaves room for other callers

        async def one(text: str) -> Reply:
            async with gate:
                return await self.classify(task, text, caller=caller, data_class=data_class)

        return list(await asyncio.gather(*(one(text) for text in texts)))

    def encoders(self) -> list[str]:
        """Encoders installed here, by name."""
        return self._encoders.names()

    async def encoder(self, name: str) -> OnnxEncoder:
        """An installed encoder. Opening one reads and hashes its files, which is done aside."""
        return await asyncio.to_thread(self.open_encoder, name)

    def open_encoder(self, name: str) -> OnnxEncoder:
        """The same in the calling thread. Raises NotFoundError, IntegrityError."""
        return self._encoders.get(name)

    def loaded(self, name: str) -> Loaded:
        """A task's parts. Raises NotFoundError, or what was wrong when it was opened."""
        found = self._snapshot.tasks.get(name)
        if found is not None:
            return found
        if name in self._snapshot.broken:
            raise self._snapshot.broken[name]
        known = ", ".join(sorted(self._snapshot.tasks)) or "none yet"
        raise NotFoundError(
            f"There is no task {name!r}. Tasks here: {known}.",
            fix=f"Fit it: rightsized fit FILE --task {name} --text COLUMN --label COLUMN",
        )

    def tasks(self) -> list[TaskStatus]:
        """Every task served, by name."""
        return [self.task(name) for name in sorted(self._snapshot.tasks)]

    def task(self, name: str) -> TaskStatus:
        """One task. Raises NotFoundError."""
        loaded = self.loaded(name)
        return TaskStatus(
            task=loaded.task,
            state=loaded.state,
            certificate=loaded.certificate,
            answered=loaded.counts.answered,
            abstained=loaded.counts.abstained,
            waiting=self._queue.count(name) if self._queue else 0,
            monitor=loaded.watch.status() if loaded.watch else None,
            note=loaded.note,
        )

    def unopened(self) -> dict[str, str]:
        """Tasks that are there but could not be opened, by name, each with the reason and what mends it."""
        return {name: str(error) for name, error in sorted(self._snapshot.broken.items())}

    def decision(self, decision_id: str) -> Decision:
        """The record of one request. Raises NotFoundError."""
        found = self._records().get(decision_id)
        if found is None:
            raise NotFoundError(f"There is no decision {decision_id!r} on record.")
        return found

    def decision_text(self, decision_id: str) -> str | None:
        """The text of a decision, or None once retention removed it."""
        self.decision(decision_id)
        return self._records().text(decision_id)

    def written(self, decision_id: str) -> Written | None:
        """What was asked and written, drafts included, where a decision is about text; None where it is not."""
        decision = self.decision(decision_id)
        body = self._records().text(decision_id)
        if not is_written(decision) or body is None:
            return None
        return shown(decision.reply, body, self._reviews().text_of, drafts=True, failed=decision.attempts or ())

    async def explain(self, task: str, text: str, about: Decision | None = None) -> Explanation:
        """Which words moved the label, and the nearest labelled examples. Raises ForbiddenError."""
        if about is not None:  # the model reads the text again
            held = about.data_class or self._config.gateway.data_class
            self.permits.check(Facts(task, CLASSIFY, "", held, about.tenant, about.key, about.roles))
        return await self._explainer.explain(self.loaded(task), text)

    async def feedback(self, decision_id: str, label: str, reviewer: str) -> Review:
        """A correction of an answer: it trains, and never calibrates."""
        return await self._reviews().feedback(decision_id, self._known_label(decision_id, label), reviewer)

    def queue(self, task: str | None, limit: int, may_read: MayRead | None = None) -> list[QueueItem]:
        """Messages that wait for a person, oldest first."""
        return self._reviews().waiting(task, limit, may_read)

    async def label(self, decision_id: str, label: str, reviewer: str) -> Review:
        """A person's label for a waiting message."""
        return await self._reviews().label(decision_id, self._known_label(decision_id, label), reviewer)

    def labels_of(self, decision_id: str) -> list[Review]:
        """Labels in force for a decision: first the one that `unlabel` takes back."""
        return self._queue.labels_of(decision_id) if self._queue else []

    async def unlabel(self, decision_id: str, reviewer: str = "") -> None:
        """Take the last label of a message back; it waits again."""
        await self._reviews().undo(decision_id, reviewer)

    def report_html(self, task: str) -> str:
        """The task's right-sizing report."""
        path = self.loaded(task).opened.folder / "report.html"
        if not path.is_file():
            raise NotFoundError(f"The task {task!r} has no report.", fix=f"Fit it again: rightsized fit --task {task}")
        return path.read_text("utf-8")

    def jobs(self) -> list[JobStatus]:
        """Long work of this home, newest first."""
        return self._jobs.all() if self._jobs else []

    def cancel_job(self, job_id: str) -> None:
        """End a job. Raises NotFoundError."""
        if self._jobs is None:
            raise NotFoundError(f"There is no job {job_id!r}.")
        self._jobs.cancel(job_id)

    async def trouble(self) -> str:
        """Why decisions cannot be recorded now, in words; empty where they can, or where none are."""
        return await self._check.trouble() if self._check else ""

    def ready(self) -> bool:
        """Whether requests can be answered; one broken task does not take the others out of service."""
        return self._started and (bool(self._snapshot.tasks) or not self._snapshot.broken)

    def _reviews(self) -> ReviewQueue:
        if self._queue is None:
            raise StoreError("Decisions are not recorded here, so there is no queue.", fix="Set record.enabled = true.")
        return self._queue

    def _records(self) -> LedgerReader:
        if self._reader is None:
            raise StoreError("Decisions are not recorded here.", fix="Set record.enabled = true.")
        return self._reader

    def _known_label(self, decision_id: str, label: str) -> str:
        """The label, if the decision's task knows it (or it says: out of scope). Raises InputError."""
        decision = self.decision(decision_id)
        if is_written(decision):
            return check_verdict(decision.reply, label)
        name = decision.task
        labels = self.loaded(name).task.labels
        parts = _parts(label) if self.loaded(name).task.multi_label else [label]
        unknown = [part for part in parts if part not in labels and part != OUT_OF_SCOPE]
        if unknown:
            raise InputError(
                f"The task {name!r} has no label {unknown[0]!r}.", fix=f"It has: {', '.join(labels)}, {OUT_OF_SCOPE}."
            )
        if len(parts) > 1 and OUT_OF_SCOPE in parts:
            others = ", ".join(part for part in parts if part != OUT_OF_SCOPE)
            raise InputError(
                f"{label!r} says that no label fits, and that {others} does.",
                fix=f"Give the labels that fit, or {OUT_OF_SCOPE} alone.",
            )
        return SEPARATOR.join(parts)

    async def _reload_loop(self) -> None:
        while True:
            await asyncio.sleep(RELOAD_S)
            self.policy.refresh()
            # A task removed between two looks, a full disk: whatever it is, the next look must still come, since alarms
            # are raised by it. An alarm that cannot be written has stopped local answers already.
            await self._aside.attempt("Looking for new versions of tasks", self._rebuild())
            for name, loaded in self._snapshot.tasks.items():
                if loaded.watch is not None:
                    await self._aside.attempt(f"Watching the promise of {name}", loaded.watch.refresh())
            for name, watch in self.promises.watches().items():
                await self._aside.attempt(f"Watching the promise of {name}", watch.refresh())
            if self.gateway is not None:
                await self._aside.attempt("Watching the gateway's promise", self.gateway.refresh())
            reading = asyncio.to_thread(shadow_run.catch_up_all, self._home, self._reader, self._encoders.get)
            await self._aside.attempt("Shadow runs", reading)

    async def _rebuild(self) -> None:
        if self._builder.changed(self._snapshot):
            self._snapshot = await self._builder.build(self._snapshot)


def _parts(label: str) -> list[str]:
    """The labels in `a | b`, each once."""
    return list(dict.fromkeys(part.strip() for part in label.split(SEPARATOR)))


def open_service(config: Config, *, purpose: str, record: bool, jobs: JobTable | None = None) -> LocalService:
    """The service of a home, to be used with `async with`."""
    return LocalService(config, purpose=purpose, record=record, jobs=jobs)
