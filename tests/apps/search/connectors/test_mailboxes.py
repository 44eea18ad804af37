"""Mailboxes as Python's own `mailbox` writes them, and as mail programs change them."""

from __future__ import annotations

import asyncio
import mailbox
import os
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from rightsized.apps.search.access.names import Names
from rightsized.apps.search.connectors import open_connector
from rightsized.apps.search.connectors.maildir import MaildirConnector
from rightsized.apps.search.connectors.mbox import MboxConnector
from rightsized.apps.search.protocols import Connector
from rightsized.apps.search.types import Item
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, NotFoundError, StoreError

OWNER = (Names().user(os.geteuid()),)


def message(number: int, body: str = "Hello.\n") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "anna@example.com", "ben@example.com", f"Number {number}"
    made["Date"] = f"Tue, {number + 1:02d} Sep 2026 10:00:00 +0000"
    made["Message-ID"] = f"<{number}@example.com>"
    made.set_content(body)
    return made


def by_key(connector: Connector) -> dict[str, Item]:
    return {item.key: item for item in connector.items()}


def content(connector: Connector, item: Item, path: Path) -> str:
    connector.read(item, path)
    return path.read_text()


@pytest.fixture
def maildir(tmp_path: Path) -> mailbox.Maildir:
    box = mailbox.Maildir(str(tmp_path / "box"), create=True)
    for number in range(3):
        box.add(message(number))
    box.add_folder("Archive.2024").add(message(9))
    return box


def test_each_message_of_a_maildir_and_its_folders(maildir: mailbox.Maildir, tmp_path: Path) -> None:
    (tmp_path / "box" / "tmp" / "half-written").write_text("x")
    connector = MaildirConnector(tmp_path / "box")
    found = by_key(connector)
    assert len(found) == 4
    assert {item.principals for item in found.values()} == {OWNER}
    assert sorted(item.metadata["folder"] for item in found.values()) == ["Archive/2024", "INBOX", "INBOX", "INBOX"]
    assert all(key.endswith(".eml") for key in found)
    for item in found.values():
        text = content(connector, item, tmp_path / "copy")
        assert "Subject: Number" in text
        assert len(text) == item.size
    assert list(found) == list(by_key(connector))


def test_flags_are_no_content(maildir: mailbox.Maildir, tmp_path: Path) -> None:
    connector = MaildirConnector(tmp_path / "box")
    before = by_key(connector)
    for key in maildir.keys():  # noqa: SIM118 - a mailbox is no dict
        read = maildir[key]
        read.set_subdir("cur")
        read.set_flags("RS")
        maildir._toc.clear()  # type: ignore[attr-defined]  # it must look at the disk
        old = Path(str(maildir._path), maildir._lookup(key))  # type: ignore[attr-defined]  # the only way to rename
        old.rename(tmp_path / "box" / "cur" / f"{key}:2,RS")
    assert by_key(connector) == before
    item = next(item for item in before.values() if item.metadata["folder"] == "INBOX")
    assert "Subject" in content(connector, item, tmp_path / "copy"), "read under the name it has now"


def test_a_message_that_is_gone(maildir: mailbox.Maildir, tmp_path: Path) -> None:
    connector = MaildirConnector(tmp_path / "box")
    before = by_key(connector)
    maildir.clear()
    gone = [item for item in before.values() if item.metadata["folder"] == "INBOX"]
    with pytest.raises(NotFoundError):
        connector.read(gone[0], tmp_path / "copy")
    assert [item.metadata["folder"] for item in by_key(connector).values()] == ["Archive/2024"]


def test_a_sidecar_says_whose_mailbox_it_is(maildir: mailbox.Maildir, tmp_path: Path) -> None:
    sidecar = tmp_path / "box" / ".rightsized-access.toml"
    sidecar.write_text('[[rule]]\nmatch = "**"\nallow = ["user:anna"]\n[[rule]]\nmatch = "Archive/"\nallow = []\n')
    found = by_key(connector := MaildirConnector(tmp_path / "box"))
    assert {item.metadata["folder"]: item.principals for item in found.values()} == {
        "INBOX": ("user:anna",),
        "Archive/2024": (),
    }
    sidecar.write_text("[[rule")
    assert {item.principals for item in by_key(connector).values()} == {()}
    assert connector.problems


