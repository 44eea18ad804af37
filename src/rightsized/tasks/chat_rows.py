"""What people said of written answers, as rows that `calibrate chat` trains on: one row a decision.

Each says where its label comes from, so that it never calibrates. Of every decision one text was judged, so a row holds
one tier's answer. Audited decisions are left out, as in the rows of a task (tasks/exported.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from rightsized.core.errors import InputError
from rightsized.core.generation import Completion, Generation
from rightsized.store import atomic
from rightsized.tasks.answer_tests import taken_apart
from rightsized.tasks.chat_exchange import exchange_of
from rightsized.tasks.dataset import SOURCE_COLUMN
from rightsized.tasks.exported import SOURCE_OF
from rightsized.tasks.queue import ReviewQueue, Verdict
from rightsized.tasks.written import content_of, first_choice, judged

SUFFIX = ".jsonl"


def chat_rows(queue: ReviewQueue, task: str) -> tuple[list[dict[str, Any]], int]:
    """The rows, and how many more labels there are whose texts have been deleted or hold no prompt in words."""
    verdicts = queue.verdicts(task)
    rows = [row for verdict in verdicts if (row := chat_row(verdict, queue.text_of)) is not None]
    return rows, len(verdicts) - len(rows) + queue.verdicts_without_text(task)


def chat_row(verdict: Verdict, text_of: Callable[[str], str | None]) -> dict[str, Any] | None:
    """One verdict as a row; None where the answer's text is gone, or the request was not for text."""
    attempt, (body, tests) = judged(verdict.reply), taken_apart(msgspec.json.decode(verdict.body))
    said = text_of(attempt.completion.sha256) if attempt is not None and attempt.completion is not None else None
    asked = _asked(body)
    if said is None or attempt is None or attempt.completion is None or not asked:
        return None
    completion = Completion(content_of(first_choice(said)), attempt.completion.finish, body=msgspec.json.decode(said))
    exchange = exchange_of(Generation("chat", body), completion)
    row = {**asked, "answers": {attempt.rung: exchange.answer}, "correct": {attempt.rung: verdict.right}}
    if tests is not None:
        row["tests"] = msgspec.to_builtins(tests)
    if exchange.logprobs:
        row["logprobs"] = {attempt.rung: list(exchange.logprobs)}
    return row | {
        "label_kind": "human",
        SOURCE_COLUMN: SOURCE_OF[verdict.kind],
        "decision": verdict.decision,
        "conversation": verdict.conversation,
    }


def write_chat_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows as JSON lines; a file that is there is replaced.

    Raises InputError (another format), StoreError, DiskFullError.
    """
    check_chat_destination(path)
    atomic.export(path, b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


def check_chat_destination(path: Path) -> None:
    """Raises InputError where such rows cannot be written under this name."""
    if path.is_dir() or path.suffix.lower() != SUFFIX:
        raise InputError(
            f"{path} is not the name of a {SUFFIX} file: messages and answers do not fit a table.",
            fix=f"Use {path.with_suffix(SUFFIX) if not path.is_dir() else path / f'labels{SUFFIX}'}",
        )


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    """The prompt's fields of a row; empty where there are no words."""
    found: dict[str, Any] = {}
    if isinstance(body.get("messages"), list):
        found["messages"] = body["messages"]
    elif isinstance(body.get("prompt"), str) and body["prompt"].strip():
        found["prompt"] = body["prompt"]
    if found and isinstance(body.get("response_format"), dict):
        found["response_format"] = body["response_format"]
    return found
