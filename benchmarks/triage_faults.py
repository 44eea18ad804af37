"""What goes wrong with mail, and whether each message is handled exactly once: a table of faults against a real server.

Dovecot on loopback, a proxy of ours that breaks connections, processes that are killed, messages that nobody should
send. Of each case: messages in the mailbox, handled once, twice, lost (not on record at all), and marked as read
without being on record. Sources, mail, store and marks are real; no task reads the messages.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import dovecot, harness
from benchmarks.dovecot import BARE, Dovecot
from benchmarks.fault_proxy import Fault, Kind, proxied
from benchmarks.triage_mutations import mutations
from benchmarks.triage_worker import Worker, work
from rightsized.apps.triage.store import MessageStore

SEED = 20261128
OPTIONS: dict[str, Any] = {"password_env": "MAIL_PASSWORD", "seen": True, "retry_s": 0.001, "timeout_s": 0.3}
KINDS: tuple[Kind, ...] = ("cut", "reset", "garbage", "bye", "hang")
PLACES = (b"AUTHENTICATE", b"SELECT", b"SEARCH", b"RFC822.SIZE", b"BODY.PEEK", b"STORE")
AFTER = (0, 1, 20, 300, 3_000)  # bytes of the answer that come through
MIB = 1 << 20


class Case:
    """One mailbox and one inbox, empty."""

    def __init__(self, server: Dovecot, user: str, folder: Path) -> None:
        self.server, self.user, self.folder = server, user, folder
        self.sent, self.box = 0, "INBOX"

    def address(self, port: int = 0, host: str = "127.0.0.1") -> str:
        return f"imap://{self.user}@{host}:{port or self.server.plain}/{self.box}"

    def put(self, *messages: bytes) -> None:
        self.server.append(self.user, *messages, folder=self.box)
        self.sent += len(messages)

    def take(self, address: str = "", **options: Any) -> None:
        """All there is, in this process."""
        asyncio.run(work(self.folder, address or self.address(), {**OPTIONS, **options}, lambda key: None, wait=False))

    def counted(self) -> dict[str, Any]:
        """What became of the messages, by the store and by the server. Places are those of the mailbox as it is now."""
        store = MessageStore(self.folder)
        try:
            places = dict(store.rows("SELECT place, key FROM places"))
            events = "SELECT key, count(*) FROM events WHERE what IN ('handled', 'failed') GROUP BY key"
            times = dict(store.rows(events))
            states = Counter(state for (state,) in store.rows("SELECT state FROM messages"))
        finally:
            store.close()
        latest = max(int(place.split("/")[0]) for place in places)  # UIDVALIDITY
        now = {place: key for place, key in places.items() if place.startswith(f"{latest}/")}
        recorded = {int(place.split("/")[1]) for place, key in now.items() if times.get(key)}
        flags = self.server.flags(self.user, self.box)
        return {
            "messages": self.sent,
            "on_record": len(places),
            "distinct": len(set(places.values())),
            "handled_once": sum(1 for count in times.values() if count == 1),
            "handled_twice": sum(1 for count in times.values() if count > 1),
            "failed_for_a_person": states.get("failed", 0),
            "lost": len(set(flags) - recorded),
            "marked_unrecorded": len({uid for uid, set_ in flags.items() if set_} - recorded),
            "unmarked": sum(1 for set_ in flags.values() if not set_),
        }


def message(number: int | str, size: int = 400) -> bytes:
    """A plain message with a name of its own."""
    line = b"The parcel has not arrived and nobody answers the telephone. Please look.\r\n"
    head = f"From: jo@example.com\r\nMessage-ID: <{number}@shop.example>\r\nSubject: Order {number}\r\n\r\n"
    return head.encode() + line * (size // len(line) + 1)


def broken_connections(case: Case, count: int) -> None:
    """Connections that break at any point, in each way."""
    chance = random.Random(SEED)
    case.put(*(message(n, chance.choice((200, 5_000, 60_000))) for n in range(count)))
    with proxied("127.0.0.1", case.server.plain) as proxy:
        for _ in range(count):
            proxy.faults.append(Fault(chance.choice(KINDS), chance.choice(PLACES), chance.choice(AFTER)))
            if len(proxy.faults) < 4:
                continue
            with contextlib.suppress(Exception):  # five failures in a row end a run: the next one goes on
                case.take(case.address(proxy.port))
        proxy.faults.clear()
        case.take(case.address(proxy.port))


def drops_while_waiting(case: Case, count: int) -> None:
    """The connection breaks in IDLE, each time a message is announced."""
    with proxied("127.0.0.1", case.server.plain) as proxy:
        worker = Worker(case.folder, case.address(proxy.port), OPTIONS, wait=True)
        for number in range(count):
            proxy.faults.append(Fault(KINDS[number % 4], b"IDLE", 12))
            case.put(message(number))
            worker.told(1)
        worker.kill()
        worker.end()
    case.take()


def duplicates(case: Case, count: int) -> None:
    """Each message is delivered three times."""
    case.put(*(message(n) for n in range(count)))
    case.take()
    case.put(*(message(n) for n in range(count)), *(message(n) for n in range(count)))
    case.take()


def renumbered(case: Case, count: int) -> None:
    """The folder is numbered anew (UIDVALIDITY): all of it comes again."""
    case.box = "Work"
    for _ in range(2):
        with case.server.client(case.user) as client:
            client.delete(case.box)
            client.create(case.box)
        case.put(*(message(n) for n in range(count)))
        case.take()
        time.sleep(1.1)  # the server numbers folders by the second


def no_announcements(case: Case, count: int) -> None:
    """A server that knows neither IDLE nor UIDPLUS, asked again and again."""
    worker = Worker(case.folder, case.address(host=BARE), {**OPTIONS, "poll_s": 0.02}, wait=True)
    for number in range(count):
        case.put(message(number))
    worker.told(count)
    worker.kill()
    worker.end()
    case.take()


def kills(case: Case, count: int) -> None:
    """The process is killed (SIGKILL) after every few messages, through a proxy that breaks one connection in two."""
    chance, a_round = random.Random(SEED), 15
    with proxied("127.0.0.1", case.server.plain) as proxy:
        for number in range(count):
            case.put(*(message(f"{number}.{n}") for n in range(a_round)))
            if number % 2:
                proxy.faults.append(Fault(chance.choice(KINDS), chance.choice(PLACES), chance.choice(AFTER)))
            worker = Worker(case.folder, case.address(proxy.port), OPTIONS, wait=True)
            worker.told(chance.randrange(a_round))
            time.sleep(chance.random() * 0.02)
            worker.kill()
            if worker.end() != -signal.SIGKILL:
                raise SystemExit("a worker ended by itself")
            early = case.counted()["marked_unrecorded"]
            if early:
                raise SystemExit(f"{early} messages were marked before they were on record")
        proxy.faults.clear()
        case.take(case.address(proxy.port))


def commands_killed(case: Case, count: int) -> None:
    """`rightsized triage run --wait` killed (SIGKILL) after every few messages, over a home of its own."""
    chance, a_round, home = random.Random(SEED), 10, case.folder
    case.folder = home / "triage" / "inbox"
    case.folder.mkdir(parents=True)
    options = "".join(f"{name} = {json.dumps(value)}\n" for name, value in OPTIONS.items() if name != "timeout_s")
    text = f'[[source]]\naddress = "{case.address()}"\n[source.options]\n{options}'
    (case.folder / "inbox.toml").write_text(text, "utf-8")
    command = [sys.executable, "-m", "rightsized.cli", "triage", "run", "--json", "--home", str(home)]
    for number in range(count):
        case.put(*(message(f"{number}.{n}") for n in range(a_round)))
        with subprocess.Popen([*command, "--wait"], stdout=subprocess.PIPE, cwd=home) as process:
            assert process.stdout is not None
            for _ in range(1 + chance.randrange(a_round - 1)):
                process.stdout.readline()
            time.sleep(chance.random() * 0.02)
            process.kill()
        early = case.counted()["marked_unrecorded"]
        if early:
            raise SystemExit(f"{early} messages were marked before they were on record")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=home)


def mutated(case: Case, count: int) -> None:
    """Malformed MIME: mutations of valid messages, as the server takes them."""
    kept = [one for one in mutations(count) if b"\0" not in one and one]  # a server takes no NUL (RFC 3501, CHAR8)
    with case.server.client(case.user) as client:
        for number, one in enumerate(kept):
            named = f"Message-ID: <{number}@mutation.example>\r\n".encode()  # or most would be repeats of a few
            status, _ = client.append("INBOX", "", "", named + one)
            case.sent += status == "OK"
    case.take(timeout_s=60.0)


def large(case: Case, count: int) -> None:
    """Messages of 1, 49 and 60 MB; the last is larger than is read."""
    for number in range(count):
        sizes = (400, 49_000_000, 60_000_000, 1_000_000)
        case.put(*(message(f"{number}.{size}", size) for size in sizes))
    case.take(timeout_s=60.0)


CASES: tuple[tuple[str, Callable[[Case, int], None], int, int], ...] = (
    ("connections that break at any point", broken_connections, 400, 40),
    ("drops while it waits (IDLE)", drops_while_waiting, 40, 8),
    ("each message delivered three times", duplicates, 300, 30),
    ("folder numbered anew (UIDVALIDITY)", renumbered, 300, 30),
    ("no IDLE, polling", no_announcements, 200, 20),
    ("killed with SIGKILL", kills, 40, 4),
    ("triage run killed with SIGKILL", commands_killed, 12, 2),
    ("malformed MIME, mutations", mutated, 5_000, 200),
    ("messages of 1, 49 and 60 MB", large, 1, 1),
)


@contextmanager
def cases(server: Dovecot, users: Sequence[str]) -> Iterator[Iterator[Case]]:
    """One after another, each with a mailbox and a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        yield (Case(server, user, Path(folder) / user) for user in users)


