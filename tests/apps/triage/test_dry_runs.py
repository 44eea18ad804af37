"""A dry run over real tasks: on record, to be explained, and nothing of it in any figure, queue or audit."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from rightsized.apps.triage.protocols import Arrival
from rightsized.apps.triage.store import MessageStore
from rightsized.apps.triage.store.records import Waits
from rightsized.core.errors import InputError, NotFoundError
from rightsized.ledger.reader import Search
from rightsized.ledger.verify import verify
from rightsized.tasks.counts import version_counts
from rightsized.tasks.learnable import ended_after, unlabelled
from rightsized.tasks.queue import ReviewQueue
from tests.apps.triage.test_on_record import LATE, NOTHING, handle, opened
from tests.apps.triage.triage_samples import a_mail


async def test_a_dry_run_can_be_explained_and_counts_for_nothing(copied_home: Path) -> None:
    async with opened(copied_home, 1.0) as (triage, service):
        arrivals = [Arrival(key, mail=a_mail(key, body, subject="")) for key, body in (("m1", LATE), ("m2", NOTHING))]
        looked = [await triage.process("inbox", one, "test:", dry_run=True) for one in arrivals]
        labels = [one.labels["support"] for one in looked if one]
        assert [one.status for one in labels] == ["answered", "abstained"]
        assert triage.inboxes.open("inbox").store.count(Waits(status=None)) == 0
        for one, said in zip(looked, labels, strict=True):
            assert one is not None
            for decision in (service.decision(one.decision), service.decision(said.decision)):
                assert (decision.dry_run, decision.audit, decision.audit_probability) == (True, False, 0.0)
            explained = await service.explain("support", service.decision_text(said.decision) or "")
            assert explained.contributions
        reader = service.record._writer().reader
        assert service.queue(None, 10) == []
        assert ReviewQueue(reader).audit_outcomes("support") == []
        assert unlabelled(reader, "support", 10) == ended_after(reader, "support", 0, 10) == []
        assert reader.search(Search(task="support")) == []
        counted = service.loaded("support")
        assert (counted.counts.requests, counted.cascade.requests) == (0, 0)
        assert version_counts(reader, counted.certificate, counted.task.version).requests == 0
        for give in (service.label, service.feedback):
            with pytest.raises(InputError, match="dry run"):
                await give(labels[1].decision, "orders", "bob")
        assert verify(reader.path).ok

        handled = [await handle(triage, "m1", LATE), await handle(triage, "m2", NOTHING)]
        real = [one.labels["support"].decision for one in handled]
        assert not {one.decision for one in labels} & set(real)
        assert [one.decision for one in ReviewQueue(reader).audit_outcomes("support")] == real
        assert counted.counts.requests == 2


async def test_an_inbox_whose_folder_was_deleted_is_opened_anew(copied_home: Path) -> None:
    async with opened(copied_home) as (triage, _):
        await handle(triage, "m1", LATE)
        folder = triage.inboxes.open("inbox").folder
        shutil.rmtree(folder)
        with pytest.raises(NotFoundError, match="no inbox"):
            triage.inboxes.open("inbox")
        await handle(triage, "m2", LATE)
        assert triage.inboxes.open("inbox").store.stands
    with contextlib.closing(MessageStore(folder)) as on_disk:
        assert [one.key for one in on_disk.waiting(Waits(status=None))] == ["m2"]
