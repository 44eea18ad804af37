"""Several tasks on one message. They are asked at once with the same text, so that one pass of the encoder serves all.

Each answer is a decision of its task, under that task's certificate; nothing is decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from rightsized.apps.triage.records import Labelled
from rightsized.core.errors import RightsizedError
from rightsized.core.generation import Caller, DataClass
from rightsized.core.protocols import Answerer, Encoder
from rightsized.core.types import Reply
from rightsized.tasks.records import TaskStatus

MOST_SUGGESTED = 5  # labels shown to whoever decides


class Tasks(Protocol):
    """What is asked of the tasks of this home (`tasks.service_protocol.Service` gives it)."""

    async def classify(
        self,
        task: str,
        text: str,
        *,
        conversation: str = "",
        caller: Caller | None = None,
        data_class: DataClass | None = None,
    ) -> Reply: ...

    def tasks(self) -> list[TaskStatus]: ...

    def recorded(self, inner: Answerer, version: str) -> Answerer: ...

    def open_encoder(self, name: str) -> Encoder: ...


class Asker(Protocol):
    """Whom messages are read for: their decisions are that caller's, and of that class."""

    @property
    def caller(self) -> Caller: ...

    @property
    def data_class(self) -> DataClass: ...


def roles(tasks: Tasks, named: Mapping[str, str]) -> dict[str, str]:
    """Role -> task: as the settings name them; else every classifying task of the home under its own name."""
    return dict(named) or {one.task.name: one.task.name for one in tasks.tasks() if one.task.kind == "classify"}


def versions(tasks: Tasks, asked: Mapping[str, str]) -> str:
    """Which versions would answer, as one line: another line means that another answer is possible."""
    known = {one.task.name: f"{one.task.version} {one.state}" for one in tasks.tasks()}
    return "; ".join(f"{role}={name}@{known.get(name, 'missing')}" for role, name in sorted(asked.items()))


async def label_all(
    tasks: Tasks, asked: Mapping[str, str], text: str, conversation: str, asker: Asker
) -> tuple[dict[str, Labelled], tuple[str, ...]]:
    """What every task says of a text, by role; and, in words, which could not be asked.

    A task that fails leaves its role without an answer: the message then waits for a person.
    """
    if not text.strip():
        return {}, ("There is no text that a task could read.",)
    given = await asyncio.gather(*(_ask(tasks, name, text, conversation, asker) for name in asked.values()))
    found, notes = dict[str, Labelled](), list[str]()
    for (role, name), one in zip(asked.items(), given, strict=True):
        if isinstance(one, RightsizedError):
            found[role] = Labelled(name, (), "abstained", 0.0, "none")
            notes.append(f"{role}: {one.own_words}")
        else:
            found[role] = labelled(one)
    return found, tuple(notes)


def labelled(reply: Reply) -> Labelled:
    """A task's reply as triage keeps it."""
    best = reply.suggestion
    return Labelled(
        task=reply.task,
        labels=reply.output.labels if reply.output else (),
        status=reply.status,
        confidence=reply.confidence,
        state=reply.state,
        certificate=reply.certificate,
        certified=reply.certified,
        suggested=best.scores[:MOST_SUGGESTED] if best else (),
        out_of_scope=best.out_of_scope if best else 0.0,
        tier=reply.tier,
        decision=reply.id,
    )


def needs_person(labels: Mapping[str, Labelled], roles_needed: Sequence[str] = ()) -> bool:
    """Whether some task abstained: of these roles, or of all."""
    return any(one.status == "abstained" for role, one in labels.items() if not roles_needed or role in roles_needed)


async def _ask(tasks: Tasks, name: str, text: str, conversation: str, asker: Asker) -> Reply | RightsizedError:
    try:
        return await tasks.classify(
            name, text, conversation=conversation, caller=asker.caller, data_class=asker.data_class
        )
    except RightsizedError as error:
        if error.retryable:
            raise  # busy, a full disk: the message is read again, not handed to a person
        return error
