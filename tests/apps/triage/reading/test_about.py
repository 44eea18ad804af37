"""Whatever is asked of a message is on record under its sender's key: tasks, the tier below them, summaries, drafts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from rightsized.apps.triage.reading.message import Asking
from rightsized.apps.triage.records import Address
from rightsized.core.generation import AUTO, Caller
from rightsized.core.types import Reply
from rightsized.tasks.gateway_protocol import Gateway
from rightsized.tasks.writing import About, FakeTextWriter, GatewayWriter, Prompt
from tests.apps.triage.triage_samples import NOBODY, FakeTasks, a_mail, a_reader, a_reply


class Asked:
    """A gateway that keeps whom each text is about."""

    def __init__(self) -> None:
        self.subjects: list[str] = []

    async def generate(self, asked: Any, caller: Caller) -> Reply:
        self.subjects.append(caller.subject)
        return a_reply("gateway", None)


async def test_a_writer_writes_about_whom_it_is_told() -> None:
    gateway = Asked()
    writer = GatewayWriter(cast(Gateway, gateway), Caller("k1", subject="tenant's own"), "personal", AUTO)
    await writer.write(Prompt("Write.", "Now."))
    await About(writer, "anna@example.com").write(Prompt("Write.", "Now."))
    assert gateway.subjects == ["tenant's own", "anna@example.com"]


async def test_every_part_of_reading_a_message_is_about_its_sender() -> None:
    writer = FakeTextWriter(["x", "y"])
    asking = Asking(Caller("k1"), "personal", writer, writer).about("anna@example.com")
    assert asking.caller == Caller("k1", subject="anna@example.com")
    assert asking.writer is not None
    assert asking.summaries is not None
    await asking.writer.write(Prompt("Write.", "Now."))
    await asking.summaries.write(Prompt("Write.", "Now."))
    assert [one.subject for one in writer.prompts] == ["anna@example.com"] * 2
    assert asking.about("bob@example.com") is asking  # a caller's own subject stands
    assert NOBODY.about("") is NOBODY


async def test_the_request_of_a_whole_message_names_neither_it_nor_its_conversation() -> None:
    seen: list[Any] = []
    tasks = FakeTasks({})

    def recorded(inner: Any, version: str) -> Any:
        async def answer(request: Any) -> Reply:
            seen.append(request)
            return cast(Reply, await inner.answer(request))

        return SimpleNamespace(answer=answer)

    tasks.recorded = recorded  # type: ignore[method-assign]  # to see what is asked
    reader = a_reader(tasks)
    reader._named = lambda name: f"digest of {len(name)}"
    await reader.read(
        a_mail("m1@x", "", subject="", thread="t1@x", sender=Address("anna@example.com")), "s", [], NOBODY
    )
    (request,) = seen
    assert (request.subject, request.conversation, request.text) == ("anna@example.com", "digest of 4", "(no text)")
