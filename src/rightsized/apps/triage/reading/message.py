"""One message from its text to its route: an answerer, so that the whole of it is one decision on record.

The attempts of that decision are the tasks' answers, each with its own decision's id; its label is the queue. It has no
audit coin: the tasks' decisions have theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from rightsized.apps.triage.reading.next_tier import ask_next_tier
from rightsized.apps.triage.reading.tasks import Tasks, label_all, roles
from rightsized.apps.triage.records import LEVELS, Extracted, Handled, Labelled, Level, Mail, Priority, Route, Summary
from rightsized.apps.triage.settings import PRIORITY as PRIORITY  # also from here
from rightsized.apps.triage.settings import InboxSettings
from rightsized.apps.triage.summary.written import write_summary
from rightsized.core.generation import Caller, DataClass
from rightsized.core.protocols import Answerer
from rightsized.core.types import TIER_PERSON, TIER_TASK, Attempt, Prediction, Reply, Request
from rightsized.tasks.finding import CITES
from rightsized.tasks.writing import About, TextWriter

NO_TEXT = "(no text)"  # what is on record of a message in which nobody wrote anything
LONG_THREAD = 4  # messages, the one at hand included
TASK = "triage/{inbox}"  # under which the decision of a whole message is on record


class Known(NamedTuple):
    """What is known of a message before it is routed. `earlier` are the messages of its thread, oldest first."""

    mail: Mail
    labels: dict[str, Labelled]
    fields: tuple[Extracted, ...]
    earlier: Sequence[Mail]
    now: float


@dataclass(frozen=True)
class Parts:
    """What reads a message besides the tasks; each is a plain function of what is known.

    Args:
        extract: fields of a message.
        priority: its level by rules; it is asked where no task says it.
        route: who gets it.
        summarise: what it and its thread say.
        due: when an answer is owed, from the level and the time of arrival; None where nothing is promised.
    """

    extract: Callable[[Mail], tuple[Extracted, ...]]
    priority: Callable[[Known], Priority]
    route: Callable[[Known, Priority], Route]
    summarise: Callable[[Mail, Sequence[Mail]], Summary]
    due: Callable[[Level, float], float | None]


@dataclass(frozen=True)
class Asking:
    """For whom messages are read, who may be asked besides the tasks, and who writes summaries."""

    caller: Caller
    data_class: DataClass
    writer: TextWriter | None = None
    summaries: TextWriter | None = None

    def about(self, person: str) -> Asking:
        """The same for a message of this person: what is put on record of it is sealed under their key."""
        if not person or self.caller.subject:
            return self
        writer, summaries = (About(one, person) if one is not None else None for one in (self.writer, self.summaries))
        return Asking(msgspec.structs.replace(self.caller, subject=person), self.data_class, writer, summaries)


class MessageReader:
    """Reads the messages of one inbox.

    Args:
        tasks: the tasks of the home.
        version: what names the rules and settings, kept with each decision.
        named: gives what stands for a conversation on record, in place of a Message-ID.
    """

    def __init__(
        self, inbox: str, tasks: Tasks, settings: InboxSettings, parts: Parts, *, version: str = "",
        clock: Callable[[], float] = time.time, named: Callable[[str], str] = str,
    ) -> None:  # fmt: skip
        self._inbox, self._tasks, self._settings, self._parts = inbox, tasks, settings, parts
        self._named = named
        self._version, self._clock = version, clock

    async def read(self, mail: Mail, source: str, earlier: Sequence[Mail], asking: Asking) -> Handled:
        """What becomes of a message, as one recorded decision.

        Raises what may be tried again (BusyError, DiskFullError, UpstreamError), and ForbiddenError (the policy).
        """
        asking = asking.about(mail.sender.address)
        one = _OneMessage(self, mail, earlier, asking)
        request = Request(
            task=TASK.format(inbox=self._inbox),
            text=self.text_of(mail) or NO_TEXT,
            conversation=self._conversation(mail),
            subject=asking.caller.subject,
            tenant=asking.caller.tenant,
            key=asking.caller.key,
            roles=asking.caller.roles,
            dry_run=asking.caller.dry_run,
            data_class=asking.data_class,
        )
        reply = await self._tasks.recorded(one, self._version).answer(request)
        handled = one.handled(reply, source)
        if asking.summaries is None or mail.automatic or not self._summarised(earlier):
            return handled
        written = await write_summary(mail, earlier, handled.summary, asking.summaries)
        return msgspec.structs.replace(handled, summary=written)

    def _conversation(self, mail: Mail) -> str:
        return self._named(mail.thread or mail.key)

    def _summarised(self, earlier: Sequence[Mail]) -> bool:
        """Whether the settings want a written summary of this message."""
        wanted = self._settings.write.summaries
        return wanted == "always" or (wanted == "long threads" and len(earlier) + 1 >= LONG_THREAD)

    def text_of(self, mail: Mail) -> str:
        """What tasks read: subject and words of the sender; those of attachments where the settings say so."""
        parts = [mail.text]
        if self._settings.read.attachments:
            parts += [f"{one.name}\n{one.text}" for one in mail.attachments if one.text]
        return "\n\n".join(parts)[: self._settings.read.text_chars].strip()

    async def known(self, mail: Mail, earlier: Sequence[Mail], asking: Asking) -> tuple[Known, tuple[str, ...]]:
        """Labels and fields; and, in words, what could not be asked. A machine's message is not put to the tasks."""
        fields, now = self._parts.extract(mail), self._clock()
        if mail.automatic:
            return Known(mail, {}, fields, earlier, now), (
                f"Written by a machine ({mail.automatic}): no task read it.",
            )
        asked = roles(self._tasks, self._settings.tasks)
        text = self.text_of(mail)
        labels, notes = await label_all(self._tasks, asked, text, self._conversation(mail), asking)
        if asking.writer is not None and any(one.status == "abstained" for one in labels.values()):
            wanted = self._settings.escalate
            known = {one.task.name: one for one in self._tasks.tasks()}
            by_role = {role: known[name] for role, name in asked.items() if name in known}
            labels, more = await ask_next_tier(asking.writer, labels, by_role, text, wanted.tasks, wanted.seconds)
            notes += more
        return Known(mail, labels, fields, earlier, now), notes

    def priority(self, known: Known) -> Priority:
        """How urgent it is: what a task says where one does, else by rules."""
        said = known.labels.get(PRIORITY)
        if said is not None and said.labels and said.labels[0] in LEVELS:
            level: Level = msgspec.convert(said.labels[0], Level)
            reason = f"the task {said.task} says so, with {said.confidence:.0%}"
            return Priority(level, reason, "model", said.confidence, said.certificate, said.certified, said.decision)
        return self._parts.priority(known)

    @property
    def parts(self) -> Parts:
        return self._parts


