"""The review queue: what waits, blind audits, undo, and labels that never get mixed up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from rightsized.core.errors import InputError, NotFoundError, StoreError
from rightsized.core.types import Attempt, LabelScore, Prediction, Reply, Request
from rightsized.engines.fake import predict
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.recorded import Recorded
from rightsized.tasks.dataset import SOURCE_COLUMN, Columns, read
from rightsized.tasks.exported import write_training_rows
from rightsized.tasks.queue import ReviewQueue, agrees


class Words:
    """The first word says what happens: `abstain LABEL`, `fail`, or `LABEL`."""

    async def answer(self, request: Request) -> Reply:
        first, *rest = request.text.split()
        if first == "fail":
            raise ValueError("broken")
        answered = first != "abstain"
        prediction = predict(first if answered else rest[0], 0.7)
        return Reply(
            id=request.id,
            task=request.task,
            status="answered" if answered else "abstained",
            output=prediction if answered else None,
            rung="fake" if answered else "person",
            tier=3 if answered else 0,
            model="sha256:00",
            confidence=0.7,
            state="certified",
            certificate=request.metadata.get("certificate", "c1"),
            attempts=(Attempt("fake", 3, "sha256:00", 0.7, 0.5, answered, prediction),),
        )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    with SqliteLedger(tmp_path / "d.sqlite", group_ms=0) as opened:
        yield opened


def ask(ledger: SqliteLedger, text: str, task: str = "support", certificate: str = "c1") -> str:
    """Answer one text; the word `audited` in it makes the coin come up. Returns the decision id."""
    recorded = Recorded(Words(), ledger, coin=lambda _, conversation: (conversation.endswith("/audited"), 0.1))
    request = Request(
        task, text, conversation="audited" if "audited" in text else "", metadata={"certificate": certificate}
    )
    return asyncio.run(recorded.answer(request)).id


def test_abstained_and_audited_wait_oldest_first_and_audits_are_blind(ledger: SqliteLedger) -> None:
    first = ask(ledger, "abstain billing one")
    ask(ledger, "billing answered")
    audited = ask(ledger, "billing audited")
    both = ask(ledger, "abstain refund audited")
    other = ask(ledger, "abstain x", task="tone")
    with pytest.raises(ValueError, match="broken"):
        ask(ledger, "fail audited")
    queue = ReviewQueue(ledger.reader)
    items = queue.waiting("support")
    assert [(i.decision, i.kind, i.text) for i in items] == [
        (first, "abstained", "abstain billing one"),
        (audited, "audit", "billing audited"),
        (both, "audit", "abstain refund audited"),
    ]
    assert items[0].suggestion.label == "billing"
    assert [i.suggestion for i in items[1:]] == [None, None]
    assert [i.decision for i in queue.waiting()] == [first, audited, both, other]
    assert [i.decision for i in queue.waiting(limit=2)] == [first, audited]
    assert (queue.count("support"), queue.count("tone"), queue.count()) == (3, 1, 4)


def test_labels_go_where_they_may(ledger: SqliteLedger) -> None:
    abstained, answered = ask(ledger, "abstain billing a"), ask(ledger, "billing b")
    audited, both = ask(ledger, "billing audited"), ask(ledger, "abstain refund audited")
    queue = ReviewQueue(ledger.reader, ledger, clock=lambda: 7.0)

    async def scenario() -> None:
        review = await queue.label(abstained, " refund ", "ana")
        assert (review.label, review.kind, review.reviewer, review.created) == ("refund", "abstained", "ana", 7.0)
        assert (await queue.label(audited, "refund", "ben")).kind == "audit"
        assert (await queue.label(both, "refund", "ben")).kind == "audit"
        for decision in (answered, audited, both, abstained):
            assert (await queue.feedback(decision, "spam", "user")).kind == "feedback"

    asyncio.run(scenario())
    assert queue.waiting() == []
    assert [(r.decision, r.label, r.kind) for r in queue.training_rows("support")] == [
        (abstained, "refund", "abstained"),  # the reviewer's word, not the user's
        (answered, "spam", "feedback"),
    ]
    assert [(o.decision, o.label, o.local, o.wrong) for o in queue.audit_outcomes("support")] == [
        (audited, "refund", True, True),
        (both, "refund", False, False),
    ]
    assert {r.decision for r in queue.reviews("support", "audit")} == {audited, both}
    assert len(queue.reviews("support")) == 7
    assert queue.training_rows("tone") == queue.audit_outcomes("tone") == queue.reviews("tone") == []


def test_feedback_does_not_take_an_audit_off_the_queue(ledger: SqliteLedger) -> None:
    audited = ask(ledger, "billing audited")
    queue = ReviewQueue(ledger.reader, ledger)
    asyncio.run(queue.feedback(audited, "refund", "user"))
    assert [i.decision for i in queue.waiting()] == [audited]
    assert [(o.label, o.wrong) for o in queue.audit_outcomes("support")] == [(None, None)]


def test_undo_and_relabel_append_rows(ledger: SqliteLedger) -> None:
    decision = ask(ledger, "abstain billing")
    queue = ReviewQueue(ledger.reader, ledger)

    async def scenario() -> None:
        await queue.label(decision, "wrong", "ana")
        taken = await queue.undo(decision, "ana")
        assert taken.label == "wrong"
        assert [i.decision for i in queue.waiting()] == [decision]
        assert queue.reviews("support") == []
        with pytest.raises(NotFoundError, match="no label"):
            await queue.undo(decision)
        await queue.label(decision, "second", "ana")
        await queue.label(decision, "third", "ben")
        await queue.feedback(decision, "fourth", "user")
        assert [r.label for r in queue.reviews("support", "abstained")] == ["third"]
        assert (await queue.undo(decision)).label == "third"
        assert (await queue.undo(decision)).label == "fourth"

    asyncio.run(scenario())
    assert len([row for row in ledger.reader.rows() if row.table == "reviews"]) == 8


def test_two_reviewers_at_once_leave_one_label(ledger: SqliteLedger) -> None:
    decision = ask(ledger, "abstain billing")
    queue = ReviewQueue(ledger.reader, ledger)

    async def scenario() -> None:
        await asyncio.gather(*(queue.label(decision, f"l{i}", "r") for i in range(20)))

    asyncio.run(scenario())
    assert [r.label for r in queue.reviews("support")] == ["l19"]
    assert queue.count() == 0


def test_what_cannot_be_labelled(ledger: SqliteLedger) -> None:
    answered, abstained = ask(ledger, "billing"), ask(ledger, "abstain billing")
    queue = ReviewQueue(ledger.reader, ledger)
    with pytest.raises(ValueError, match="broken"):
        ask(ledger, "fail")
    failed = next(d.id for d in [ledger.get(i) for (i,) in ledger.reader.query("SELECT id FROM starts")] if d.error)
    for decision, label, words in (
        (answered, "billing", "send feedback"),
        (failed, "billing", "nothing to judge"),
        (abstained, "  ", "1 to 1000"),
        (abstained, "x" * 1001, "1001"),
    ):
        with pytest.raises(InputError, match=words):
            asyncio.run(queue.label(decision, label, "ana"))
    with pytest.raises(NotFoundError):
        asyncio.run(queue.label("nobody", "billing", "ana"))
    with pytest.raises(NotFoundError):
        asyncio.run(queue.undo("nobody"))
    with LedgerReader(ledger.path) as reader, pytest.raises(StoreError, match="reading only"):
        asyncio.run(ReviewQueue(reader).label(abstained, "billing", "ana"))
    assert queue.reviews("support") == []


def test_a_message_whose_text_is_gone_leaves_the_queue(ledger: SqliteLedger) -> None:
    labelled, waiting = ask(ledger, "abstain a"), ask(ledger, "abstain b")
    queue = ReviewQueue(ledger.reader, ledger)

    async def scenario() -> None:
        await queue.label(labelled, "billing", "ana")
        assert [r.text for r in queue.training_rows("support")] == ["abstain a"]
        await ledger.purge_texts(older_than=1e12)

    asyncio.run(scenario())
    assert queue.waiting() == queue.training_rows("support") == []
    assert queue.count() == 0
    assert [r.label for r in queue.reviews("support")] == ["billing"]
    assert ledger.get(waiting).reply.status == "abstained"


def test_a_text_whose_label_may_train_is_kept_longer(ledger: SqliteLedger) -> None:
    waited, corrected, undone = ask(ledger, "abstain a"), ask(ledger, "billing b"), ask(ledger, "abstain c")
    audited, waiting, same = ask(ledger, "billing audited"), ask(ledger, "abstain d"), ask(ledger, "abstain a")
    queue = ReviewQueue(ledger.reader, ledger)

    async def scenario() -> None:
        await queue.label(waited, "refund", "ana")
        await queue.feedback(corrected, "spam", "user")
        await queue.label(undone, "refund", "ana")
        await queue.undo(undone)
        await queue.label(audited, "refund", "ben")
        assert await ledger.purge_texts(older_than=1e12, labelled_older_than=0.0) == 3
        assert {row.text for row in queue.training_rows("support")} == {"abstain a", "billing b"}
        texts = {decision: ledger.reader.text(decision) for decision in (undone, audited, waiting, same)}
        assert texts == {undone: None, audited: None, waiting: None, same: "abstain a"}
        assert await ledger.purge_texts(older_than=1e12, labelled_older_than=1e12) == 2
        assert queue.training_rows("support") == []

    asyncio.run(scenario())


def test_the_labels_of_one_decision_stand_in_the_order_they_are_taken_back(ledger: SqliteLedger) -> None:
    decision = ask(ledger, "abstain billing a")
    queue = ReviewQueue(ledger.reader, ledger)

    async def scenario() -> None:
        assert queue.labels_of(decision) == []
        await queue.label(decision, "refund", "ana")
        await queue.feedback(decision, "spam", "user")
        await queue.label(decision, "billing", "ben")
        for left in ([("billing", "ben"), ("spam", "user")], [("spam", "user")], []):
            assert [(r.label, r.reviewer) for r in queue.labels_of(decision)] == left
            if left:
                assert (await queue.undo(decision)).label == left[0][0]

    asyncio.run(scenario())


def test_audit_outcomes_by_certificate_and_in_request_order(ledger: SqliteLedger) -> None:
    ids = [ask(ledger, f"billing audited {i}", certificate="c1" if i < 3 else "c2") for i in range(5)]
    queue = ReviewQueue(ledger.reader, ledger)

    async def label_backwards() -> None:
        for i in reversed(ids):
            await queue.label(i, "billing", "ana")

    asyncio.run(label_backwards())
    assert [o.decision for o in queue.audit_outcomes("support")] == ids
    assert [o.decision for o in queue.audit_outcomes("support", certificate="c2")] == ids[3:]
    assert {(o.probability, o.conversation, o.wrong) for o in queue.audit_outcomes("support")} == {
        (0.1, "audited", False)
    }


def test_audit_outcomes_stop_at_the_first_one_still_being_answered(tmp_path: Path) -> None:
    async def scenario(ledger: SqliteLedger) -> None:
        gate = asyncio.Event()

        class Slow(Words):
            async def answer(self, request: Request) -> Reply:
                if "slow" in request.text:
                    await gate.wait()
                return await super().answer(request)

        recorded = Recorded(Slow(), ledger, coin=lambda *_: (True, 1.0))
        texts = ["billing 1", "billing slow", "billing 3"]
        asked = [asyncio.ensure_future(recorded.answer(Request("support", text))) for text in texts]
        third = await asked[2]
        first = await asked[0]
        queue = ReviewQueue(ledger.reader)
        assert [o.decision for o in queue.audit_outcomes("support")] == [first.id]
        gate.set()
        slow = await asked[1]
        assert [o.decision for o in queue.audit_outcomes("support")] == [first.id, slow.id, third.id]

    with SqliteLedger(tmp_path / "slow.sqlite", group_ms=0) as ledger:
        asyncio.run(scenario(ledger))


def test_several_labels_agree_as_sets() -> None:
    from msgspec.structs import replace

    single = asyncio.run(Words().answer(Request("t", "billing", id="1")))
    several = replace(single, output=replace(single.output, labels=("billing", "refund")))
    assert agrees(single, "billing")
    assert not agrees(single, "refund")
    assert agrees(several, "refund | billing")
    assert not agrees(several, "billing")
    assert not agrees(replace(single, output=None), "billing")


def test_none_of_these_is_right_only_where_no_label_was_answered() -> None:
    def answered(*labels: str) -> Reply:
        said = Prediction("a", labels, (LabelScore("a", 0.9),))
        return Reply("i", "t", "answered", said, "ngram", 3, "sha256:x", 0.9, "certified")

    assert agrees(answered(), "out_of_scope")  # several labels may apply, and none does: as calibration counts it
    assert not agrees(answered("a"), "out_of_scope")
    assert agrees(answered("b", "a"), "a | b")
    assert not agrees(answered("a"), "a|b")
    assert agrees(answered("a|b"), "a|b")  # one label whose name holds the separator


@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl"])
def test_labels_are_exported_as_rows_to_train_on(ledger: SqliteLedger, tmp_path: Path, name: str) -> None:
    waited = ask(ledger, 'abstain billing "quoted",\nin two lines')
    corrected, audited = ask(ledger, "billing b"), ask(ledger, "billing audited")
    queue = ReviewQueue(ledger.reader, ledger)

    async def scenario() -> None:
        await queue.label(waited, "refund", "ana")
        await queue.feedback(corrected, "spam", "user")
        await queue.label(audited, "refund", "ben")
        await queue.feedback(audited, "refund", "user")

    asyncio.run(scenario())
    write_training_rows(tmp_path / name, queue.training_rows("support"), text="message", label="team")
    data = read(tmp_path / name, Columns(text="message", label="team", group="conversation", id="decision"))
    assert list(zip(data.texts, data.labels, data.sources, strict=True)) == [
        ('abstain billing "quoted",\nin two lines', ("refund",), "queue"),
        ("billing b", ("spam",), "correction"),
    ]
    assert queue.without_text("support") == 0


def test_an_export_names_what_it_cannot_write(ledger: SqliteLedger, tmp_path: Path) -> None:
    for path, words in ((tmp_path, "is a folder"), (tmp_path / "labels.xlsx", "'.xlsx' is not known")):
        with pytest.raises(InputError, match=words):
            write_training_rows(path, [])
    with pytest.raises(InputError, match="same name"):
        write_training_rows(tmp_path / "labels.csv", [], text=SOURCE_COLUMN)
    assert list(tmp_path.glob("labels*")) == []


def test_labels_whose_text_is_gone_are_counted(ledger: SqliteLedger) -> None:
    labelled, audited = ask(ledger, "abstain a"), ask(ledger, "abstain b audited")
    queue = ReviewQueue(ledger.reader, ledger)

    async def scenario() -> None:
        await queue.label(labelled, "billing", "ana")
        await queue.feedback(labelled, "refund", "user")
        await queue.label(audited, "billing", "ana")
        await ledger.purge_texts(older_than=1e12)

    asyncio.run(scenario())
    assert queue.training_rows("support") == []
    assert queue.without_text("support") == 1


def test_a_request_that_declares_its_class_is_labelled_like_any_other(ledger: SqliteLedger) -> None:
    request = Request("support", "abstain orders", data_class="personal")
    decision = asyncio.run(Recorded(Words(), ledger).answer(request)).id
    queue = ReviewQueue(ledger.reader, ledger)
    (item,) = queue.waiting("support")
    assert item.written is None
    assert item.suggestion is not None
    asyncio.run(queue.label(decision, "orders", "bob"))
    assert [row.label for row in queue.training_rows("support")] == ["orders"]
    assert queue.verdicts("support") == []
