"""A stream of events read into pieces and a whole: errors inside it, its end, and answers that came in one go."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from multidict import CIMultiDict

from rightsized.core.generation import Burst, Completion, Delta, Generation, Piece
from rightsized.engines.remote.answers import AnswerError, as_chunk, completion, counted
from rightsized.engines.remote.assemble import Assembler, ChunkError
from rightsized.engines.remote.events import Event, EventParser, EventTooLongError
from rightsized.engines.remote.failures import AttemptError, Speaker, from_words, nonsense, status_in, words_in
from rightsized.engines.remote.incoming import Incoming
from rightsized.engines.remote.repeats import Repeats

STREAMED = frozenset(("chat", "completions"))
DONE = b"[DONE]"
SHORT = 64  # bytes; an event of more is not the one that says DONE
_EVENTS = "text/event-stream"


def check_kind(headers: CIMultiDict[str], speaker: Speaker, *, stream: bool) -> None:
    """Raise AttemptError where the answer calls itself something else than JSON, or than events where those are due."""
    given = headers.getall("Content-Type", [])
    kinds = {kind.partition(";")[0].strip().lower() for kind in given}
    if len(kinds) > 1:
        raise nonsense(speaker, f"calls one answer {len(kinds)} different things (Content-Type)")
    kind = next(iter(kinds), "")
    json = kind in ("", "application/json") or (kind.startswith("application/") and kind.endswith("+json"))
    if not json and not (stream and kind == _EVENTS):
        due = "events or JSON were" if stream else "JSON was"
        raise nonsense(speaker, f"answered {kind[:60]!r} where {due} due", again=False)


def decode(speaker: Speaker, generation: Generation, raw: bytes) -> Completion:
    """A whole answer out of its bytes. Raises AttemptError."""
    body = _json(speaker, raw)
    if isinstance(body, dict) and body.get("error"):
        raise from_words(speaker, status_in(body), *words_in(body))
    try:
        return completion(generation, body)
    except AnswerError as error:
        wrong = str(error)
    raise nonsense(speaker, wrong)


async def pieces_of(
    generation: Generation, incoming: Incoming, speaker: Speaker, max_event: int
) -> AsyncGenerator[Piece | Completion, None]:
    """The pieces of a stream as they come, those of one read in one burst; then the whole. Raises AttemptError."""
    if incoming.kind == "application/json":
        whole = decode(speaker, generation, await incoming.all())
        chunk = as_chunk(whole.body)
        yield Delta(chunk, whole.text)
        yield whole
        return
    reader = _Reader(generation, speaker, max_event)
    while not reader.done and (data := await _next(incoming, reader)):
        deltas, failure = reader.deltas(data)
        if deltas:
            yield deltas[0] if len(deltas) == 1 else Burst(deltas)
        if failure is not None:
            raise failure
    reader.end()
    if reader.done:
        await incoming.settle()
    yield reader.whole()


async def _next(incoming: Incoming, reader: _Reader) -> bytes:
    """The next bytes; a connection that breaks after the last finish reason has broken nothing."""
    try:
        return await incoming.next()
    except AttemptError:
        if reader.finished:
            return b""
        raise


class _Reader:
    """The state of one stream."""

    def __init__(self, generation: Generation, speaker: Speaker, max_event: int) -> None:
        self._generation, self._speaker = generation, speaker
        self._parser = EventParser(max_event)
        self._sum = Assembler(chat=generation.operation == "chat")
        self._repeats = Repeats()
        wanted = generation.body.get("n")
        self._wanted = wanted if isinstance(wanted, int) else 1
        self._text: list[str] = []
        self.done = False

    @property
    def finished(self) -> bool:
        return self._sum.finished and self._sum.count >= self._wanted

    def deltas(self, data: bytes) -> tuple[list[Delta], AttemptError | None]:
        """The pieces in `data`, up to a failure where there is one."""
        found: list[Delta] = []
        try:
            for event in self._events(data):
                if (delta := self._delta(event)) is not None:
                    found.append(delta)
        except AttemptError as failed:
            return found, failed
        return found, None

    def _events(self, data: bytes) -> list[Event]:
        """Events up to the one that ends the stream."""
        try:
            found = self._parser.feed(data)
        except EventTooLongError as error:
            wrong = str(error)
        else:
            ends = [i for i, event in enumerate(found) if len(event.data) < SHORT and event.data.strip() == DONE]
            self.done = bool(ends)
            return found[: ends[0]] if ends else found
        raise nonsense(self._speaker, f"broke a limit: {wrong[:-1]}", again=False)

    def _delta(self, event: Event) -> Delta | None:
        """The piece that an event holds; None where it holds only counts or remarks."""
        if not event.name and (text := self._repeats.text(event.data)) is not None:
            self._sum.add_text(text)
            self._text.append(text)
            return Delta(self._repeats.body(text), text, alike=True)
        self._repeats.forget()
        chunk = _json(self._speaker, event.data)
        if not isinstance(chunk, dict):
            raise nonsense(self._speaker, "sent an event that is no object")
        if event.name == "error" or chunk.get("error"):
            raise from_words(self._speaker, status_in(chunk), *words_in(chunk))
        try:
            text = self._sum.add(chunk)
        except ChunkError as error:
            wrong = str(error)
        else:
            self._text.append(text)
            if self._sum.plain and not event.name:
                self._repeats.remember(event.data, chunk)
            return Delta(chunk, text) if chunk.get("choices") else None
        raise nonsense(self._speaker, f"sent a piece that cannot be read: {wrong}")

    def end(self) -> None:
        """The bytes are over. Raises AttemptError where the answer is not."""
        rest = None if self.done else self._parser.end()
        self.done = self.done or (rest is not None and rest.data.strip() == DONE)
        if not self._sum.begun:
            raise nonsense(self._speaker, "ended its stream without an answer")
        if not self.done and not self.finished:
            raise nonsense(self._speaker, "ended in the middle of its answer")

    def whole(self) -> Completion:
        """The answer put together."""
        body = self._sum.body()
        if self._sum.usage is not None:
            body["usage"] = self._sum.usage
        first: dict[str, Any] = body["choices"][0]
        return counted(self._generation, body, "".join(self._text), str(first.get("finish_reason") or ""))


def _json(speaker: Speaker, raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    raise nonsense(speaker, "answered nothing" if not raw.strip() else "answered what is not JSON")
