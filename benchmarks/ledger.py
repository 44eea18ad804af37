"""Figures of the ledger: is tampering found, how quickly is it written, verified and proven.

1. Tampering: 10,500 changes of a copy of a log, of seven kinds, each checked with `ledger verify`. With a checkpoint
   kept elsewhere also an older copy put in place, and a rewritten log signed with the log's own keys.
2. Durable appends a second at 1, 16 and 128 at a time, each on the disk and under a signed head before it counts;
   entries verified a second; the time of a proof in a log of a million entries.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import harness, ledger_tamper
from benchmarks.record import sync_ms
from benchmarks.samples import reply
from rightsized.core.types import Decision, Reply
from rightsized.ledger import columns
from rightsized.ledger.group import Batch
from rightsized.ledger.ids import new_id
from rightsized.ledger.log import _INSERTS, SqliteLedger
from rightsized.ledger.log_keys import LogKeys
from rightsized.ledger.notes import Checkpoint, parse_checkpoint
from rightsized.ledger.prove import Prover
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.schema import End, EventRow, ReviewRow, encode
from rightsized.ledger.verify import verify
from rightsized.store.secrets import SecretFolder

MUTATIONS, QUICK_MUTATIONS = 10_500, 210
OUTSIDE, QUICK_OUTSIDE = 500, 20
ENTRIES, QUICK_ENTRIES = 1_000_000, 20_000
AT_ONCE = (1, 16, 128)
SECONDS, QUICK_SECONDS = 5.0, 0.5
PROOFS = 300
BUILD_ROWS = 5000  # in one transaction while the large log is built
TEXT = "I was charged twice for order {}, can you please send one of the two payments back?"


def decision(number: int, text: str = "") -> Decision:
    """The started record of a request."""
    text = text or TEXT.format(number)
    now = time.time()
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Decision(new_id(now), "support", "7", now, digest, "started", False, 0.02, tenant="ward-3", key="k1")


def answered(begun: Decision) -> Reply:
    """Its reply, with one of seven labels."""
    return reply(begun.id, begun.task, f"label-{hash(begun.id) % 7}")


def opened(folder: Path, **options: Any) -> SqliteLedger:
    secrets = SecretFolder(folder / "secrets")
    return SqliteLedger(folder / "decisions.sqlite", group_ms=0, queue_rows=100_000, secrets=secrets, **options)


async def write_decisions(ledger: SqliteLedger, count: int) -> list[str]:
    async def one(number: int) -> str:
        begun = decision(number)
        await ledger.begin(begun, TEXT.format(number))
        await ledger.finish(msgspec.structs.replace(begun, phase="done", reply=answered(begun)))
        return begun.id

    return list(await asyncio.gather(*(one(n) for n in range(count))))


def sample_log(folder: Path) -> tuple[Path, list[Path], Checkpoint]:
    """A log with reviews, events and a change of keys; copies of it as it was earlier; its checkpoint."""

    async def fill(ledger: SqliteLedger) -> None:
        ids = await write_decisions(ledger, 60)
        await ledger.review(ReviewRow(ids[0], "support", "feedback", "refund", "ana", 1.0))
        await ledger.keep_checkpoint()
        await ledger.rotate_key()
        await ledger.note(EventRow("alarm", "support", "c1", 2.0, "too many wrong"))
        await write_decisions(ledger, 40)
        await ledger.keep_checkpoint()

    older = []
    with opened(folder) as ledger:
        asyncio.run(fill(ledger))
    for number in range(10):  # an older copy after each of ten more decisions
        older.append(Path(shutil.copyfile(folder / "decisions.sqlite", folder / f"older-{number}.sqlite")))
        with opened(folder) as ledger:
            asyncio.run(write_decisions(ledger, 4))
            note = ledger.checkpoint
    return folder / "decisions.sqlite", older, parse_checkpoint(note)


def tampering(folder: Path, mutations: int, outside: int, seed: int) -> dict[str, Any]:
    """Figure 1."""
    log, older, kept = sample_log(folder)
    secrets, copy = folder / "secrets", folder / "copy.sqlite"
    trusted = [signer.key for signer in LogKeys(SecretFolder(secrets), kept.origin).all()]
    assert verify(log, trusted=trusted, against=[kept]).ok
    rows, missed = dict[str, dict[str, Any]](), list[str]()
    for kind, mutate in ledger_tamper.KINDS.items():
        found, kinds = 0, dict[str, int]()
        count = mutations // len(ledger_tamper.KINDS)
        for number in range(count):
            shutil.copyfile(log, copy)
            _mutate(copy, mutate, f"{seed} {kind} {number}", secrets)
            outcome = verify(copy, trusted=trusted)
            found += not outcome.ok
            for one in {finding.kind for finding in outcome.findings}:
                kinds[one] = kinds.get(one, 0) + 1
            if outcome.ok:
                missed.append(f"{kind} {number}")
        rows[kind] = {"mutations": count, "found": found, "as": dict(sorted(kinds.items()))}
        harness.note(f"{kind}: {found:,} of {count:,} found")
    elsewhere = {
        "rollback": _outside(outside, lambda n: shutil.copyfile(older[n % len(older)], copy), copy, trusted, kept),
        "stolen key": _outside(
            outside, lambda n: _stolen(log, copy, f"{seed} stolen {n}", secrets), copy, trusted, kept
        ),
    }
    total = sum(row["mutations"] for row in rows.values())
    return {
        "entries": kept.size,
        "mutations": total,
        "found": sum(row["found"] for row in rows.values()),
        "missed": missed[:20],
        "kinds": rows,
        "with_a_checkpoint_kept_elsewhere": elsewhere,
    }


def _mutate(copy: Path, mutate: Callable[[ledger_tamper.Tampering], None], seed: str, secrets: Path) -> None:
    tampered = ledger_tamper.Tampering(copy, random.Random(seed), secrets)
    mutate(tampered)
    tampered.close()


def _stolen(log: Path, copy: Path, seed: str, secrets: Path) -> None:
    shutil.copyfile(log, copy)
    _mutate(copy, ledger_tamper.stolen_key, seed, secrets)


def _outside(
    count: int, make: Callable[[int], object], copy: Path, trusted: list[Any], kept: Checkpoint
) -> dict[str, int]:
    """How often it is found by the file alone, and with the checkpoint."""
    alone = found = 0
    for number in range(count):
        make(number)
        alone += not verify(copy, trusted=trusted).ok
        found += not verify(copy, trusted=trusted, against=[kept]).ok
    return {"mutations": count, "found_by_the_file_alone": alone, "found": found}


async def appends(ledger: SqliteLedger, at_once: int, seconds: float) -> tuple[int, float]:
    """Started records written in waves of `at_once`, each wave on the disk before the next."""
    written, stop = 0, time.perf_counter() + seconds
    began = time.perf_counter()
    while time.perf_counter() < stop:
        decisions = [decision(written + n) for n in range(at_once)]
        await asyncio.gather(*(ledger.begin(one, TEXT.format(written), urgent=True) for one in decisions))
        written += at_once
    return written, time.perf_counter() - began


def writing(folder: Path, seconds: float) -> list[dict[str, Any]]:
    """Figure 2, appends."""
    rows = []
    for at_once in AT_ONCE:
        for signed in (True, False):
            place = folder / f"appends-{at_once}-{signed}"
            place.mkdir()
            secrets = SecretFolder(place / "secrets") if signed else None
            sync = sync_ms(place)
            with (
                SqliteLedger(place / "decisions.sqlite", group_ms=0, queue_rows=10_000, secrets=secrets) as ledger,
                harness.Clock() as clock,
            ):
                written, took = asyncio.run(appends(ledger, at_once, seconds))
            rows.append(
                {
                    "at_once": at_once,
                    "signed": signed,
                    "per_second": written / took,
                    "cpu_us": 1e6 * clock.cpu / written,
                    "sync_ms": sync,
                }
            )
            harness.note(_append_line(rows[-1]))
    return rows


def build(folder: Path, entries: int) -> None:
    """A log of so many entries, by the writer's own parts, many rows a transaction."""
    with opened(folder) as ledger:
        connection, head = ledger._connection, ledger._head
        connection.execute("PRAGMA synchronous = OFF")  # only here: the file is built, not measured
        done = 0
        while done < entries:
            batch = Batch(connection, _INSERTS, done)
            connection.execute("BEGIN IMMEDIATE")
            for number in range(min(BUILD_ROWS, entries - done) // 2):
                begun = decision(done + number)
                end = End(begun.id, ended=begun.started + 1, phase="done", reply=answered(begun))
                batch.append("starts", (*columns.of_start(begun), ledger.run), encode(begun))
                decision_id, status, tier = columns.of_end(end)
                batch.append("ends", (decision_id, begun.task, status, tier), encode(end))
            batch.flush()
            committed = head.seal(batch)
            connection.execute("COMMIT")
            committed()
            done = batch.seq


def reading(folder: Path, entries: int) -> dict[str, Any]:
    """Figure 2, verifying and proving."""
    chance = random.Random(0)
    path = folder / "decisions.sqlite"
    with harness.Clock() as opening, opened(folder) as ledger:
        note = ledger.checkpoint
    with harness.Clock() as verifying:
        outcome = verify(path)
    assert outcome.ok, outcome.findings[:3]
    with LedgerReader(path) as reader:
        prover = Prover(reader)
        ids = [
            reader.query("SELECT id FROM starts WHERE seq >= ? LIMIT 1", (chance.randrange(1, entries),))[0][0]
            for _ in range(PROOFS)
        ]
        inclusion, consistency = list[float](), list[float]()
        for decision_id in ids:
            began = time.perf_counter()
            proof = prover.decision(decision_id)
            inclusion.append(1000 * (time.perf_counter() - began))
        tree, head = prover._tree, parse_checkpoint(note)
        for _ in range(PROOFS):
            began = time.perf_counter()
            tree.consistency(chance.randrange(1, head.size), head.size)
            consistency.append(1000 * (time.perf_counter() - began))
        hashed = reader.query("SELECT count(*) FROM subtrees")[0][0]
    return {
        "entries": entries,
        "file_mb": path.stat().st_size / 1e6,
        "kept_hashes": hashed,
        "open_seconds": opening.wall,
        "verify_seconds": verifying.wall,
        "verified_per_second": entries / verifying.wall,
        "proof_of_a_decision_ms": harness.percentiles(inclusion),
        "proof_file_bytes": len(msgspec.json.encode(proof)),
        "consistency_proof_ms": harness.percentiles(consistency),
    }


def main() -> int:
    """Entry of `python -m benchmarks.ledger`."""

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--entries", type=int, default=None, help="size of the large log")
        parser.add_argument("--seed", type=int, default=0, help="seed of the mutations")

    given = harness.options("ledger", "Tampering, writing, verifying and proving.", configure)
    entries = given.extra.entries or (QUICK_ENTRIES if given.quick else ENTRIES)
    many = (QUICK_MUTATIONS, QUICK_OUTSIDE) if given.quick else (MUTATIONS, OUTSIDE)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=harness.ROOT / "benchmarks") as name:  # the disk, not memory
        folder = Path(name)
        result["appends"] = writing(folder, QUICK_SECONDS if given.quick else SECONDS)
        large = folder / "large"
        large.mkdir()
        harness.note(f"building a log of {entries:,} entries")
        build(large, entries)
        result["large"] = reading(large, entries)
        harness.note(_large_line(result["large"]))
        shutil.rmtree(large)
    with tempfile.TemporaryDirectory() as name:
        result["tampering"] = tampering(Path(name), *many, given.extra.seed)
    lines = [*map(_append_line, result["appends"]), _large_line(result["large"]), _tamper_line(result["tampering"])]
    harness.finish(given, result, lines)
    outside = result["tampering"]["with_a_checkpoint_kept_elsewhere"].values()
    return int(bool(result["tampering"]["missed"]) or any(row["found"] < row["mutations"] for row in outside))


def _append_line(row: dict[str, Any]) -> str:
    signed = "signed" if row["signed"] else "not signed"
    return (
        f"{row['at_once']:4d} at once, {signed:<10}: {row['per_second']:8,.0f} durable appends/s, "
        f"{row['cpu_us']:5.0f} us CPU each (a bare sync: {row['sync_ms']:.2f} ms)"
    )


def _large_line(row: dict[str, Any]) -> str:
    proofs, consistency = row["proof_of_a_decision_ms"], row["consistency_proof_ms"]
    return (
        f"{row['entries']:,} entries: {row['verified_per_second']:,.0f} verified/s; a decision proven in "
        f"{proofs['p50']:.1f} ms (p99 {proofs['p99']:.1f}), consistency in {consistency['p50']:.1f} ms; "
        f"opened in {row['open_seconds']:.2f} s"
    )


def _tamper_line(row: dict[str, Any]) -> str:
    outside = ", ".join(
        f"{kind} {found['found']:,} of {found['mutations']:,}"
        for kind, found in row["with_a_checkpoint_kept_elsewhere"].items()
    )
    return f"Tampering: {row['found']:,} of {row['mutations']:,} found; with a checkpoint kept elsewhere {outside}"


if __name__ == "__main__":
    sys.exit(main())
