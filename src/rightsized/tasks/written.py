"""Decisions about text that was written: what a person is shown of one, and the two labels it can get.

The ledger keeps a request's body and the answers as JSON, apart from the record. Here they become words again. A label
says whether one text is right; which text that is follows from the reply alone (`judged`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from rightsized.core.errors import InputError
from rightsized.core.generation import Completion
from rightsized.core.types import Attempt, Decision, Reply
from rightsized.ledger.schema import End
from rightsized.tasks.records import Place, Turn, Written

RIGHT, WRONG = "right", "wrong"
VERDICTS = (RIGHT, WRONG)
ASKED_FOR = ("prompt", "input", "query")  # where the words of a request without messages stand
USER = "user"
CLASSIFY = "classify"  # the one operation that writes nothing

TextOf = Callable[[str], str | None]  # digest -> text; None where retention deleted it
MayRead = Callable[[Iterable[str]], bool]  # whether somebody may see all of these documents, given as COLLECTION/ID


def is_written(decision: Decision) -> bool:
    """Whether the request asked for text.

    Records from before the operation was kept tell it by their data class: only requests for text had one then.
    """
    return decision.operation != CLASSIFY if decision.operation else decision.data_class is not None


def judged(reply: Reply) -> Attempt | None:
    """The attempt that a label is about: the answer given, else the most capable draft. None where there is none."""
    return last_written(reply.attempts)


def last_written(attempts: Sequence[Attempt]) -> Attempt | None:
    """The last of these attempts that wrote something; None where none did."""
    return next((attempt for attempt in reversed(attempts) if attempt.completion is not None), None)


def check_verdict(reply: Reply | None, label: str) -> str:
    """The label, if it can be one of a written answer. Raises InputError."""
    verdict = label.strip()
    if verdict not in VERDICTS:
        raise InputError(
            f"{label!r} says nothing about a written answer.", fix=f"Say whether it is {RIGHT} or {WRONG}."
        )
    if verdict == RIGHT and reply is not None and judged(reply) is None:
        raise InputError("No tier wrote anything, so there is no draft to call right.", fix=f"Label it {WRONG}.")
    return verdict


def shown(
    reply: Reply | None, body: str, text_of: TextOf, *, drafts: bool = False, failed: Sequence[Attempt] = ()
) -> Written:
    """A request and what was written, for a person to read.

    Args:
        body: the request as the ledger keeps it.
        drafts: also what each tier wrote on the way; not for a reviewer who must not know how it went.
        failed: the attempts made where there is no reply.
    """
    attempts = reply.attempts if reply is not None else failed
    attempt = last_written(attempts)
    tried = attempts if drafts else ()
    kept = [(one.rung, _answer(one.completion, text_of)) for one in tried if one.completion is not None]
    return Written(
        turns=turns_of(body),
        answer=_answer(attempt.completion, text_of) if attempt is not None else None,
        given=reply is not None and reply.status == "answered",
        wrote=attempt is not None,
        drafts=tuple(Turn(rung, "" if text is None else text) for rung, text in kept),
        cited=_cited(attempt.completion, text_of) if attempt is not None else (),
    )


def documents_of(begun: Decision, end: End | None = None) -> tuple[str, ...]:
    """The documents, as `COLLECTION/ID`, of which the texts of a decision hold anything.

    Args:
        begun: the whole decision, or its start.
        end: where that stands apart.
    """
    reply, attempts = (end.reply, end.attempts) if end is not None else (begun.reply, begun.attempts)
    texts = [one.completion for one in (reply.attempts if reply is not None else attempts or ())]
    texts.append(reply.completion if reply is not None else None)
    quoted = (each for one in texts if one is not None for each in one.documents)
    return tuple(dict.fromkeys((*begun.documents, *quoted)))


def turns_of(body: str) -> tuple[Turn, ...]:
    """Who said what in a request, from its body as JSON.

    >>> turns_of('{"messages": [{"role": "user", "content": "Hello"}]}')
    (Turn(role='user', text='Hello'),)
    """
    given = _object(body)
    messages = given.get("messages")
    if isinstance(messages, list):
        found = [message for message in messages if isinstance(message, dict)]
        return tuple(Turn(str(message.get("role") or USER), message_words(message)) for message in found)
    turns = [Turn(USER, _words(given[name])) for name in ASKED_FOR if name in given]
    if given.get("suffix"):
        turns.append(Turn("suffix", str(given["suffix"])))
    return tuple(turns) or (Turn(USER, body),)


def in_words(turns: tuple[Turn, ...]) -> str:
    """The turns as one text; a single one stands for itself."""
    if len(turns) == 1:
        return turns[0].text
    return "\n\n".join(f"{turn.role}: {turn.text}" for turn in turns)


def first_choice(body: str) -> dict[str, Any]:
    """The first choice of a response in OpenAI shape, given as JSON; empty where there is none."""
    return first_of(_object(body))


def first_of(body: dict[str, Any]) -> dict[str, Any]:
    """The first choice of a response in OpenAI shape; empty where there is none."""
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def choice_words(choice: dict[str, Any]) -> str:
    """What a choice says, with the tools it calls."""
    message = choice.get("message")
    return message_words(message) if isinstance(message, dict) else str(choice.get("text") or "")


def content_of(choice: dict[str, Any]) -> str:
    """The words of a choice alone, as checks of the answer read them."""
    message = choice.get("message")
    return _words(message.get("content")) if isinstance(message, dict) else str(choice.get("text") or "")


def message_words(message: dict[str, Any]) -> str:
    """The words of a message; what it holds besides words is named, such as `[image_url]` or a tool that is called."""
    parts = [_words(message.get("content"))]
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            parts.append(f"{function.get('name', '')}({function.get('arguments', '')})")
    return "\n".join(part for part in parts if part)


def _answer(completion: Completion | None, text_of: TextOf) -> str | None:
    body = text_of(completion.sha256) if completion is not None else None
    if body is None:
        return None
    return choice_words(first_choice(body))


def _cited(completion: Completion | None, text_of: TextOf) -> tuple[Place, ...]:
    body = text_of(completion.sha256) if completion is not None and completion.documents else None
    try:
        return msgspec.convert(_object(body).get("citations", ()), tuple[Place, ...]) if body is not None else ()
    except msgspec.ValidationError:
        return ()


def _words(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(_part(part) for part in content)
    return content if isinstance(content, str) else "" if content is None else str(content)


def _part(part: Any) -> str:
    if isinstance(part, dict):
        return str(part["text"]) if isinstance(part.get("text"), str) else f"[{part.get('type', 'something else')}]"
    return str(part)


def _object(body: str) -> dict[str, Any]:
    try:
        given = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return given if isinstance(given, dict) else {}