def measure(quick: bool, only: str) -> list[dict[str, Any]]:
    """All cases whose name has this in it."""
    os.environ["MAIL_PASSWORD"] = dovecot.PASSWORD
    users = [f"case{number}" for number in range(len(CASES))]
    rows = []
    with dovecot.running(users) as server, cases(server, users) as made:
        for (name, run, full, few), case in zip(CASES, made, strict=True):
            if only not in name:
                continue
            harness.note(name)
            with harness.Clock() as clock:
                run(case, few if quick else full)
            rows.append({"fault": name, **case.counted(), "seconds": round(clock.wall, 1)})
    return rows


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", default="", help="run only cases whose name has this in it; name a file with --out")


def main() -> int:
    given = harness.options("triage_faults", __doc__ or "", _configure)
    rows = measure(given.quick, given.extra.only)
    names = ("messages", "handled_twice", "lost", "marked_unrecorded")
    total = {name: sum(row[name] for row in rows) for name in names}
    lines = [
        f"{row['fault']:<40} {row['messages']:>6,} messages, {row['on_record']:>6,} on record, {row['distinct']:>6,} "
        f"distinct, {row['handled_once']:>6,} handled once, {row['handled_twice']} twice, {row['lost']} lost, "
        f"{row['marked_unrecorded']} marked early"
        for row in rows
    ]
    return harness.finish(given, {"cases": rows, "total": total}, lines)


if __name__ == "__main__":
    raise SystemExit(main())
