"""Triage as the server and the command line use it: inboxes by name, messages handled, and what people do with them.

A task's answer that the audit coin chose is shown to nobody before a person has labelled it: that label must owe
nothing to the model (docs/explanation/data-discipline.md).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, get_args

import msgspec

from rightsized.apps.triage.composing import mail_of
from rightsized.apps.triage.drafts.hiding import without_people
from rightsized.apps.triage.drafts.records import Example
from rightsized.apps.triage.drafts.writing import Draft, answers, shared, write_draft
from rightsized.apps.triage.handling import HELPDESK, Handling, ends
from rightsized.apps.triage.inboxes import Inbox, Inboxes
from rightsized.apps.triage.listing import counted, listed
from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.reading.message import PRIORITY, Asking
from rightsized.apps.triage.records import Handled, Labelled, Priority
from rightsized.apps.triage.rerouting import rerouted
from rightsized.apps.triage.settings import DEFAULT_INBOX
from rightsized.apps.triage.similar import Like, similar
from rightsized.apps.triage.store.records import Event, Kept, Waits
from rightsized.apps.triage.together import Ours, Together, detach, finish, join, together
from rightsized.apps.triage.writers import writer_of
from rightsized.core.config import Config
from rightsized.core.errors import InputError, NotFoundError, RightsizedError, UnsupportedError
from rightsized.core.frozen import Frozen
from rightsized.core.generation import Caller
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.roles import LOCAL_ADMIN, Identity
from rightsized.store.home import Home
from rightsized.tasks.accesses import What, access
from rightsized.tasks.acts import Act
from rightsized.tasks.dataset import SEPARATOR
from rightsized.tasks.pseudonyms import detector_of
from rightsized.tasks.service_protocol import Service
from rightsized.tasks.writing import About, Excerpt, TextWriter

MOST_SIMILAR = 5  # solved messages shown beside one
HIDDEN = "(asked for an audit: label it without help)"
Step = Literal["accept", "correct", "assign", "done", "reopen", "detach", "join", "done-all"]
_TELLING = frozenset({"accepted", "assigned", "routed", "action"})  # events whose words follow from an answer
STEPS: tuple[Step, ...] = get_args(Step)


class InboxStanding(Frozen, frozen=True):
    """An inbox and how much is in it, by status."""

    name: str
    counts: dict[str, int]
    sources: tuple[str, ...]
    acts: bool
    problem: str = ""

    @property
    def waiting(self) -> int:
        return self.counts.get("waiting", 0)


class Outlooked(Frozen, frozen=True):
    """A waiting message and the chance that it is answered late, with the interval of the simulation."""

    kept: Kept
    late: float
    low: float
    high: float


class Shown(Frozen, frozen=True):
    """A message as a person works on it: with its thread, oldest first, and what happened to it.

    `blind` are the roles whose answer is hidden since an audit asks this person for theirs. `together` is its incident.
    """

    kept: Kept
    thread: tuple[Kept, ...]
    events: tuple[Event, ...]
    blind: tuple[str, ...] = ()
    together: Together | None = None


async def no_policies(collection: str, text: str, identity: Identity) -> Sequence[Excerpt]:
    """Where no documents are at hand. Raises UnsupportedError."""
    raise UnsupportedError(
        f"Passages of {collection!r} cannot be looked up here.", fix="Ask through the server: rightsized serve"
    )


Policies = Callable[[str, str, Identity], Awaitable[Sequence[Excerpt]]]  # collection, text, who asks


class TriageService:
    """The inboxes of a home, for as long as `service` is open.

    Args:
        policies: passages of a collection for a text, as somebody may see them; without it a draft rests on none.
    """

    def __init__(self, config: Config, service: Service, policies: Policies | None = None) -> None:
        self._config, self._service = config, service
        self.policies: Policies = policies or no_policies
        self.inboxes = Inboxes(Home(config.home), service, self._asked)

    def close(self) -> None:
        self.inboxes.close()

    def standings(self) -> list[InboxStanding]:
        """Every inbox; one that cannot be opened says why."""
        found = []
        for name in self.inboxes.names():
            try:
                one = self.inboxes.open(name)
                sources = tuple(source.address for source in one.settings.sources)
                found.append(InboxStanding(name, one.store.counts(), sources, one.settings.actions.enabled))
            except RightsizedError as error:
                found.append(InboxStanding(name, {}, (), False, str(error)))
        return found

    def handling(self, name: str, identity: Identity = LOCAL_ADMIN, *, new: bool = False) -> Handling:
        """What handles the messages of an inbox, on behalf of somebody. Raises NotFoundError, ConfigError."""
        return Handling(self.inboxes.open(name, new=new), self._asking(identity.caller), mail_of)

    async def process(
        self, name: str, arrival: Arrival, source: str, *, dry_run: bool, identity: Identity = LOCAL_ADMIN
    ) -> Handled | None:
        """Handle one message. None where it was handled before. The default inbox is made where there is none.

        Raises NotFoundError (no other inbox of that name), and as `Handling.process`.
        """
        return await self.handling(name, identity, new=name == DEFAULT_INBOX).process(arrival, source, dry_run=dry_run)

    def waiting(self, name: str, wanted: Waits) -> list[Kept]:
        """Messages of an inbox, with the answers hidden that an audit asks people for (`listing`)."""
        return listed(self.inboxes.open(name), wanted, lambda one: self._veiled(one)[0])

    def count(self, name: str, wanted: Waits) -> int:
        """How many there are."""
        return counted(self.inboxes.open(name), wanted, lambda one: self._veiled(one)[0])

    def forecast(self, name: str, progress: Progress = no_progress) -> list[Outlooked]:
        """How likely each waiting message is to be answered late, the dearest to leave first."""
        inbox = self.inboxes.open(name)
        found = inbox.tending.forecast(progress)
        by_key = {one.key: self._veiled(one)[0] for one in inbox.store.of([one.key for one in found])}
        chances = [one for one in found if one.key in by_key]
        return [Outlooked(by_key[one.key], one.late, one.low, one.high) for one in chances]

    def show(self, name: str, number: int) -> Shown:
        """One message by its number. Raises NotFoundError."""
        store = self.inboxes.open(name).store
        kept, blind = self._veiled(self._numbered(name, number))
        thread = tuple(self._veiled(one)[0] for one in store.thread(kept.thread))
        events = tuple(_without_outcome(one) if blind else one for one in store.events(kept.key))
        return Shown(kept, thread, events, blind, together(self.inboxes.open(name), kept, self._ours(name)))

    async def similar(self, name: str, kept: Kept, limit: int = MOST_SIMILAR) -> list[Like]:
        """Finished messages that are like one; none where the home has no encoder."""
        installed = self._service.encoders()
        used = [one.task.encoder for one in self._service.tasks() if one.task.encoder in installed]
        if not installed:
            return []
        encoder = await self._service.encoder((used or installed)[0])
        inbox = self.inboxes.open(name)
        found = await similar(inbox.store, encoder, kept, limit, inbox.is_ours)
        return [one._replace(kept=self._veiled(one.kept)[0]) for one in found]

    async def draft(self, name: str, number: int, identity: Identity = LOCAL_ADMIN, by: str = "") -> Draft:
        """A reply to a message, for a person to check and send; that it was asked for is kept, its text is not.

        Raises NotFoundError, InputError (its text was deleted), UnsupportedError (nothing that writes is set up), and
        what the writer raises.
        """
        kept, inbox = self._numbered(name, number), self.inboxes.open(name)
        writer = self._writer(identity.caller, inbox.settings.write.tier, inbox)
        if writer is None:
            raise UnsupportedError(
                f"Nothing is set up that writes for {name}.",
                fix=f'Name a tier under [[tiers]] in rightsized.toml, then [write] tier = "auto" in {name}/inbox.toml.',
            )
        if kept.mail is None or not kept.mail.text:
            raise InputError(f"Message {number} has no text to answer.")
        writer = About(writer, kept.mail.sender.address)
        await self.seen(identity, "decision", [kept])
        thread = await asyncio.to_thread(inbox.store.thread, kept.thread)
        before = [one.mail for one in thread if one.mail and one.number < number]
        ticket = kept.source.startswith(HELPDESK)  # its messages belong together by the helpdesk's word
        earlier = before if ticket else shared(kept.mail, before)
        examples = await self._examples(name, kept)
        collection = inbox.settings.write.policies
        policies = await self.policies(collection, kept.mail.text, identity) if collection else ()
        draft = await write_draft(kept.mail, earlier, examples, policies, writer)
        if len(earlier) < len(before):
            draft = msgspec.structs.replace(draft, notes=(*draft.notes, _held_back(len(before) - len(earlier))))
        inbox.store.note(kept.key, by or identity.name or identity.id, "drafted", f"decision {draft.decision}")
        return draft

    async def _examples(self, name: str, kept: Kept) -> list[Example]:
        """Our answers to solved messages like this one, without whom they are about."""
        inbox = self.inboxes.open(name)
        solved = [one.kept for one in await self.similar(name, kept)]

        def look_up() -> list[Example]:
            found = answers(inbox.store, self._ours(name), solved)
            return without_people(found, detector_of(self._config)) if found else []

        return await asyncio.to_thread(look_up)

    def _ours(self, name: str) -> Ours:
        """Whether a message of a thread is our own answer."""
        inbox = self.inboxes.open(name)
        return lambda one, thread: one.mail is not None and inbox.is_ours(one.mail.sender) and ends(one, thread)

    async def seen(self, identity: Identity, what: What, messages: Sequence[Kept]) -> None:
        """Put on record that somebody is about to be shown these messages."""
        decisions = [one.handled.decision for one in messages if one.handled and one.handled.decision]
        if decisions and self._config.record.enabled:
            await self._service.record.note(access(identity, what, *decisions))

    async def acted(self, one: Act) -> None:
        """Put into the signed log what was done outside, where there is one."""
        if self._config.record.enabled:
            await self._service.record.acted(one)

    async def step(self, name: str, number: int, step: Step, by: str, *, role: str = "", value: str = "") -> Kept:
        """What a person does with a message; `by` is their name.

        accept: the route stands, and labels that wait for a person are given as they were suggested. correct: the label
        of `role` is `value`. assign: to the person `value`, one of those whom desk.toml names, if any. done, reopen: as
        they say. detach: out of its incident. join: into that of the message number `value`. done-all: all of its
        incident that wait are finished.
        Raises NotFoundError, InputError.
        """
        kept = self._numbered(name, number)
        if kept.state == "taken":
            raise InputError(
                f"Message {number} was taken in and is not read yet.", fix="Have it read: rightsized triage run"
            )
        store = self.inboxes.open(name).store
        if step == "accept":
            await self._accept(kept, by)
            with store.writing():
                store.update(kept.key, by, "accepted", kept.queue, status="routed")
                if kept.handled is not None and not kept.handled.error:
                    self.inboxes.open(name).plan(kept.handled, accepted=True)
        elif step == "correct":
            await self._correct(kept, role, value, by)
            with store.writing():
                store.note(kept.key, by, "corrected", f"{role}: {value}")
                self._reroute(self.inboxes.open(name), kept, {role: value})
        elif step == "assign":
            person = self.inboxes.open(name).tending.person(_named(value))
            store.update(kept.key, by, "assigned", person, assignee=person)
        elif step == "detach":
            detach(self.inboxes.open(name), kept, by)
        elif step == "join":
            join(self.inboxes.open(name), kept, self._numbered(name, _number(value)), by)
        elif step == "done-all":
            finish(self.inboxes.open(name), kept, by, value)
        else:
            status = "done" if step == "done" else "waiting"
            store.update(kept.key, by, "done" if step == "done" else "reopened", value, status=status)
        return self._veiled(store.get(kept.key))[0]

    async def _accept(self, kept: Kept, by: str) -> None:
        """Labels that wait for a person, given as they were suggested; those of audits are not touched."""
        for role, one in (kept.handled.labels if kept.handled else {}).items():
            best = one.labels or tuple(score.label for score in one.suggested[:1])
            waits = one.left_open and one.decision and best and not self._blind(one)
            if waits and not self._service.labels_of(one.decision):  # what a person has said already stands
                with contextlib.suppress(NotFoundError):  # the task was removed since: the route can stand without it
                    await self._correct(kept, role, SEPARATOR.join(best), by)

    async def _correct(self, kept: Kept, role: str, label: str, by: str) -> None:
        labels = kept.handled.labels if kept.handled else {}
        if role not in labels:
            raise InputError(f"No task {role!r} read this message.", fix=f"Roles here: {', '.join(labels) or 'none'}.")
        decision = labels[role].decision
        if not decision:
            raise InputError(f"The answer of {role!r} is not on record, so it cannot be corrected.")
        if self._blind(labels[role]) or labels[role].left_open:
            await self._service.label(decision, label, by)
        else:
            await self._service.feedback(decision, label, by)

    def _reroute(self, inbox: Inbox, kept: Kept, said: dict[str, str]) -> None:
        """A message that waits goes where the rules send what people said of it: just now, and before."""
        handled, mail = kept.handled, kept.mail
        if handled is None or mail is None or handled.error or kept.status != "waiting":
            return
        for role, one in handled.labels.items():
            before = self._service.labels_of(one.decision) if one.decision else []
            if before:
                said.setdefault(role, before[0].label)
        found = rerouted(handled, mail, said, inbox.reader.parts)
        if found.route.queue == kept.queue:  # it stays with its person
            found = msgspec.structs.replace(
                found, route=msgspec.structs.replace(found.route, assignee=kept.assignee or found.route.assignee)
            )
        if (found.route.queue, found.route.actions) != (kept.queue, handled.route.actions):
            inbox.store.handled(found, kept.status, kept.made)

    def _veiled(self, kept: Kept) -> tuple[Kept, tuple[str, ...]]:
        """The message without what the models said of it, where an audit waits for a person's own label."""
        if kept.handled is None:
            return kept, ()
        blind = tuple(role for role, one in kept.handled.labels.items() if self._blind(one))
        if not blind:
            return kept, ()
        assignee = "" if kept.assignee == kept.handled.route.assignee else kept.assignee
        labels = {r: _hidden(one) if r in blind else one for r, one in kept.handled.labels.items()}
        route = msgspec.structs.replace(
            kept.handled.route, queue=HIDDEN, reason=HIDDEN, rule="", assignee="", actions=()
        )
        priority = kept.handled.priority
        told = priority.by == "model" and PRIORITY in blind  # the level is what the audit asks for
        if told:
            priority = Priority("normal", HIDDEN)
        elif priority.by == "rules":  # a rule's words may name a label
            priority = msgspec.structs.replace(priority, reason=HIDDEN)
        handled = msgspec.structs.replace(kept.handled, labels=labels, route=route, priority=priority)
        if told:
            handled = msgspec.structs.replace(handled, due=None)
            kept = msgspec.structs.replace(kept, level=priority.level, due=None)
        return msgspec.structs.replace(kept, queue=HIDDEN, assignee=assignee, handled=handled), blind

    def _blind(self, one: Labelled) -> bool:
        """Whether an audit waits for a person's own label of this answer."""
        return self._asked(one.decision)

    def _asked(self, decision: str) -> bool:
        return bool(decision) and self._config.record.enabled and self._service.record.blind(decision)

    def _numbered(self, name: str, number: int) -> Kept:
        found = self.inboxes.open(name).store.numbered(number)
        if found is None:
            see = f"See: rightsized triage queue -i {name}"
            raise NotFoundError(f"There is no message {number} in {name}.", fix=see)
        return found

    def _asking(self, asker: Caller) -> Callable[[Inbox, bool], Asking]:
        def asking(inbox: Inbox, dry_run: bool) -> Asking:
            caller = msgspec.structs.replace(asker, dry_run=dry_run)
            held = inbox.settings.read.data_class
            writes, tier = inbox.settings.write, inbox.settings.escalate.tier
            wanted = writes.tier and writes.summaries != "never"
            summaries = self._writer(caller, writes.tier, inbox) if wanted else None
            return Asking(caller, held, self._writer(caller, tier, inbox) if tier else None, summaries)

        return asking

    def _writer(self, caller: Caller, tier: str, inbox: Inbox) -> TextWriter | None:
        return writer_of(self._service.gateway, inbox, tier, caller)


def _hidden(one: Labelled) -> Labelled:
    return msgspec.structs.replace(
        one, labels=(), confidence=0.0, suggested=(), out_of_scope=0.0, certified=False, next_tier=None
    )


def _held_back(count: int) -> str:
    """That messages of a thread were kept from a draft, and why."""
    return (
        f"{count} earlier messages of the thread were not given to the model: whoever gets this reply has no part in "
        "them, as far as their headers say."
    )


def _without_outcome(one: Event) -> Event:
    """An event without the words that name a queue, a person chosen for it, or an action."""
    return msgspec.structs.replace(one, detail=HIDDEN) if one.what in _TELLING else one


def _number(value: str) -> int:
    if not value.strip().isdecimal() or len(value) > 12:
        raise InputError(f"{value[:50]!r} is no number of a message.", fix="Name a message as the queue shows it.")
    return int(value)


def _named(value: str) -> str:
    if not value.strip():
        raise InputError("Nobody is named to assign this to.", fix="Name a person.")
    return value.strip()