def test_what_is_no_maildir(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    with pytest.raises(ConfigError, match="no folder cur"):
        open_connector(f"maildir:{tmp_path / 'box'}", Egress())
    connector = open_connector(f"maildir:{tmp_path / 'gone'}", Egress())
    with pytest.raises(StoreError, match="Nothing was removed"):
        by_key(connector)


@pytest.fixture
def mbox(tmp_path: Path) -> Iterator[mailbox.mbox]:
    box = mailbox.mbox(str(tmp_path / "box"))
    for number in range(3):
        box.add(message(number, "Hello.\n\nFrom here on it is quoted.\n>From there too.\n"))
    box.flush()
    yield box
    box.close()


def test_each_message_of_an_mbox(mbox: mailbox.mbox, tmp_path: Path) -> None:
    connector = open_connector(f"mbox:{tmp_path / 'box'}", Egress())
    found = by_key(connector)
    assert len(found) == 3
    assert {item.principals for item in found.values()} == {OWNER}
    for number, item in enumerate(found.values()):
        text = content(connector, item, tmp_path / "copy")
        assert text.startswith("From: anna@example.com")
        assert f"Subject: Number {number}" in text
        assert "\nFrom here on it is quoted.\nFrom there too." in text
        assert item.modified == pytest.approx(1788256800 + 86400 * number)


def test_appending_touches_only_what_is_new(mbox: mailbox.mbox, tmp_path: Path) -> None:
    before = by_key(MboxConnector(tmp_path / "box"))
    mbox.add(message(5))
    mbox.flush()
    after = by_key(MboxConnector(tmp_path / "box"))
    assert list(after)[:3] == list(before)
    assert {key: after[key] for key in before} == before
    assert len(after) == 4


def test_deleting_from_the_middle_and_marks_of_mail_programs_change_no_other(
    mbox: mailbox.mbox, tmp_path: Path
) -> None:
    before = by_key(MboxConnector(tmp_path / "box"))
    mbox.remove(1)
    seen = mbox[2]
    seen.set_flags("RO")
    mbox[2] = seen
    mbox.flush()
    assert b"Status: RO" in (tmp_path / "box").read_bytes()
    after = by_key(connector := MboxConnector(tmp_path / "box"))
    first, _, third = before
    assert list(after) == [first, third]
    assert {key: item.version for key, item in after.items()} == {key: before[key].version for key in after}
    assert "Number 2" in content(connector, after[third], tmp_path / "copy")


def test_an_mbox_that_changed_since_it_was_listed(mbox: mailbox.mbox, tmp_path: Path) -> None:
    connector = MboxConnector(tmp_path / "box")
    first, second, _ = by_key(connector).values()
    mbox.remove(0)
    mbox.flush()
    assert "Number 1" in content(connector, second, tmp_path / "copy")
    with pytest.raises(NotFoundError):
        connector.read(first, tmp_path / "copy")
    text = (tmp_path / "box").read_bytes()
    (tmp_path / "box").write_bytes(text.replace(b"Hello", b"HELLO"))
    with pytest.raises(StoreError, match="changed while it was read"):
        connector.read(second, tmp_path / "copy")


def test_messages_with_one_id_or_none(tmp_path: Path) -> None:
    start = "From anna@example.com Tue Sep  1 10:00:00 2026\n"
    parts = ["Message-ID: <a@x>\n\none\n\n", "Message-ID: <a@x>\n\ntwo\n\n"]
    parts += ["Subject: x\n\nthree\n\n", "Subject: y\n\nfour"]
    (tmp_path / "box").write_text("".join(start + part for part in parts))
    connector = MboxConnector(tmp_path / "box")
    found = by_key(connector)
    assert [content(connector, item, tmp_path / "copy").split()[-1] for item in found.values()] == [
        "one", "two", "three", "four",
    ]  # fmt: skip


def test_what_is_no_mbox(tmp_path: Path) -> None:
    (tmp_path / "box").write_text("Dear all,\n")
    with pytest.raises(ConfigError, match="no mbox"):
        by_key(MboxConnector(tmp_path / "box"))
    (tmp_path / "box").write_text("")
    assert by_key(MboxConnector(tmp_path / "box")) == {}
    with pytest.raises(StoreError, match="Nothing was removed"):
        by_key(MboxConnector(tmp_path / "gone"))


@pytest.mark.parametrize("kind", [MaildirConnector, MboxConnector])
def test_watching(kind: type[MaildirConnector | MboxConnector], maildir: mailbox.Maildir, tmp_path: Path) -> None:
    path = tmp_path / "box" if kind is MaildirConnector else tmp_path / "mbox"
    changed = tmp_path / "box" / ".Archive.2024" / "new" / "1.x" if kind is MaildirConnector else path
    changed.write_text("x")

    async def watched() -> set[str]:
        told = kind(path).watch()
        waiting = asyncio.ensure_future(anext(told))
        for _ in range(100):  # until the watch stands, changes go unseen
            changed.write_text("y")
            await asyncio.sleep(0.1)
            if waiting.done():
                break
        found = await asyncio.wait_for(waiting, 20)
        await told.aclose()  # type: ignore[attr-defined]  # an async generator
        return found

    assert asyncio.run(watched()) == {""}
