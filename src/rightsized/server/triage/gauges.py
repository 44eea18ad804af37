"""Gauges of inboxes for Prometheus: what waits and is late, actions that failed, sources that cannot be read.

Labels are inboxes and sources that the settings name, never what a message says.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import get_args

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rightsized.apps.triage.actions.journal import State
from rightsized.apps.triage.health import Health, health_of
from rightsized.apps.triage.reach import Down
from rightsized.apps.triage.service import TriageService
from rightsized.core.errors import RightsizedError


class InboxGauges(Collector):
    """Read from the inboxes at each scrape. One that cannot be opened has `up` 0 and nothing else."""

    def __init__(self, triage: TriageService) -> None:
        self._triage = triage

    def describe(self) -> list[GaugeMetricFamily]:
        return list(_families({}, {}))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found: dict[str, Health | None] = {}
        down: dict[tuple[str, str], Down] = {}
        for name in self._triage.inboxes.names():
            try:
                inbox = self._triage.inboxes.open(name)
                found[name] = health_of(inbox, time.time())
                down |= {(name, source): one for source, one in inbox.reach.down().items()}
            except RightsizedError:
                found[name] = None
        yield from _families(found, down)


def _families(found: dict[str, Health | None], down: dict[tuple[str, str], Down]) -> Iterator[GaugeMetricFamily]:
    def gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"rightsized_triage_{name}", meaning, labels=["inbox", *labels])

    up = gauge("inbox_up", "1 where the inbox can be opened.")
    messages = gauge("messages", "Messages by status: waiting, routed, done; failed could not be read.", "status")
    late = gauge("late", "Messages that wait although an answer was owed before.")
    oldest = gauge("oldest_waiting_timestamp_seconds", "When the oldest message that waits arrived.")
    actions = gauge("actions", "Actions outside, by state.", "state")
    since = gauge("source_down_since_timestamp_seconds", "Since when a source cannot be read.", "source")
    for name, one in found.items():
        up.add_metric([name], float(one is not None))
        if one is None:
            continue
        late.add_metric([name], one.late)
        for status in ("waiting", "routed", "done", "failed"):
            messages.add_metric([name, status], one.messages.get(status, 0))
        for state in get_args(State):
            actions.add_metric([name, state], one.actions.get(state, 0))
        if one.oldest is not None:
            oldest.add_metric([name], one.oldest)
    for (name, source), lost in down.items():
        since.add_metric([name, source], lost.since)
    yield from (up, messages, late, oldest, actions, since)
