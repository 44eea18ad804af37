"""What `calibrate collect` sends where: no tier gets a prompt that it may not have, and no personal value leaves."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway_samples import settings, write_rows
from privacy_gateway import MAIL, NAME, Detector, echo
from rightsized.core.errors import ForbiddenError
from rightsized.tasks import pseudonyms
from rightsized.tasks.chat_collect import CollectPlan, CollectReport, collect
from rightsized.tasks.chat_records import ChatPlan
from rightsized.tasks.chat_slices import prepare
from tests.engines.upstream import Upstream, Writer, _request, whole

TIERS = """
[[tiers]]
name = "small"
engine = "fake"
context = 60

[[tiers]]
name = "cloud"
tier = 1
model = "big"
url = "http://127.0.0.1:{port}/v1"
options = {{on_premises = false}}
pseudonymise = true
data_classes = ["internal"]
samples = 2

[guard]
detect = "always"
"""


class Echoes(Upstream):
    """Says each request's last message again, however many come at once."""

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        while (request := await _request(reader)) is not None:
            self.seen.append(request)
            await whole(echo(request))(self, writer)
        writer.close()


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pseudonyms._shared.cache_clear()
    monkeypatch.setattr(pseudonyms, "open_detector", lambda store, config: Detector())
    yield
    pseudonyms._shared.cache_clear()


@contextmanager
def listening() -> Iterator[Upstream]:
    """The upstream in a thread with a loop of its own: collecting runs one itself."""
    upstream, loop = Echoes([]), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(upstream.serve, "127.0.0.1", 0))
    upstream.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def collected(home: Path, upstream: Upstream, rows: list[dict[str, Any]], **more: Any) -> CollectReport:
    data = write_rows(home / "prompts.jsonl", rows)
    config = settings(home, TIERS.format(port=upstream.port))
    return collect(config, CollectPlan(str(data), str(home / "rows.jsonl"), **more))


def written(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "rows.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.usefixtures("detector")
def test_a_pseudonymised_tier_is_asked_and_no_personal_value_leaves(tmp_path: Path) -> None:
    rows = [{"prompt": f"Write to {NAME} at {MAIL}, number {n}."} for n in range(3)]
    with listening() as upstream:
        report = collected(tmp_path, upstream, rows, data_class="internal")
    assert (report.rows, report.calls, report.kept_back) == (3, 3 * (1 + 1 + 2), {})
    assert len(upstream.seen) == 3 * 3  # the answer and two further samples of each
    sent = b"".join(one.raw for one in upstream.seen).decode()
    assert "Write to" in sent
    assert not any(value in sent for value in (NAME, "M\\u00fc", "ller", MAIL, "zoe"))
    for row, asked in zip(written(tmp_path), rows, strict=True):
        assert row["answers"]["cloud"] == asked["prompt"]  # the values are back in what people label
        assert row["samples"]["cloud"] == [asked["prompt"]] * 2
        assert row["data_class"] == "internal"


@pytest.mark.usefixtures("detector")
def test_rows_that_a_tier_may_not_have_are_kept_from_it_and_calibrate(tmp_path: Path) -> None:
    rows = [
        {"prompt": "How are you?", "data_class": "internal"},
        {"prompt": "Her blood pressure is high.", "data_class": "health"},
        {"prompt": "word " * 80, "data_class": "internal"},
    ]
    with listening() as upstream:
        report = collected(tmp_path, upstream, rows)
    assert report.kept_back == {"small": 1, "cloud": 1}
    assert "blood" not in b"".join(one.raw for one in upstream.seen).decode()
    found = written(tmp_path)
    assert [sorted(row["answers"]) for row in found] == [["cloud", "small"], ["small"], ["cloud"]]
    for row in found:
        row["correct"] = dict.fromkeys(row["answers"], True)
    data = write_rows(tmp_path / "labelled.jsonl", found)
    config = settings(tmp_path, TIERS.format(port=9))
    slices = prepare(ChatPlan(str(tmp_path), "chat", str(data), encoder="", settings=config))
    assert sorted(sorted(row.barred) for row in slices.every()) == [[], ["cloud"], ["small"]]


@pytest.mark.usefixtures("detector")
def test_nothing_is_sent_where_a_row_could_be_asked_of_nobody_or_a_tier_nothing(tmp_path: Path) -> None:
    with listening() as upstream:
        with pytest.raises(ForbiddenError, match="'cloud' may not be asked row 1: secret data"):
            collected(tmp_path, upstream, [{"prompt": "hello"}])
        (tmp_path / "policy.toml").write_text(
            'version = 1\n[[requests]]\nid = "quiet"\neffect = "deny"\ntenants = ["ward-3"]\n'
        )
        rows = [{"prompt": "a", "data_class": "internal"}, {"prompt": "b", "tenant": "ward-3"}]
        with pytest.raises(ForbiddenError, match="rule quiet"):
            collected(tmp_path, upstream, rows)
    assert upstream.seen == []
    assert not (tmp_path / "rows.jsonl").exists()
