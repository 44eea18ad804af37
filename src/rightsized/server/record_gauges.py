"""Gauges of the record: how long it is, and whether its checkpoints reach the places outside this home.

An alert on `rightsized_sink_waiting_since_timestamp_seconds` finds a witness that has been away too long, also across
restarts: it is read from the log's file.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rightsized.core.errors import StoreError
from rightsized.tasks.record_views import RecordStatus
from rightsized.tasks.service_protocol import Service


class RecordGauges(Collector):
    """Read from the service at each scrape."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> list[GaugeMetricFamily]:
        return list(_families(None))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            found = self._service.record.status()
        except StoreError:  # nothing is recorded here
            found = None
        yield from _families(found)


def _families(found: RecordStatus | None) -> Iterator[GaugeMetricFamily]:
    def gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"rightsized_{name}", meaning, labels=labels)

    entries = gauge("ledger_entries", "Entries of the log under a signed checkpoint.")
    waiting = gauge("sink_waiting", "Checkpoints that a sink does not have yet.", "sink")
    since = gauge("sink_waiting_since_timestamp_seconds", "When the oldest checkpoint that it lacks was made.", "sink")
    last = gauge("sink_last_timestamp_seconds", "When a checkpoint reached the sink last.", "sink")
    failures = gauge("sink_failures", "Tries in a row that failed.", "sink")
    if found is not None:
        entries.add_metric([], found.entries)
        for sink in found.sinks:
            waiting.add_metric([sink.sink], sink.waiting)
            failures.add_metric([sink.sink], sink.failures)
            for family, moment in ((since, sink.waiting_since), (last, sink.last)):
                if moment is not None:
                    family.add_metric([sink.sink], moment)
    yield from (entries, waiting, since, last, failures)
