"""Decisions to write in tests of the ledger and of what stands on it."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path
from typing import Any

import msgspec

from rightsized.core.types import Attempt, Decision, LabelScore, Prediction, Reply, Request
from rightsized.ledger.ids import new_id
from rightsized.ledger.log import SqliteLedger
from rightsized.store.secrets import SecretFolder


def prediction(label: str) -> Prediction:
    return Prediction(label, (label,), (LabelScore(label, 0.9), LabelScore("other", 0.1)))


def reply(decision_id: str, label: str = "billing", *, answered: bool = True, certificate: str = "") -> Reply:
    attempt = Attempt("encoder", 3, "sha256:aa", 0.9, 0.8 if answered else 0.95, answered, prediction(label))
    return Reply(
        id=decision_id,
        task="support",
        status="answered" if answered else "abstained",
        output=prediction(label) if answered else None,
        rung="encoder" if answered else "person",
        tier=3 if answered else 0,
        model="sha256:aa",
        confidence=0.9,
        state="certified",
        certificate=certificate,
        certified=answered,
        attempts=(attempt,),
    )


def started(text: str = "my card was charged twice", *, audit: bool = False, task: str = "support") -> Decision:
    now = time.time()
    return Decision(
        id=new_id(now),
        task=task,
        version="1",
        started=now,
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        phase="started",
        audit=audit,
        audit_probability=0.02,
    )


class Echo:
    """Answers with the text's first word as its label; `abstain` and `fail` as first words do that."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    async def answer(self, request: Request) -> Reply:
        self.asked.append(request)
        word = request.text.split()[0]
        if word == "fail":
            raise ValueError("the model broke")
        return reply(request.id, word, answered=word != "abstain")


def open_ledger(path: object, **options: float) -> SqliteLedger:
    return SqliteLedger(str(path), group_ms=options.get("group_ms", 0.0), queue_rows=int(options.get("queue_rows", 99)))


def signed_ledger(folder: Path, **options: Any) -> SqliteLedger:
    """A log in `folder` whose keys are in its folder of secrets."""
    return SqliteLedger(
        folder / "d.sqlite", group_ms=0, queue_rows=5000, secrets=SecretFolder(folder / "secrets"), **options
    )


async def write_decisions(ledger: SqliteLedger, count: int) -> list[str]:
    """Record decisions, all at once; returns their ids."""

    async def one(number: int) -> str:
        begun = started(f"message {number}")
        await ledger.begin(begun, f"message {number}")
        await ledger.finish(msgspec.structs.replace(begun, phase="done", reply=reply(begun.id)))
        return begun.id

    return list(await asyncio.gather(*(one(n) for n in range(count))))
