"""Sources on files: a Maildir, an mbox that grows, a folder of messages, a table."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from rightsized.apps.triage.inbox import Context, open_source
from rightsized.apps.triage.mail import MailOptions, read_mail
from rightsized.apps.triage.protocols import Arrival, Source
from rightsized.core.errors import ConfigError

LINE = b"From jo@example.org Fri Nov 27 10:00:00 2026\n"
OLD = time.time() - 1000


def message(number: int, text: str = "Hello") -> bytes:
    return f"From: jo@example.org\nSubject: {number}\nMessage-ID: <{number}@x>\n\n{text}\n".encode()


def settled(path: Path, when: float = OLD) -> Path:
    os.utime(path, (when, when))
    return path


async def _all(source: Source, *, record: bool = False) -> list[Arrival]:
    found = []
    async for one in source.arrivals(wait=False):
        found.append(one)
        if record:
            await source.recorded(one)
    await source.close()
    return found


def taken(
    address: str, options: dict[str, Any] | None = None, *, record: bool = False, **context: Any
) -> list[Arrival]:
    return asyncio.run(_all(open_source(address, options, Context(**context)), record=record))


def seen_in(store: set[tuple[str, str]]) -> Callable[[str, str], bool]:
    return lambda source, place: (source, place) in store


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    settled(_written(tmp_path / "new" / "3.x", message(3)), OLD + 3)
    settled(_written(tmp_path / "cur" / "1.x:2,RS", message(1)), OLD + 1)
    settled(_written(tmp_path / "cur" / "2.x:2,", message(2)), OLD + 2)
    _written(tmp_path / "tmp" / "4.x", message(4))
    (tmp_path / "new" / "5.x").symlink_to("/etc/hostname")
    return tmp_path


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def files(root: Path) -> list[str]:
    return sorted(str(one.relative_to(root)) for one in root.rglob("*") if one.is_file() and "5.x" not in one.name)


def test_maildir_is_left_as_it_is(maildir: Path) -> None:
    before = files(maildir)
    found = taken(f"maildir:{maildir}", record=True)
    assert [(one.place, one.data, one.received) for one in found if not one.error] == [
        (f"{n}.x", message(n), OLD + n) for n in (1, 2, 3)
    ]
    assert [one.place for one in found if one.error] == ["5.x"]  # a link is not followed
    assert files(maildir) == before


def test_maildir_what_is_recorded_is_not_handed_over_again_under_other_flags(maildir: Path) -> None:
    store = {(f"maildir:{maildir}", name) for name in ("1.x", "3.x", "5.x")}
    (maildir / "new" / "3.x").rename(maildir / "cur" / "3.x:2,S")
    assert [one.place for one in taken(f"maildir:{maildir}", seen=seen_in(store))] == ["2.x"]


def test_maildir_marks_what_is_recorded_where_it_is_told_to(maildir: Path) -> None:
    (maildir / "new" / "5.x").unlink()
    source = open_source(f"maildir:{maildir}", {"mark": True})

    async def run() -> None:
        async for one in source.arrivals(wait=False):
            if one.place != "2.x":
                await source.recorded(one)
                await source.recorded(one)

    asyncio.run(run())
    assert files(maildir) == ["cur/1.x:2,RS", "cur/2.x:2,", "cur/3.x:2,S", "tmp/4.x"]


async def _next(arrivals: AsyncIterator[Arrival]) -> str:
    return (await asyncio.wait_for(anext(arrivals), 20)).place


def test_maildir_waits_for_more(maildir: Path) -> None:
    async def run() -> list[str]:
        source = open_source(f"maildir:{maildir}", context=Context(poll_seconds=0.01))
        arrivals = source.arrivals(wait=True)
        found = [await _next(arrivals) for _ in range(4)]
        (maildir / "tmp" / "4.x").rename(maildir / "new" / "4.x")
        found.append(await _next(arrivals))
        await arrivals.aclose()
        return found

    assert asyncio.run(run()) == ["1.x", "2.x", "3.x", "5.x", "4.x"]


def test_too_large_messages_are_named_and_not_read(maildir: Path) -> None:
    _written(maildir / "new" / "9.x", message(9, "x" * 5000))
    large = next(one for one in taken(f"maildir:{maildir}", max_bytes=2000) if one.place == "9.x")
    assert "largest that is read has 2,000" in large.error
    assert read_mail(large.data, MailOptions(language=False)).key == "9@x"


def test_eml_folders(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name, number in (("z.eml", 1), ("b/a.EML", 2), ("b/c/a.eml", 3), ("b/notes.txt", 4)):
        settled(_written(tmp_path / name, message(number)))
    places = [one.place.partition("@")[0] for one in taken(f"eml:{tmp_path}")]
    assert places == ["z.eml", "b/a.EML", "b/c/a.eml"]
    assert [one.data for one in taken(f"eml:{tmp_path / 'z.eml'}")] == [message(1)]


def test_a_file_that_was_written_over_is_taken_again(tmp_path: Path) -> None:
    settled(_written(tmp_path / "a.eml", message(1)))
    store = {(f"eml:{tmp_path}", one.place) for one in taken(f"eml:{tmp_path}")}
    assert taken(f"eml:{tmp_path}", seen=seen_in(store)) == []
    settled(_written(tmp_path / "a.eml", message(2)), OLD + 5)
    assert [one.data for one in taken(f"eml:{tmp_path}", seen=seen_in(store))] == [message(2)]


def test_mbox(tmp_path: Path) -> None:
    path = settled(_written(tmp_path / "m", b"".join(LINE + message(n, ">From here\nFrom x") + b"\n" for n in (1, 2))))
    found = taken(f"mbox:{path}")
    assert [one.data for one in found] == [message(n, "From here\nFrom x") for n in (1, 2)]
    # Mail programs note things in the head, and take messages out: what was taken is known all the same.
    store = {(f"mbox:{path}", one.place) for one in found}
    second = message(2, ">From here\nFrom x").replace(b"Subject", b"Status: RO\nSubject")
    settled(_written(path, LINE + second + b"\n" + LINE + message(3)))
    assert [one.data for one in taken(f"mbox:{path}", seen=seen_in(store))] == [message(3)]


def test_mbox_that_is_appended_to_while_it_is_read(tmp_path: Path) -> None:
    path = settled(_written(tmp_path / "m", LINE + message(1) + b"\n"))

    async def run() -> list[bytes]:
        source = open_source(f"mbox:{path}", context=Context(poll_seconds=0.01))
        arrivals = source.arrivals(wait=True)
        found = [(await asyncio.wait_for(anext(arrivals), 20)).data]
        whole = LINE + message(2) + b"\n"
        following = asyncio.ensure_future(anext(arrivals))
        with path.open("ab") as file:
            for part in (whole[:60], whole[60:]):
                file.write(part)
                file.flush()
                await asyncio.sleep(0.05)
                assert not following.done()  # it may be half written
        settled(path)
        found.append((await asyncio.wait_for(following, 20)).data)
        with path.open("ab") as file:
            file.write(LINE + message(3) + b"\n")
        settled(path, OLD + 1)
        found.append((await asyncio.wait_for(anext(arrivals), 20)).data)
        await arrivals.aclose()
        return found

    assert asyncio.run(run()) == [message(1), message(2), message(3)]


def test_mbox_one_large_message(tmp_path: Path) -> None:
    path = settled(_written(tmp_path / "m", LINE + message(1, "x\n" * 5000) + b"\n" + LINE + message(2)))
    large, small = taken(f"mbox:{path}", max_bytes=2000)
    assert "10,0" in large.error and len(large.data) < 5000
    assert small.data == message(2)


def test_csv(tmp_path: Path) -> None:
    text = (
        "Ticket;Betreff;Nachricht;From;Created at\n"
        'T-1;Pumpe;"Guten Tag,\ndie Pumpe ist kaputt.\n\nViele Grüße\nJo";'
        "Jo <Jo@Example.org>;2026-11-27T10:00:00+01:00\n"
        "T-2;;<p>Hallo</p>;bo@example.org;27.11.2026 09:00\n"
        "T-2;;<p>Anders</p>;bo@example.org;never\n"
        ";;Gleich;;\n;;Gleich;;\n"
    )
    path = settled(_written(tmp_path / "t.csv", text.encode("cp1252")))
    mails = [one.mail for one in taken(f"csv:{path}")]
    assert [one.key if one else "" for one in mails[:3]] == ["T-1", "T-2", "T-2"]
    first, second, third, fourth, fifth = (one for one in mails if one is not None)
    assert (first.subject, first.written) == ("Pumpe", "Guten Tag,\ndie Pumpe ist kaputt.")
    assert (first.sender.address, first.date) == ("jo@example.org", 1795770000.0)
    assert (second.body, second.date, second.thread) == ("Hallo", 1795770000.0, "T-2")
    assert "'never'" in third.notes[0]
    assert fourth.body == fifth.body and fourth.key != fifth.key  # two people may write the same


def test_csv_columns_and_dates_by_name(tmp_path: Path) -> None:
    path = settled(_written(tmp_path / "t.csv", b"a,b,c\nx,Hello,11/27/26\n"))
    with pytest.raises(ConfigError, match="No column"):
        taken(f"csv:{path}")
    with pytest.raises(ConfigError, match="no column 'd'"):
        taken(f"csv:{path}", {"text": "d"})
    (found,) = taken(f"csv:{path}", {"text": "b", "date": "c", "date_format": "%m/%d/%y"})
    assert found.mail and (found.mail.body, found.received) == ("Hello", 1795737600.0)


def test_csv_with_a_quote_that_never_ends(tmp_path: Path) -> None:
    rows = b'id,text\n1,one\n2,"two\n' + b"3,three\n" * 1000
    path = settled(_written(tmp_path / "t.csv", rows))
    first, broken = taken(f"csv:{path}", max_bytes=2000)
    assert first.mail and first.mail.key == "1"
    assert "quote may not be closed" in broken.error


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("maildri:/x", "Did you mean maildir"),
        ("/var/mail", "Write SCHEME:PLACE"),
        ("maildir:/nowhere", "is no Maildir"),
        ("mbox:/nowhere", "There is no file"),
        ("csv:/nowhere", "There is no file"),
        ("eml:/nowhere", "There is no"),
        ("eml:", "names no folder"),
    ],
)
def test_addresses_that_cannot_be_used(address: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_source(address)
    assert said in str(caught.value)


def test_options_that_are_unknown(maildir: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean mark"):
        open_source(f"maildir:{maildir}", {"marks": True})
    with pytest.raises(ConfigError, match="takes no options"):
        open_source(f"eml:{maildir}", {"mark": True})
