"""Answers leave at whole steps of time."""

from __future__ import annotations

import asyncio

import pytest

from rightsized.apps.search.index import pacing


@pytest.mark.parametrize(
    ("elapsed", "wait"), [(0.0, 0.01), (0.001, 0.009), (0.01, 0.0), (0.0101, 0.0099), (1.234, 0.006)]
)
def test_the_next_step_is_waited_for(elapsed: float, wait: float) -> None:
    assert pacing.remaining(elapsed) == pytest.approx(wait, abs=1e-9)


def test_only_the_rest_is_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(pacing.asyncio, "sleep", sleep)
    monkeypatch.setattr(pacing.time, "perf_counter", lambda: 5.0123)
    asyncio.run(pacing.paced(5.0))
    assert slept == [pytest.approx(0.0077)]
