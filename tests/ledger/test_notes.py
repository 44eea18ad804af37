"""Signed notes and checkpoints: a published one verifies, ours read back, and what is not quite one is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.core.errors import ProofError
from rightsized.ledger.notes import (
    Signer,
    VerifierKey,
    checkpoint_text,
    parse_checkpoint,
    parse_checkpoints,
    parse_key,
    parse_note,
)

# The example of golang.org/x/mod/sumdb/note, which made this format.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ORIGIN = "rightsized.invalid/log-0123456789abcdef"
SIGNER = Signer(ORIGIN, b"k" * 32)


def signed(size: int = 5, root: bytes = b"r" * 32, time: int = 1_800_000_000) -> str:
    text = checkpoint_text(ORIGIN, size, root, time)
    return text + "\n" + SIGNER.line(text)


def test_a_note_that_other_software_signed_verifies() -> None:
    key = parse_key(NEUMANN)
    assert str(key) == NEUMANN
    assert parse_note(EXAMPLE).signed_by([key]) == [key]
    assert str(parse_note(EXAMPLE)) == EXAMPLE
    with pytest.raises(ProofError, match="PeterNeumann"):
        parse_note(EXAMPLE.replace("answer", "Answer")).signed_by([key])
    assert parse_note(EXAMPLE).signed_by([SIGNER.key]) == []


@given(st.integers(0, 2**62), st.binary(min_size=32, max_size=32), st.integers(0, 2**40))
def test_a_checkpoint_is_read_back(size: int, root: bytes, time: int) -> None:
    note = signed(size, root, time)
    found = parse_checkpoint(note)
    assert (found.origin, found.size, found.root, found.time) == (ORIGIN, size, root, time)
    assert str(found.note) == note
    assert found.note.signed_by([SIGNER.key]) == [SIGNER.key]


@given(st.integers(0, 400), st.integers(0, 6))
def test_a_changed_character_is_not_signed(at: int, bit: int) -> None:
    note = signed()
    at %= len(note)
    changed = note[:at] + chr(ord(note[at]) ^ (1 << bit)) + note[at + 1 :]
    with contextlib.suppress(ProofError):
        assert SIGNER.key not in parse_checkpoint(changed).note.signed_by([SIGNER.key])


def test_unknown_signatures_are_passed_over_and_known_ones_must_hold() -> None:
    other = Signer(ORIGIN, b"o" * 32)
    text = checkpoint_text(ORIGIN, 5, b"r" * 32, 1)
    both = parse_checkpoint(text + "\n" + other.line(text) + SIGNER.line(text))
    assert both.note.signed_by([SIGNER.key]) == [SIGNER.key]
    wrong = parse_checkpoint(text + "\n" + other.line("another text\n") + SIGNER.line(text))
    assert wrong.note.signed_by([SIGNER.key]) == [SIGNER.key]
    with pytest.raises(ProofError):
        wrong.note.signed_by([SIGNER.key, other.key])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text without signature\n",
        signed().replace("\n5\n", "\n05\n"),
        signed().replace("\n5\n", "\n-5\n"),
        signed().replace("\n5\n", "\n٥\n"),
        signed(root=b"short"),
        signed().rstrip("\n"),
        signed().replace("time ", "time x"),
        signed().replace("\u2014 ", "- "),
        signed().replace("\n5\n", "\n5\n\r"),
        signed() + "\u2014 name x\n",
        signed().replace("time 1800000000\n", "time 1800000000\n\nempty line before\n"),
    ],
)
def test_what_is_not_quite_a_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(ProofError):
        parse_checkpoint(note)


@pytest.mark.parametrize(
    "key",
    ["", "name", "name+00000000+", "a b+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NEUMANN[:-1] + "X",
     NEUMANN.replace("c74f20a3", "c74f20a4"), NEUMANN.replace("Peter", "Pater"), NEUMANN.replace("+AR", "+CR")],
)  # fmt: skip
def test_what_is_not_quite_a_key_is_refused(key: str) -> None:
    with pytest.raises(ProofError):
        parse_key(key)


def test_a_key_has_a_name_and_32_bytes() -> None:
    for name, public in (("", bytes(32)), ("a+b", bytes(32)), ("a b", bytes(32)), ("name", bytes(31))):
        with pytest.raises(ProofError, match="no Ed25519 key"):
            VerifierKey(name, public)


def test_checkpoints_one_after_the_other_are_told_apart() -> None:
    notes = [signed(size) for size in (1, 2, 30)]
    assert [one.size for one in parse_checkpoints("".join(notes))] == [1, 2, 30]
    assert [one.size for one in parse_checkpoints("\n".join(notes))] == [1, 2, 30]
    for bad in ("", "\n", notes[0] + notes[1][:-40]):
        with pytest.raises(ProofError):
            parse_checkpoints(bad)