class _OneMessage(Answerer):
    """The answerer of one message: it answers with the queue, and keeps the rest for `handled`."""

    def __init__(self, reader: MessageReader, mail: Mail, earlier: Sequence[Mail], asking: Asking) -> None:
        self._reader, self._mail, self._earlier, self._asking = reader, mail, earlier, asking
        self._known: Known | None = None

    async def answer(self, request: Request) -> Reply:
        begun = time.perf_counter()
        reader = self._reader
        known, self._notes = await reader.known(self._mail, self._earlier, self._asking)
        self._known, self._priority = known, reader.priority(known)
        self._route = reader.parts.route(known, self._priority)
        self._tier = _tier(known.labels, self._route)
        certified = (
            self._route.automatic
            and not self._route.uncertified
            and bool(known.labels)
            and all(one.certified for one in known.labels.values())
        )
        answered = Prediction(self._route.queue, (self._route.queue,), ())
        return Reply(
            id=request.id,
            task=request.task,
            status="answered",
            output=answered,
            rung=self._route.rule or "default",
            tier=self._tier,
            model="",
            confidence=min((one.confidence for one in known.labels.values()), default=0.0),
            state="certified" if certified else "none",
            certified=certified,
            latency_ms=(time.perf_counter() - begun) * 1000,
            attempts=tuple(each for role, one in known.labels.items() for each in _attempts(role, one)),
        )

    def handled(self, reply: Reply, source: str) -> Handled:
        """What became of the message, once its decision is on record."""
        known, mail = self._known, self._mail
        assert known is not None, "asked before there was an answer"
        received = mail.received or mail.date or known.now
        return Handled(
            key=mail.key,
            source=source,
            thread=mail.thread or mail.key,
            subject=mail.subject,
            sender=mail.sender.address,
            received=received,
            language=mail.language,
            automatic=mail.automatic,
            labels=known.labels,
            fields=known.fields,
            priority=self._priority,
            route=self._route,
            summary=self._reader.parts.summarise(mail, self._earlier),
            tier=self._tier,
            decision=reply.id,
            due=self._reader.parts.due(self._priority.level, received),
            certified=reply.certified,
            attachments=mail.attachments,
            notes=(*mail.notes, *self._notes),
        )


def _tier(labels: dict[str, Labelled], route: Route) -> int:
    """The highest tier that was needed: a person where one decides, else the largest model that answered."""
    if not route.automatic:
        return TIER_PERSON
    return min((one.tier for one in labels.values() if one.status == "answered"), default=TIER_TASK)


def _attempts(role: str, one: Labelled) -> Iterator[Attempt]:
    """A task's answer as an attempt of the whole message's decision; then that of the tier asked where it gave none."""
    asked = one.next_tier
    own = () if asked is not None else one.labels
    score = one.suggested[0].probability if asked is not None and one.suggested else one.confidence
    yield Attempt(
        rung=role,
        tier=0 if asked is not None else one.tier,
        model=one.task,
        score=min(1.0, max(0.0, score)),
        threshold=None,
        accepted=one.status == "answered" and asked is None,
        prediction=Prediction(own[0] if own else "", own, one.suggested, one.out_of_scope),
        reason=f"{CITES}{one.decision}" if one.decision else "",
    )
    if asked is not None:
        yield Attempt(
            rung=f"{role} by {asked.name or 'the next tier'}",
            tier=asked.tier,
            model=asked.model,
            score=0.0,
            threshold=None,
            accepted=one.status == "answered",
            prediction=Prediction(asked.labels[0], asked.labels, ()) if asked.labels else None,
            reason=f"{CITES}{asked.decision}" if asked.decision else asked.reason,
            latency_ms=asked.latency_ms,
        )
