"""Some faults of model servers through the whole server; `python -m benchmarks.faults` injects all of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.faults import measure, wrong

FAULTS = ["good", "reset-once", "status-400", "killed-mid-token", "gzip-bomb", "certificate", "refused"]


@pytest.mark.slow
def test_some_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHTSIZED_HOME", str(tmp_path))
    (tmp_path / "benchmarks").mkdir()
    result = asyncio.run(measure(tmp_path, FAULTS))
    assert result["wrong"] == []
    decisions = result["decisions"]
    assert (decisions["lost"], decisions["doubled"], decisions["without_end"]) == (0, 0, 0)
    assert result["key_found_in"] == []
    assert result["clients_that_left"]["upstream_saw"] == {"whole": 1, "stream": 1}
    assert result["gateway_killed"]["without_end"] == 1
    rows = {(row["fault"], row["form"]): row for row in result["rows"]}
    assert rows["status-400", "whole"]["client"]["status"] == 400
    midway = rows["killed-mid-token", "stream"]
    assert midway["client"]["text"] == "Half "
    assert midway["client"]["error"] == "upstream"
    assert midway["upstream_requests"] == 1
    assert midway["recorded"]["phase"] == "failed"


def test_the_check_can_fail() -> None:
    saw = {"status": 502, "error": "upstream"}
    record = {"phase": "failed"}
    for row in (
        {"fault": "good", "form": "whole", "client": saw, "recorded": record},
        {"fault": "reset-before-answer", "form": "fallback", "client": saw, "recorded": record},
        {"fault": "reset-before-answer", "form": "stream", "client": {"status": 500}, "recorded": record},
        {"fault": "reset-before-answer", "form": "whole", "client": saw, "recorded": {"phase": None}},
        {"fault": "status-400", "form": "whole", "client": saw, "recorded": record},
    ):
        assert len(wrong([row])) == 1, row
    assert wrong([{"fault": "refused", "form": "whole", "client": saw, "recorded": record}]) == []
