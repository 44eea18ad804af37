"""What Prometheus reads at /metrics: counters kept here, and gauges read from the service at each scrape.

One registry an application, so that two in one process do not share figures. Labels come from routes, tasks and
rungs, whose number is bounded by what is served, never by what is asked; and from tenants, of which a bounded number
keeps its names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from rightsized.core.config import ServerConfig
from rightsized.core.generation import Usage
from rightsized.core.types import Certificate, Reply, State
from rightsized.server.record_gauges import RecordGauges
from rightsized.server.tenants import TenantLabels, TenantUses
from rightsized.tasks.records import MonitorStatus
from rightsized.tasks.service_protocol import Service

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counts requests and replies."""

    def __init__(self, service: Service, tenants: int = ServerConfig().metric_tenants) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._tenants, self.uses = TenantLabels(tenants), TenantUses()
        ProcessCollector(registry=self.registry)
        self.registry.register(_TaskGauges(service))
        self.registry.register(RecordGauges(service))
        self._requests = self._counter("requests", "HTTP requests answered.", "route", "method", "status")
        self._seconds = Histogram(
            "rightsized_request_seconds",
            "Seconds from the whole request head to the reply, body reading included.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._replies = self._counter(
            "replies", "Texts answered, by the rung that did.", "task", "rung", "tier", "state"
        )
        self._abstained = self._counter("abstentions", "Texts handed to a person.", "task", "state")
        self._of_tenant = self._counter("tenant_requests", "Requests to the API, by tenant.", "tenant", "status")
        self._tenant_tokens = self._counter("tenant_tokens", "Tokens of answers, by tenant.", "tenant", "kind")
        self._tenant_cost = self._counter("tenant_cost_usd", "US dollars spent, by tenant, drafts included.", "tenant")
        self._tenant_replies = self._counter(
            "tenant_replies", "Texts answered or handed to a person, by tenant.", "tenant", "tier", "state"
        )
        self._busy = self._counter("busy", "Requests turned away because the queue was full.")
        self._busy.inc(0)
        self._known: dict[tuple[str, ...], Counter] = {}
        self._timed: dict[str, Histogram] = {}

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"rightsized_{name}", meaning, labels, registry=self.registry)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one HTTP request. `route` is a template such as `/v1/tasks/{name}`."""
        self._child(self._requests, ("request", route, method, str(status))).inc()
        timed = self._timed.get(route)
        if timed is None:
            timed = self._timed[route] = self._seconds.labels(route)
        timed.observe(seconds)

    def tenant_request(self, tenant: str, status: int) -> None:
        """Count one request of a tenant, empty where it has none."""
        label = self._tenants.of(tenant)
        self._child(self._of_tenant, ("tenant", label, str(status))).inc()
        self.uses.request(label, status)

    def tenant_replied(self, tenant: str, reply: Reply) -> None:
        """Count one text of a tenant: by the kind of tier that answered, and whether under a promise."""
        label, state = self._tenants.of(tenant), "certified" if reply.certified else "uncertified"
        self._child(self._tenant_replies, ("replied", label, str(reply.tier), state)).inc()
        self._child(self._tenant_cost, ("cost", label)).inc(max(reply.cost, 0.0))
        self.uses.reply(label, reply)

    def tenant_used(self, tenant: str, usage: Usage) -> None:
        """Count the tokens of an answer."""
        label = self._tenants.of(tenant)
        self.uses.wrote(label, usage)
        self._child(self._tenant_tokens, ("read", label, "prompt")).inc(usage.prompt_tokens)
        self._child(self._tenant_tokens, ("wrote", label, "completion")).inc(usage.completion_tokens)

    def reply(self, reply: Reply) -> None:
        """Count one text, answered or handed to a person."""
        if reply.output is None:
            self._child(self._abstained, ("abstained", reply.task, reply.state)).inc()
        else:
            self._child(self._replies, ("reply", reply.task, reply.rung, str(reply.tier), reply.state)).inc()

    def busy(self) -> None:
        """Count one request turned away."""
        self._busy.inc()

    def _child(self, counter: Counter, key: tuple[str, ...]) -> Counter:
        child = self._known.get(key)
        if child is None:
            child = self._known[key] = counter.labels(*key[1:])
        return child

    def exposition(self) -> bytes:
        """The figures in Prometheus' text format."""
        return generate_latest(self.registry)


class _Standing(NamedTuple):
    """What is served under a promise: a task, the gateway's cascade, or answers from documents."""

    name: str
    state: State
    waiting: int
    certificate: Certificate | None
    monitor: MonitorStatus | None


class _TaskGauges(Collector):
    """The state of each task and of the gateway's cascade, read at each scrape."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> list[GaugeMetricFamily]:
        return list(_families([]))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = [_Standing(s.task.name, s.state, s.waiting, s.certificate, s.monitor) for s in self._service.tasks()]
        if self._service.gateway is not None:
            s = self._service.gateway.standing()
            name = f"gateway:{s.cascade}" if any(one.name == s.cascade for one in found) else s.cascade
            found.append(_Standing(name, s.state, s.waiting, s.certificate, s.monitor))
        promised = self._service.promises.all()
        found += [_Standing(one.task, one.state, one.waiting, one.certificate, one.monitor) for one in promised]
        return _families(found)


def _families(tasks: list[_Standing]) -> Iterator[GaugeMetricFamily]:
    def gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"rightsized_{name}", meaning, labels=["task", *labels])

    waiting = gauge("queue_length", "Messages that wait for a person.")
    state = gauge("certificate_state", "1 for the state the task is in, 0 for the others.", "state")
    expires = gauge("certificate_expires_timestamp_seconds", "When the certificate expires.")
    epsilon = gauge("certificate_epsilon", "The error budget promised.")
    alarm = gauge("monitor_alarm", "1 once the monitor has proven the promise broken.")
    evidence = gauge("monitor_evidence", "The e-value against the promise; an alarm at the limit beside it.")
    limit = gauge("monitor_alarm_at", "The e-value at which the alarm sounds.")
    audits = gauge("monitor_audits", "Audits answered since the certificate was made.")
    missing = gauge("monitor_missing", "Audits that cannot be answered, since the last tier could not be asked.")
    for status in tasks:
        task = [status.name]
        waiting.add_metric(task, status.waiting)
        for name in get_args(State):
            state.add_metric([*task, name], float(name == status.state))
        if status.certificate is not None:
            expires.add_metric(task, status.certificate.expires)
            epsilon.add_metric(task, status.certificate.epsilon)
        if status.monitor:
            alarm.add_metric(task, float(status.monitor.alarmed))
            evidence.add_metric(task, status.monitor.e_value)
            limit.add_metric(task, status.monitor.alarm_at)
            audits.add_metric(task, status.monitor.audits)
            missing.add_metric(task, status.monitor.missing)
    yield from (waiting, state, expires, epsilon, alarm, evidence, limit, audits, missing)
