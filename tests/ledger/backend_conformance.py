"""What every backend of the ledger must do. Subclass `LedgerConformance` and give it the fixture `backend`.

Texts, times and sizes are of no importance here; order, durability, refusals and proofs are.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import pytest
from ledger_samples import reply, started
from msgspec.structs import replace

from rightsized.core.errors import BusyError, InputError, NotFoundError, StoreError
from rightsized.core.types import Decision
from rightsized.ledger.backend import LedgerBackend
from rightsized.ledger.merkle import leaf_hash, root_of
from rightsized.ledger.notes import parse_checkpoint
from rightsized.ledger.reader import Search
from rightsized.ledger.schema import EventRow, ReviewRow, leaf

T = TypeVar("T")


class Backend(Protocol):
    """One place for a log: opened for writing again and again."""

    def open(self, **options: Any) -> LedgerBackend: ...

    def erase(self, subject: str) -> str | None: ...


def done(begun: Decision, **more: Any) -> Decision:
    return replace(begun, phase="done", ended=begun.started + 1, reply=reply(begun.id, **more))


class LedgerConformance:
    """Tests that a backend passes."""

    def use(self, backend: Backend, scenario: Callable[[LedgerBackend], Awaitable[T]], **options: Any) -> T:
        ledger = backend.open(**options)
        try:
            return asyncio.run(scenario(ledger))  # type: ignore[arg-type]
        finally:
            ledger.close()

    def check_head(self, ledger: LedgerBackend) -> int:
        """The checkpoint covers exactly the entries there are; returns how many."""
        leaves = [leaf_hash(leaf(row)) for row in ledger.reader.rows()]
        checkpoint = parse_checkpoint(ledger.checkpoint)
        assert (checkpoint.size, checkpoint.root) == (len(leaves), root_of(leaves))
        return len(leaves)

    def test_what_was_acknowledged_is_there_after_opening_again(self, backend: Backend) -> None:
        begun = replace(started("where is my card?", audit=True), conversation="c-1", tenant="ward")
        digest = hashlib.sha256(b"answer").hexdigest()

        async def write(ledger: LedgerBackend) -> None:
            await ledger.begin(begun, "where is my card?")
            assert ledger.get(begun.id).phase == "started"
            await ledger.finish(done(begun), [(digest, "answer")])

        async def read(ledger: LedgerBackend) -> None:
            assert ledger.get(begun.id) == done(begun)
            assert ledger.reader.text(begun.id) == "where is my card?"
            assert ledger.reader.text_of(digest) == "answer"
            assert ledger.get("no such id") is None
            assert self.check_head(ledger) == 2

        self.use(backend, write)
        self.use(backend, read)

    def test_entries_are_numbered_without_gaps_whatever_is_refused(self, backend: Backend) -> None:
        twice = started("b")

        async def scenario(ledger: LedgerBackend) -> None:
            await ledger.begin(twice, "b")
            outcomes = await asyncio.gather(
                ledger.begin(twice, "b"),
                ledger.begin(started("a"), "a"),
                ledger.begin(replace(started(), conversation="\ud800"), "c"),
                ledger.finish(replace(started(), phase="done")),
                return_exceptions=True,
            )
            assert [type(one) for one in outcomes] == [InputError, type(None), InputError, InputError]
            await ledger.finish(replace(twice, phase="failed", error="broke"))
            with pytest.raises(InputError):
                await ledger.finish(replace(twice, phase="failed"))
            assert [row.seq for row in ledger.reader.rows()] == [1, 2, 3]
            assert self.check_head(ledger) == 3

        self.use(backend, scenario)

    def test_many_at_once_each_get_their_own_place(self, backend: Backend) -> None:
        async def scenario(ledger: LedgerBackend) -> None:
            decisions = [started(f"m {n}") for n in range(300)]

            async def one(begun: Decision) -> None:
                await ledger.begin(begun, "text")
                await ledger.finish(done(begun))

            await asyncio.gather(*map(one, decisions))
            rows = list(ledger.reader.rows())
            assert [row.seq for row in rows] == list(range(1, 601))
            assert list(ledger.reader.rows(after=590)) == rows[590:]
            place = {leaf(row): row.seq for row in rows}
            assert len(place) == 600
            assert self.check_head(ledger) == 600

        self.use(backend, scenario, queue_rows=1000)

    def test_every_commit_goes_on_from_the_one_before(self, backend: Backend) -> None:
        async def scenario(ledger: LedgerBackend) -> list[tuple[int, bytes]]:
            seen = []
            for number in range(5):
                await ledger.begin(started(f"{number}"), f"{number}")
                checkpoint = parse_checkpoint(ledger.checkpoint)
                seen.append((checkpoint.size, checkpoint.root))
            return seen

        first = self.use(backend, scenario)
        second = self.use(backend, scenario)
        assert [size for size, _ in first + second] == list(range(1, 11))
        assert all(a != b for (_, a), (_, b) in itertools.pairwise(first + second))

    def test_a_full_queue_refuses_and_drops_nothing(self, backend: Backend) -> None:
        async def scenario(ledger: LedgerBackend) -> None:
            decisions = [started(str(n)) for n in range(60)]
            outcomes = await asyncio.gather(*(ledger.begin(d, "x") for d in decisions), return_exceptions=True)
            refused = {d.id for d, one in zip(decisions, outcomes, strict=True) if isinstance(one, BusyError)}
            accepted = {d.id for d, one in zip(decisions, outcomes, strict=True) if one is None}
            assert refused
            assert accepted
            assert refused | accepted == {d.id for d in decisions}  # each was told one or the other
            assert {d.id for d in ledger.reader.search(Search())} == accepted
            for begun in decisions:  # an end that is owed is never refused
                if begun.id in accepted:
                    await ledger.finish(done(begun))
            assert ledger.reader.count(Search(status="answered")) == len(accepted)

        self.use(backend, scenario, queue_rows=5)

    def test_a_caller_that_goes_away_leaves_its_entry(self, backend: Backend) -> None:
        begun = started()

        async def scenario(ledger: LedgerBackend) -> None:
            task = asyncio.ensure_future(ledger.begin(begun, "text"))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await ledger.finish(replace(begun, phase="failed"))
            assert ledger.get(begun.id).phase == "failed"

        self.use(backend, scenario)

    def test_a_start_without_end_reads_interrupted_by_the_next_writer(self, backend: Backend) -> None:
        begun = started()

        async def write(ledger: LedgerBackend) -> None:
            await ledger.begin(begun, "text")

        async def read(ledger: LedgerBackend) -> str:
            return ledger.get(begun.id).phase

        self.use(backend, write)
        assert self.use(backend, read) == "interrupted"

    def test_there_is_one_writer(self, backend: Backend) -> None:
        ledger = backend.open()
        with pytest.raises(StoreError):
            backend.open()
        ledger.close()
        backend.open().close()
        with pytest.raises(StoreError):
            asyncio.run(ledger.begin(started(), "text"))

    def test_labels_replace_and_are_taken_back(self, backend: Backend) -> None:
        begun = started()

        async def scenario(ledger: LedgerBackend) -> None:
            await ledger.begin(begun, "text")
            await ledger.finish(done(begun, answered=False))
            for label in ("billing", "refund"):
                await ledger.review(ReviewRow(begun.id, "support", "abstained", label, "ana", 1.0))
            assert [row.label for _, row in ledger.reader.reviews("support")] == ["refund"]
            taken = await ledger.retract(begun.id, ("abstained",), reviewer="ana")
            assert taken.label == "refund"
            assert ledger.reader.reviews("support") == []
            with pytest.raises(NotFoundError):
                await ledger.retract(begun.id, ("abstained",), reviewer="ana")
            await ledger.note(EventRow("alarm", "support", "c1", 2.0, "too many wrong"))
            assert [event.detail for event in ledger.reader.events("c1")] == ["too many wrong"]
            self.check_head(ledger)

        self.use(backend, scenario)

    def test_texts_go_and_digests_stay(self, backend: Backend) -> None:
        begun = replace(started("old"), started=1000.0)

        async def scenario(ledger: LedgerBackend) -> None:
            await ledger.begin(begun, "old")
            await ledger.begin(started("new"), "new")
            assert await ledger.purge_texts(older_than=2000.0) == 1
            assert ledger.reader.text(begun.id) is None
            assert ledger.get(begun.id).text_sha256 == begun.text_sha256
            self.check_head(ledger)

        self.use(backend, scenario)

    def test_who_is_erased_cannot_be_read_and_the_log_stands(self, backend: Backend) -> None:
        begun = replace(started("my pin is 4711"), subject="alice", conversation="thread")

        async def scenario(ledger: LedgerBackend) -> None:
            await ledger.begin(begun, "my pin is 4711")
            await ledger.finish(done(begun))
            assert ledger.reader.text(begun.id) == "my pin is 4711"
            assert not any(b"thread" in row.record for row in ledger.reader.rows())
            before = list(ledger.reader.rows())
            reference = backend.erase("alice")
            (said,) = await ledger.log_erasures()
            assert (said.subject, said.decisions) == (reference, 1)
            assert ledger.reader.text(begun.id) is None
            assert ledger.get(begun.id).conversation == ""
            assert list(ledger.reader.rows())[: len(before)] == before
            self.check_head(ledger)

        self.use(backend, scenario)

    def test_another_key_signs_on(self, backend: Backend) -> None:
        async def scenario(ledger: LedgerBackend) -> None:
            await ledger.begin(started(), "text")
            old = parse_checkpoint(ledger.checkpoint).note.signatures
            await ledger.rotate_key()
            both = parse_checkpoint(ledger.checkpoint).note.signatures
            assert (len(old), len(both)) == (1, 2)
            await ledger.begin(started(), "text")
            (new,) = parse_checkpoint(ledger.checkpoint).note.signatures
            assert new.id == both[1].id != old[0].id == both[0].id
            assert self.check_head(ledger) == 3

        self.use(backend, scenario)
