"""The store of an inbox: each message once, events in order, texts that can be deleted."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from rightsized.apps.triage.records import Address, Extracted, Sentence, Summary
from rightsized.apps.triage.store import MessageStore, database
from rightsized.apps.triage.store.names import Names
from rightsized.apps.triage.store.records import Waits
from rightsized.core import sqlite
from rightsized.core.errors import IntegrityError, NotFoundError, StoreError
from tests.apps.triage.triage_samples import a_handled, a_mail


class Clock:
    def __init__(self) -> None:
        self.now = 5_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[MessageStore]:
    made = MessageStore(tmp_path / "inbox", clock=clock)
    yield made
    made.close()


def test_a_message_is_taken_once_wherever_it_comes_from(store: MessageStore) -> None:
    assert store.take(a_mail(), "maildir:/a", "new/1", "sha")
    assert not store.take(a_mail(), "maildir:/a", "cur/1:2,S", "sha")
    assert not store.take(a_mail(), "imap://b", "7/1", "sha")
    assert [one.what for one in store.events("m1")] == ["taken", "duplicate", "duplicate"]
    assert store.count(Waits(status=None)) == 1


def test_the_same_place_again_is_no_second_delivery(store: MessageStore) -> None:
    store.take(a_mail(), "maildir:/a", "new/1", "sha")
    store.take(a_mail(), "maildir:/a", "new/1", "sha")
    assert [one.what for one in store.events("m1")] == ["taken"]


def test_a_place_is_done_with_only_once_its_message_was_read_for_good(store: MessageStore) -> None:
    store.take(a_mail(), "s", "1", "sha")
    assert not store.done_with("s", "1")
    store.handled(a_handled(), "routed", "made")
    assert store.done_with("s", "1")
    assert not store.done_with("s", "2")


def test_what_was_taken_and_not_read_is_known(store: MessageStore) -> None:
    store.take(a_mail("m1"), "s", "1", "sha")
    store.take(a_mail("m2"), "s", "2", "sha")
    assert store.unread() == ["m1", "m2"]
    store.handled(a_handled("m1"), "routed", "made")
    assert store.unread() == ["m2"]


def test_a_message_comes_back_as_it_was_kept(store: MessageStore, tmp_path: Path, clock: Clock) -> None:
    mail, handled = a_mail(), a_handled(due=4_600.0)
    store.take(mail, "s", "1", "sha")
    store.handled(handled, "waiting", "made")
    store.close()
    again = MessageStore(tmp_path / "inbox", clock=clock)
    kept = again.get("m1")
    assert (kept.mail, kept.handled, kept.status, kept.level, kept.due) == (mail, handled, "waiting", "high", 4_600.0)
    assert again.numbered(kept.number) == kept
    again.close()


def test_filters_and_counts(store: MessageStore) -> None:
    for number in range(4):
        key = f"m{number}"
        store.take(a_mail(key, received=1_000.0 + number), "s", key, "sha")
        store.handled(a_handled(key, error="broken" if number == 3 else ""), "waiting" if number else "routed", "made")
    store.update("m2", "anna", "assigned", "bob", assignee="bob")
    assert [one.key for one in store.waiting()] == ["m1", "m2", "m3"]
    assert [one.key for one in store.waiting(Waits(newest=True, limit=2))] == ["m3", "m2"]
    assert [one.key for one in store.waiting(Waits(assignee="bob"))] == ["m2"]
    assert store.counts() == {"routed": 1, "waiting": 3, "failed": 1}


def test_events_cannot_be_changed(store: MessageStore) -> None:
    store.take(a_mail(), "s", "1", "sha")
    with pytest.raises(StoreError, match="kept as they are"), store.writing() as connection:
        connection.execute("UPDATE events SET what = 'handled'")
    with pytest.raises(StoreError, match="kept as they are"), store.writing() as connection:
        connection.execute("DELETE FROM events")


def test_what_part_of_a_transaction_fails_is_undone_whole(store: MessageStore) -> None:
    store.take(a_mail(), "s", "1", "sha")
    with pytest.raises(ZeroDivisionError), store.writing():
        store.handled(a_handled(), "routed", "made")
        raise ZeroDivisionError
    assert store.get("m1").state == "taken"
    assert [one.what for one in store.events("m1")] == ["taken"]


def test_deleted_texts_leave_what_became_of_them(store: MessageStore, clock: Clock) -> None:
    said = Sentence("request", "Where is Anna's parcel?", 0, 23)
    number = Extracted("order", "FH-1", "FH-1", 0, 4)
    summary = Summary("extract", (said,), (said,))
    store.take(a_mail(body="Where is Anna's parcel?"), "s", "1", "sha")
    store.handled(a_handled(summary=summary, fields=(number,)), "waiting", "made")
    clock.now += 10
    assert store.purge(clock.now) == 0  # it still waits
    store.update("m1", "bob", "done", status="done")
    assert store.purge(clock.now) == 0  # finished too late for this
    clock.now += 10
    assert store.purge(clock.now) == 1
    assert store.purge(clock.now) == 0
    kept = store.get("m1")
    assert kept.mail is None
    assert kept.handled is not None
    assert kept.handled.labels["department"].labels == ("orders",)
    (bare,) = store.rows("SELECT handled FROM messages")[0]
    assert b"parcel" not in bare.lower()
    assert b"FH-1" not in bare


def test_cursors_are_kept_by_source(store: MessageStore) -> None:
    assert store.cursor("imap://a") == ""
    store.keep_cursor("imap://a", "7/1")
    store.keep_cursor("imap://a", "7/2")
    assert (store.cursor("imap://a"), store.cursor("imap://b")) == ("7/2", "")


def test_unknown_messages_are_said_to_be(store: MessageStore) -> None:
    with pytest.raises(NotFoundError, match="no message 'm9'"):
        store.get("m9")
    with pytest.raises(NotFoundError):
        store.update("m9", "bob", "done", status="done")
    with pytest.raises(ValueError, match="no columns"):
        store.update("m9", "bob", "done", mail=None)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "inbox.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(IntegrityError, match="damaged"):
        MessageStore(folder)


def test_what_earlier_dry_runs_left_goes_and_what_they_said_is_said_by_its_own_name(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    earlier = database._MIGRATIONS[: database._MIGRATIONS.index(database._forget_looks)]
    before = sqlite.open_migrated(folder / "inbox.sqlite", earlier, "inbox file", busy_seconds=1.0)
    before.execute("CREATE TABLE actions (number INTEGER PRIMARY KEY, state TEXT NOT NULL)")
    before.executemany("INSERT INTO actions (state) VALUES (?)", [("dry",), ("done",)])
    rows = {"looked": ("handled", 1, 1, None), "killed": ("taken", 1, 1, None), "taken": ("taken", 1, 0, None)}
    rows |= {"off": ("handled", 0, 0, '{"dry_run": true}'), "on": ("handled", 0, 0, '{"dry_run": false}')}
    for key, (state, dry, preview, handled) in rows.items():
        before.execute("INSERT INTO places VALUES ('s', ?, ?, 1.0)", (key, key))
        before.execute(
            """INSERT INTO messages (key, thread, source, sha256, received, taken, state, status, dry, made, queue,
               level, assignee, incident, handled, updated, preview)
               VALUES (?, '', 's', '', 1.0, 1.0, ?, 'none', ?, '', '', 'normal', '', '', ?, 1.0, ?)""",
            (key, state, dry, handled.encode() if handled else None, preview),
        )
    before.commit()
    before.close()
    with contextlib.closing(MessageStore(folder)) as store:
        assert [key for (key,) in store.rows("SELECT key FROM messages ORDER BY key")] == ["off", "on", "taken"]
        assert [key for (key,) in store.rows("SELECT key FROM places ORDER BY key")] == ["off", "on", "taken"]
        said = store.rows("SELECT handled FROM messages WHERE handled IS NOT NULL ORDER BY key")
        assert [json.loads(one) for (one,) in said] == [
            {"dry_run": False, "acts": False},
            {"dry_run": False, "acts": True},
        ]
        assert store.rows("SELECT state FROM actions ORDER BY number") == [("off",), ("done",)]
        assert store.unread() == ["taken"]


def test_purged_words_are_in_none_of_the_files(store: MessageStore, clock: Clock) -> None:
    store.take(a_mail(body="MARKEDWORDS " * 2000), "s", "1", "sha")
    store.handled(a_handled(), "routed", "made")
    store.update("m1", "anna", "done", status="done")
    clock.now += 100.0
    assert store.purge(clock.now) == 1
    held = {one.name: one.read_bytes().count(b"MARKEDWORDS") for one in store.path.parent.iterdir()}
    assert set(held.values()) == {0}, held


def test_a_person_is_forgotten_with_their_conversations_and_nobody_else(store: MessageStore) -> None:
    bob = Address("bob@example.com")
    ours = a_mail("m2", body="Dear Anna, MARKEDWORDS", thread="m1", sender=Address("kim@ours.example"))
    other = a_mail("m3", body="Tell anna@example.com that it is here.", sender=bob)
    copied = a_mail("m4", body="MARKEDWORDS", sender=bob, cc=(Address("anna@example.com"),))
    for number, mail in enumerate((a_mail(body="MARKEDWORDS " * 2000), ours, other, copied)):
        store.take(mail, "s", str(number), "sha")
        store.handled(a_handled(mail.key), "waiting", "made")
    keys = store.conversations_of("ANNA@example.com")
    assert sorted(keys) == ["m1", "m2", "m4"]
    store.forget(keys, "kim")
    assert [store.get(key).mail is None for key in ("m1", "m2", "m3", "m4")] == [True, True, False, True]
    assert store.get("m1").status == "waiting"
    assert store.events("m1")[-1].by == "kim"
    held = {one.name: one.read_bytes().count(b"MARKEDWORDS") for one in store.path.parent.iterdir()}
    assert set(held.values()) == {0}, held
    assert store.conversations_of("anna@example.com") == []


def test_the_text_of_what_was_routed_goes_in_time_too(store: MessageStore, clock: Clock) -> None:
    store.take(a_mail(), "s", "1", "sha")
    store.handled(a_handled(), "routed", "made")
    clock.now += 10
    assert store.purge(clock.now) == 1
    assert store.get("m1").mail is None


@pytest.mark.parametrize("how", ["forget", "purge"])
def test_names_of_deleted_messages_are_in_none_of_the_files(store: MessageStore, clock: Clock, how: str) -> None:
    draw = random.Random(2)  # with which pages are divided while names stand in them
    keys = []
    for number in range(400):
        words = "MARKEDWORDS" if number % 3 == 0 else "plain"
        key = f"{'MARKEDNAME' if number % 3 == 0 else ''}{draw.random()}@x"
        store.take(a_mail(key, f"{words} " * draw.choice([1, 5, 40, 300, 900])), "s", f"file of {key}", "sha")
        store.handled(a_handled(key, subject=words), "routed" if number % 3 == 0 else "waiting", "made")
        store.update(key, "kim", "assigned", f"answered by {key}")
        keys += [key] if number % 3 == 0 else []
    clock.now += 10
    if how == "forget":
        store.forget(keys, "kim")
    else:
        assert store.purge(clock.now) == len(keys)
    for path in store.path.parent.iterdir():
        assert path.read_bytes().count(b"MARKED") == 0, path.name
    assert len(store.waiting(Waits(status=None, limit=1000))) == 400


def test_a_forgotten_message_is_known_by_its_names(store: MessageStore) -> None:
    mail = a_mail("m1", thread="root@x")
    store.take(mail, "s", "new/1", "sha")
    store.take(a_mail("m2", thread="root@x"), "s", "new/2", "sha")
    store.handled(a_handled("m1"), "routed", "made")
    store.forget(["m1"], "kim")
    assert store.done_with("s", "new/1")
    assert store.was(mail)
    assert not store.was(a_mail("m1", body="Something else."))
    assert not store.take(mail, "s", "new/3", "sha")
    assert store.get("m1").key == store.names.of("m1") != "m1"
    assert [one.number for one in store.thread("root@x")] == [1, 2]  # a conversation keeps together
    assert store.count(Waits(status=None, thread="root@x")) == 2
    store.take(a_mail("m3", thread="root@x"), "s", "new/4", "sha")
    assert store.get("m3").thread == store.get("m1").thread
    assert store.people("root@x") == {"anna@example.com"}


def test_what_is_forgotten_while_it_is_read_stays_without_words(store: MessageStore) -> None:
    store.take(a_mail(), "s", "1", "sha")
    store.forget(["m1"], "kim")
    assert (store.get("m1").state, store.unread()) == ("failed", [])
    store.handled(a_handled(subject="MARKEDWORDS", notes=("MARKEDWORDS",)), "routed", "made")
    store.keep_vector("m1", "encoder", b"vector")
    assert store.rows("SELECT count(*) FROM vectors") == [(0,)]
    assert b"MARKEDWORDS" not in store.path.with_name("inbox.sqlite-wal").read_bytes()


def test_an_event_may_lose_its_words_and_nothing_else(store: MessageStore) -> None:
    store.take(a_mail(), "s", "1", "sha")
    for change in ("detail = 'other'", "detail = '', what = 'done'", "detail = '', key = 'm2'", "detail = '', at = 1"):
        with pytest.raises(StoreError, match="kept as they are"), store.writing() as connection:
            connection.execute(f"UPDATE events SET {change}")


def test_two_openings_use_one_key_of_names(tmp_path: Path) -> None:
    one, other = Names(tmp_path / "inbox"), Names(tmp_path / "inbox")
    assert one.of("m1") == other.of("m1") == one.of(one.of("m1"))
    assert Names(tmp_path / "another").of("m1") != one.of("m1")
    assert one.of("") == ""
    assert (tmp_path / "inbox" / "names.key").stat().st_mode & 0o777 == 0o600
    assert one.of("~" + "a person's name, of forty characters...") != "~" + "a person's name, of forty characters..."
