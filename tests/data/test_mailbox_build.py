"""The committed mailbox is what its sources say; labels are read from the text that they stand in."""

from __future__ import annotations

from email.message import Message

import pytest
from document_texts import normal, text_of
from mailbox_files import ROOT, parsed

from dev.mailbox import build, layout, markup
from dev.mailbox.markup import Field, Marked

BUILT = dict(build.built())


def parts(data: bytes) -> list[tuple[str, str, str]]:
    """(media type, file name, text) of every leaf; papers by their words, since writing libraries differ in bytes."""
    return [_part(part) for part in parsed(data).walk() if not part.is_multipart()]


def _part(part: Message) -> tuple[str, str, str]:
    content, name = part.get_payload(decode=True), part.get_filename() or ""
    assert isinstance(content, bytes)
    if name.endswith((".jpg", ".png")):
        return part.get_content_type(), name, "a picture"
    text = normal(text_of(name, content)) if name else content.decode("utf-8", "replace")
    return part.get_content_type(), name, text


def test_the_committed_files_are_those_that_their_sources_make() -> None:
    kept = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()}
    assert kept == set(BUILT), "run: python -m dev.mailbox.build"
    for name, data in BUILT.items():
        committed = (ROOT / name).read_bytes()
        if committed != data:
            assert name.endswith(".eml"), f"{name} is stale: run python -m dev.mailbox.build"
            assert dict(parsed(committed)) == dict(parsed(data)), name
            assert parts(committed) == parts(data), name


def test_fields_and_sentences_are_read_from_the_text() -> None:
    text = markup.read("Hi,\n[f*]FH-20311 cost {a 54.90 EUR|54,90 €}. [r!]Refund it.")
    assert text.plain == "Hi,\nFH-20311 cost 54,90 €. Refund it."
    assert text.fields == (
        Field("order", "FH-20311", "FH-20311", 4, 12),
        Field("amount", "54.90 EUR", "54,90 €", 18, 25),
    )
    assert text.sentences == (
        Marked("other", "Hi,", 0, 3),
        Marked("fact", "FH-20311 cost 54,90 €.", 4, 26, key=True),
        Marked("request", "Refund it.", 27, 37, action=True),
    )


@pytest.mark.parametrize("text", ["one two " * 40, "x" * 200, "short", "a\n\n" + "word " * 30])
def test_wrapping_changes_blanks_to_line_ends_and_nothing_else(text: str) -> None:
    wrapped = layout.wrapped(text)
    assert len(wrapped) == len(text)
    assert wrapped.replace("\n", " ") == text.replace("\n", " ")
    assert all(len(line) <= layout.WIDTH or " " not in line for line in wrapped.split("\n"))
