"""Messages, tasks and sources for tests of triage: scripted, without models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.reading.message import Asking, Known, MessageReader, Parts
from rightsized.apps.triage.records import Address, Handled, Labelled, Mail, Priority, Route, Span, Summary
from rightsized.apps.triage.settings import InboxSettings
from rightsized.core.generation import Caller, DataClass
from rightsized.core.protocols import Answerer
from rightsized.core.types import Attempt, LabelScore, Prediction, Reply, Task


def a_mail(key: str = "m1", body: str = "My parcel is late.", **changes: Any) -> Mail:
    """A message with one stretch of words of its sender."""
    given: dict[str, Any] = {
        "key": key,
        "subject": "Parcel",
        "body": body,
        "sender": Address("anna@example.com", "Anna Sample"),
        "received": 1_000.0,
        "fresh": (Span(0, len(body)),),
        **changes,
    }
    return Mail(**given)


def a_reply(task: str, label: str | None, *, sure: float = 0.9, certified: bool = True) -> Reply:
    """A task's answer; an abstention without a label."""
    scores = (LabelScore(label or "orders", sure),)
    predicted = Prediction(label or "orders", (label or "orders",), scores)
    return Reply(
        id="d1",
        task=task,
        status="answered" if label else "abstained",
        output=predicted if label else None,
        rung="ngrams",
        tier=3 if label else 0,
        model="sha256:model",
        confidence=sure,
        state="certified",
        certificate="c1",
        certified=certified and label is not None,
        attempts=(Attempt("ngrams", 3, "sha256:model", sure, 0.8, label is not None, predicted),),
    )


class FakeStatus:
    """A task's status, as far as reading asks."""

    def __init__(self, name: str, labels: Sequence[str], version: str = "v1", *, multi_label: bool = False) -> None:
        self.task = Task(name, "classify", tuple(labels), version, multi_label=multi_label)
        self.state = "certified"


class FakeTasks:
    """Tasks that answer by functions of the text. Implements `reading.tasks.Tasks`."""

    def __init__(self, answers: Mapping[str, Callable[[str], Reply]], *, multi_label: bool = False) -> None:
        self.answers, self._multi_label = dict(answers), multi_label
        self.asked: list[tuple[str, str, str]] = []  # task, text, conversation
        self.dry: list[bool] = []  # of each that was asked, whether for a dry run
        self.versions: dict[str, str] = {}
        self.encoders: dict[str, Any] = {}
        self.recorded_replies: list[Reply] = []

    async def classify(
        self,
        task: str,
        text: str,
        *,
        conversation: str = "",
        caller: Caller | None = None,
        data_class: DataClass | None = None,
    ) -> Reply:
        self.asked.append((task, text, conversation))
        self.dry.append(caller is not None and caller.dry_run)
        return self.answers[task](text)

    def tasks(self) -> list[Any]:
        labels, several = ("orders", "delivery"), self._multi_label
        return [FakeStatus(n, labels, self.versions.get(n, "v1"), multi_label=several) for n in self.answers]

    def open_encoder(self, name: str) -> Any:
        return self.encoders.get(name)

    def recorded(self, inner: Answerer, version: str) -> Answerer:
        return _Recorded(inner, self.recorded_replies)


class _Recorded(Answerer):
    def __init__(self, inner: Answerer, replies: list[Reply]) -> None:
        self._inner, self._replies = inner, replies

    async def answer(self, request: Any) -> Reply:
        import msgspec

        reply = await self._inner.answer(msgspec.structs.replace(request, id=f"whole-{len(self._replies)}"))
        self._replies.append(reply)
        return reply


def plain_parts(**changes: Any) -> Parts:
    """Parts that route by the department, if it is certified, and find nothing else."""

    def route(known: Known, priority: Priority) -> Route:
        one = known.labels.get("department")
        if one is not None and one.certified:
            return Route(one.labels[0], True, "certified", "by department")
        return Route("inbox", False, "nobody is sure")

    given: dict[str, Any] = {
        "extract": lambda mail: (),
        "priority": lambda known: Priority("normal", "no rule"),
        "route": route,
        "summarise": lambda mail, earlier: Summary("extract"),
        "due": lambda level, received: received + 3600.0,
        **changes,
    }
    return Parts(**given)


def a_reader(tasks: FakeTasks, settings: InboxSettings | None = None, **changes: Any) -> MessageReader:
    """A reader of the inbox `inbox` over scripted tasks."""
    return MessageReader("inbox", tasks, settings or InboxSettings(), plain_parts(**changes), clock=lambda: 2_000.0)


NOBODY = Asking(Caller(), "personal")


def asking(inbox: object, dry_run: bool) -> Asking:
    """For whom messages are read: nobody in particular."""
    return Asking(Caller(dry_run=dry_run), NOBODY.data_class)


def a_handled(key: str = "m1", *, automatic: bool = True, error: str = "", **changes: Any) -> Handled:
    """What became of a message."""
    label = Labelled("support", ("orders",), "answered", 0.9, "certified", certified=True, decision="d1")
    given: dict[str, Any] = {
        "key": key,
        "source": "fake:",
        "thread": key,
        "subject": "Parcel",
        "sender": "anna@example.com",
        "received": 1_000.0,
        "language": "en",
        "automatic": "",
        "labels": {"department": label},
        "fields": (),
        "priority": Priority("high", "a rule"),
        "route": Route("orders", automatic, "certified", "by department"),
        "summary": Summary("extract"),
        "tier": 3,
        "decision": "whole-1",
        "error": error,
        **changes,
    }
    return Handled(**given)


class ListSource:
    """A source over a list; it hands over what was not acknowledged. Implements `protocols.Source`."""

    name = "fake:list"

    def __init__(self, arrivals: Sequence[Arrival]) -> None:
        self.left = {one.place: one for one in arrivals}
        self.acknowledged: list[str] = []
        self.closed = False

    async def arrivals(self, *, wait: bool) -> AsyncIterator[Arrival]:
        for one in list(self.left.values()):
            yield one

    async def recorded(self, arrival: Arrival) -> None:
        self.acknowledged.append(arrival.place)
        self.left.pop(arrival.place, None)

    async def close(self) -> None:
        self.closed = True
