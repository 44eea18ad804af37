"""Makes the messages and labels of `src/rightsized/data/mailbox` from `dev/mailbox/threads`.

    python -m dev.mailbox.build

Equal sources give equal bytes with the same versions of the writing libraries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from dev.mailbox import layout, mime
from dev.mailbox.markup import Text
from dev.mailbox.source import Message, threads

DATA = Path(__file__).parents[2] / "src" / "rightsized" / "data" / "mailbox"


def built() -> Iterator[tuple[str, bytes]]:
    """(path in the data folder, content) of every file, labels last."""
    rows, papers = [], []
    for thread in threads():
        for message in thread:
            yield file_of(message), mime.made(message, thread)
            rows.append(row(message, thread))
        if any(message.marked().sentences for message in thread):
            papers.append(paper(thread))
    rows.sort(key=lambda one: one["file"])
    yield "labels.jsonl", lines(rows)
    yield "threads.jsonl", lines(papers)


def file_of(message: Message) -> str:
    """Its path; the names sort by time."""
    return f"messages/{message.when:%Y%m%d-%H%M}-{message.id}.eml"


def row(message: Message, thread: list[Message]) -> dict[str, Any]:
    """The labels of one message. What the shop sent itself has none but its thread's department and its fields."""
    shown = thread[message.number - 2] if "duplicate" in message.forms else message
    told, text, title = message.labels, written(shown), shown.titled()
    flags = told.flags if told else ()
    return {
        "id": message.id,
        "file": file_of(message),
        "thread": message.thread,
        "key": mime.message_id(shown).strip("<>"),
        "outgoing": message.outgoing,
        "department": told.department if told else next(one.labels.department for one in thread if one.labels),
        "intents": list(told.intents) if told else [],
        "sentiment": told.sentiment if told else "",
        "priority": told.priority if told else "",
        "automatic": message.headers.get("M", ""),
        "language": message.language,
        "spam": "spam" in flags,
        "human": "human" in flags,
        "storm": "storm" in flags,
        "duplicate_of": f"{message.thread}-{message.number - 1}" if "duplicate" in message.forms else "",
        "subject": title.plain,
        "written": text.plain,
        "fields": to_builtins(title.fields + text.fields),
    }


def written(message: Message) -> Text:
    """What was written, as it stands in the message: wrapped where its program wraps."""
    text = message.marked()
    if "wrap" not in message.forms:
        return text
    plain = layout.wrapped(text.plain)
    fields = tuple(replace(one, text=plain[one.start : one.end]) for one in text.fields)
    marks = tuple(replace(one, text=plain[one.start : one.end]) for one in text.sentences)
    return Text(plain, fields, marks)


def paper(thread: list[Message]) -> dict[str, Any]:
    """The labelled sentences of a thread; those of a duplicate are left out."""
    found = [
        {"message": message.id, **to_builtins(one)}
        for message in thread
        if "duplicate" not in message.forms
        for one in written(message).sentences
    ]
    return {"thread": thread[0].thread, "messages": [one.id for one in thread], "sentences": found}


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows).encode()


def main() -> None:
    """Writes every file whose content has changed, and takes away what has no source any more."""
    made = dict(built())
    for place in DATA.glob("messages/*.eml"):
        if place.relative_to(DATA).as_posix() not in made:
            place.unlink()
    for name, data in made.items():
        target = DATA / name
        if not target.is_file() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    size = sum(map(len, made.values()))
    papers = len(made["threads.jsonl"].splitlines())
    print(f"{len(made) - 2} messages, {papers} labelled threads, {size:,} bytes")  # noqa: T201 - what was built, for whoever ran it


if __name__ == "__main__":
    main()
