"""Ways to tamper with a log, for benchmarks.ledger: each alters a copy of the file as someone with access to it could.

What follows from nothing signed is left alone, because no check could tell: which run wrote a start (`starts.run`),
when a text was last used, which texts retention has deleted already, when a checkpoint was kept, or that one was.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rightsized.ledger.columns import NAMES, of_record
from rightsized.ledger.head import stored_chain
from rightsized.ledger.log_keys import LogKeys, handover_note
from rightsized.ledger.merkle import leaf_hash, root_of
from rightsized.ledger.migrations import ORIGIN
from rightsized.ledger.notes import Signer, checkpoint_text
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.schema import SEQUENCED, EventRow, encode, leaf
from rightsized.store.secrets import SecretFolder

TILE = 256
LATER = 2_000_000_000  # the time on forged checkpoints

# Where a bit may flip: table, column, key of a row. Everything that a check can hold against something signed.
FLIPS = (
    *((table, "record", "seq") for table in SEQUENCED),
    *((table, column, "seq") for table, columns in NAMES.items() for column in columns if column != "retracts"),
    ("ends", "task", "seq"),
    ("texts", "text", "number"),
    ("texts", "sha256", "number"),
    ("subtrees", "hash", "number"),
    ("head", "root", "one"),
    ("head", "note", "one"),
    ("head", "size", "one"),
    ("checkpoints", "note", "size"),
    ("identity", "key", "one"),
    ("identity", "origin", "one"),
)


class Tampering:
    """One copy of a log, open without its guards."""

    def __init__(self, path: Path, chance: random.Random, secrets: Path) -> None:
        self.path = path
        self.chance = chance
        self.secrets = secrets
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA foreign_keys = OFF")
        for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            self.connection.execute(f"DROP TRIGGER {name}")
        self.connection.execute("BEGIN")

    def close(self) -> None:
        self.connection.execute("COMMIT")
        self.connection.close()

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, values).fetchall()

    def run(self, sql: str, values: tuple[Any, ...] = ()) -> None:
        self.connection.execute(sql, values)

    def any_row(self, table: str, key: str = "seq") -> Any:
        return self.chance.choice(self.rows(f"SELECT {key} FROM {table}"))[0]

    def any_table(self) -> str:
        counts = [self.rows(f"SELECT count(*) FROM {table}")[0][0] for table in SEQUENCED]
        return self.chance.choices(SEQUENCED, counts)[0]


def flip(t: Tampering) -> None:
    """One bit of one value."""
    table, column, key = t.chance.choice(FLIPS)
    row = t.any_row(table, key)
    (value,) = t.rows(f"SELECT {column} FROM {table} WHERE {key} = ?", (row,))[0]
    t.run(f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {key} = ?", (flipped(value, t.chance), row))


def flipped(value: Any, chance: random.Random) -> Any:
    """A value with one bit changed; of the same type."""
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, float):
        return value + 1.0
    if isinstance(value, str):
        if not value:
            return "x"
        at = chance.randrange(len(value))
        return value[:at] + chr(ord(value[at]) ^ (1 << chance.randrange(5))) + value[at + 1 :]
    at = chance.randrange(len(value))
    return value[:at] + bytes([value[at] ^ (1 << chance.randrange(8))]) + value[at + 1 :]


def delete(t: Tampering) -> None:
    """One entry, or several in a row; sometimes what follows moves up."""
    table = t.any_table()
    seq = t.any_row(table)
    t.run(f"DELETE FROM {table} WHERE seq = ?", (seq,))
    if t.chance.random() < 0.5:
        shift(t, seq, -1)
        if t.chance.random() < 0.5:
            t.run("UPDATE head SET size = size - 1")


def shift(t: Tampering, after: int, by: int) -> None:
    """Number the entries after one anew."""
    for table in SEQUENCED:
        t.run(f"UPDATE {table} SET seq = -(seq + ?) WHERE seq > ?", (by, after))
        t.run(f"UPDATE {table} SET seq = -seq WHERE seq < 0")


def swap(t: Tampering) -> None:
    """Two entries change places, with their columns or only their records."""
    table = t.chance.choice(("starts", "ends"))
    (first, one), (second, other) = t.chance.sample(t.rows(f"SELECT seq, record FROM {table}"), 2)
    if t.chance.random() < 0.5:
        t.run(f"UPDATE {table} SET record = ? WHERE seq = ?", (other, first))
        t.run(f"UPDATE {table} SET record = ? WHERE seq = ?", (one, second))
    else:
        t.run(f"UPDATE {table} SET seq = -1 WHERE seq = ?", (first,))
        t.run(f"UPDATE {table} SET seq = ? WHERE seq = ?", (first, second))
        t.run(f"UPDATE {table} SET seq = ? WHERE seq = -1", (second,))


def insert(t: Tampering) -> None:
    """An entry that was never written: in between, at the end, or under a number that is taken."""
    last = t.rows("SELECT size FROM head")[0][0]
    event = encode(EventRow("alarm", "support", "c1", 3.0, f"forged {t.chance.random()}"))
    where = t.chance.choice(("between", "end", "twice"))
    at = last + 1 if where == "end" else t.chance.randrange(1, last)
    if where == "between":
        shift(t, at - 1, 1)
    t.run("INSERT OR REPLACE INTO events VALUES (?, 'alarm', 'support', 'c1', 3.0, ?)", (at, event))
    if where != "twice" and t.chance.random() < 0.5:
        t.run("UPDATE head SET size = ?", (last + 1,))


def truncate(t: Tampering) -> None:
    """The last entries, with or without a head that agrees; signed it cannot be."""
    last = t.rows("SELECT size FROM head")[0][0]
    keep = last - t.chance.randrange(1, 60)
    for table in SEQUENCED:
        t.run(f"DELETE FROM {table} WHERE seq > ?", (keep,))
    how = t.chance.randrange(3)
    if how:
        rehash(t, (lambda text: "") if how == 1 else old_signatures(t))


def edit_and_rehash(t: Tampering) -> None:
    """A record changed, and all that follows from it computed anew; signatures dropped, kept, or a stranger's."""
    edit(t)
    how = t.chance.randrange(4)
    if how == 0:
        rehash(t, lambda text: "")
    elif how == 1:
        rehash(t, old_signatures(t))
    else:
        stranger = Signer(t.rows("SELECT origin FROM identity")[0][0], t.chance.randbytes(32))
        if how == 2:
            t.run("UPDATE identity SET key = ?", (str(stranger.key),))
            handed = encode(EventRow("log-key", "", "", 3.0, handover_note(stranger, stranger)))
            t.run("UPDATE events SET record = ? WHERE kind = 'log-key'", (handed,))
        rehash(t, lambda text: text + "\n" + stranger.line(text))


def edit(t: Tampering) -> None:
    """Change what one decision says, and its columns with it."""
    seq = t.any_row("ends")
    (record,) = t.rows("SELECT record FROM ends WHERE seq = ?", (seq,))[0]
    document = json.loads(record)
    document["ended"] = document["ended"] + 1 + t.chance.random()
    if document["reply"]:
        document["reply"]["confidence"] = t.chance.random()
    new = json.dumps(document, separators=(",", ":")).encode()
    decision_id, status, tier = of_record("ends", new)
    t.run("UPDATE ends SET record = ?, status = ?, tier = ? WHERE seq = ?", (new, status, tier, seq))
    assert decision_id == document["id"]


def signature(t: Tampering) -> None:
    """A bit in a signature: of the head, of a kept checkpoint, or of a change of keys."""
    where = t.chance.choice(("head", "checkpoints", "events"))
    if where == "events":
        ((seq, record),) = t.rows("SELECT seq, record FROM events WHERE kind = 'log-key'")
        document = json.loads(record)
        document["detail"] = flipped_signature(document["detail"], t.chance)
        t.run("UPDATE events SET record = ? WHERE seq = ?", (json.dumps(document).encode(), seq))
        return
    key = "one" if where == "head" else "size"
    row = t.any_row(where, key)
    (note,) = t.rows(f"SELECT note FROM {where} WHERE {key} = ?", (row,))[0]
    t.run(f"UPDATE {where} SET note = ? WHERE {key} = ?", (flipped_signature(note, t.chance), row))


def flipped_signature(note: str, chance: random.Random) -> str:
    text, _, lines = note.rpartition("\n\n")
    first = lines.index(" ", 2) + 1
    at = chance.randrange(first, len(lines) - 2)
    return f"{text}\n\n{lines[:at]}{chr(ord(lines[at]) ^ (1 << chance.randrange(3)))}{lines[at + 1 :]}"


def stolen_key(t: Tampering) -> None:
    """A record changed, everything computed anew and signed with the log's own keys: nothing in the file can tell."""
    edit(t)
    rehash(t, own_signatures(t))


def own_signatures(t: Tampering) -> Callable[[str], str]:
    chain = stored_chain(t.rows)
    assert chain is not None
    signers = LogKeys(SecretFolder(t.secrets), chain.origin).all()
    return lambda text: text + "\n" + "".join(signer.line(text) for signer in signers)


def old_signatures(t: Tampering) -> Callable[[str], str]:
    """Puts the signature lines of the old head under whatever is to be signed."""
    lines = t.rows("SELECT note FROM head")[0][0].rpartition("\n\n")[2]
    return lambda text: f"{text}\n{lines}"


def rehash(t: Tampering, sign: Callable[[str], str]) -> None:
    """Kept hashes, head and kept checkpoints anew over the entries as they stand."""
    t.connection.execute("COMMIT")
    with LedgerReader(t.path) as reader:
        leaves = [leaf_hash(leaf(row)) for row in reader.rows()]
    t.connection.execute("BEGIN")
    origin = t.rows("SELECT origin FROM identity")[0][0]
    assert origin.startswith(ORIGIN)
    t.run("DELETE FROM subtrees")
    for number in range(len(leaves) // TILE):
        t.run("INSERT INTO subtrees VALUES (8, ?, ?)", (number, root_of(leaves[number * TILE : (number + 1) * TILE])))
    sizes = [size for (size,) in t.rows("SELECT size FROM checkpoints ORDER BY size") if size <= len(leaves)]
    t.run("DELETE FROM checkpoints")
    for size in sizes:
        note = sign(checkpoint_text(origin, size, root_of(leaves[:size]), LATER))
        t.run("INSERT INTO checkpoints VALUES (?, 3.0, ?)", (size, note))
    root = root_of(leaves)
    text = checkpoint_text(origin, len(leaves), root, LATER)
    t.run("UPDATE head SET size = ?, root = ?, note = ?", (len(leaves), root, sign(text)))


KINDS: dict[str, Callable[[Tampering], None]] = {
    "flip": flip,
    "delete": delete,
    "swap": swap,
    "insert": insert,
    "truncate": truncate,
    "edit and rehash": edit_and_rehash,
    "signature flip": signature,
}
