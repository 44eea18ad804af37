"""What the OpenAI-compatible API adds to /metrics: answers, tokens and cost by tier, first bytes, clients that left.

Labels come from tiers, tasks, routes and errors, so their number is bounded by the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rightsized.core.generation import Operation, Usage
from rightsized.core.types import Reply
from rightsized.server.metrics import SECONDS, Metrics
from rightsized.tasks.service_protocol import Service

BREAKER_STATES = ("closed", "open", "half-open")
LONG = (*SECONDS, 30.0, 60.0, 120.0, 300.0)


class _Counters(NamedTuple):
    """The counters of one kind of answer."""

    generations: Counter
    prompt: Counter
    completion: Counter
    cost: Counter


class Figures:
    """Counts what is written. Shares the registry of the server's other metrics, and their count of requests."""

    def __init__(self, service: Service, metrics: Metrics) -> None:
        registry = metrics.registry
        registry.register(_TierGauges(service))
        self._metrics = metrics
        self._first_of: dict[str, Histogram] = {}
        self._known: dict[tuple[str, str, int, bool], _Counters] = {}  # looking labels up costs more than counting
        self._generations = Counter(
            "rightsized_generations", "Texts written, by the tier that wrote.",
            ["operation", "rung", "tier", "state"], registry=registry,
        )  # fmt: skip
        self._passed_on = Counter(
            "rightsized_generations_to_person", "Requests to write that no tier may answer.", ["operation"],
            registry=registry,
        )  # fmt: skip
        self._tokens = Counter(
            "rightsized_tokens", "Tokens, by tier and direction.", ["rung", "kind"], registry=registry
        )
        self._cost = Counter("rightsized_cost_usd", "US dollars spent, by tier.", ["rung"], registry=registry)
        self._first = Histogram(
            "rightsized_first_byte_seconds", "Seconds from the request head to the first event of a stream.",
            ["route"], buckets=LONG, registry=registry,
        )  # fmt: skip
        self._broken = Counter(
            "rightsized_streams_broken", "Streams that ended with an error event.", ["route"], registry=registry
        )
        self._gone = Counter(
            "rightsized_clients_gone", "Requests whose client left before the answer was whole.", ["route"],
            registry=registry,
        )  # fmt: skip

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one HTTP request."""
        self._metrics.request(route, method, status, seconds)

    def tenant_request(self, tenant: str, status: int) -> None:
        """Count one request of a tenant, empty where it has none."""
        self._metrics.tenant_request(tenant, status)

    def replied(self, reply: Reply, tenant: str) -> None:
        """Count one text for a tenant, written or handed to a person, and what it cost."""
        self._metrics.tenant_replied(tenant, reply)

    def written(self, operation: Operation, reply: Reply, usage: Usage, tenant: str) -> None:
        """Count one text written, with its tokens and cost, and for whom."""
        self._metrics.tenant_used(tenant, usage)
        key = (operation, reply.rung, reply.tier, reply.certified)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._counters(operation, reply)
        known.generations.inc()
        known.prompt.inc(usage.prompt_tokens)
        known.completion.inc(usage.completion_tokens)
        if reply.cost > 0:
            known.cost.inc(reply.cost)

    def _counters(self, operation: Operation, reply: Reply) -> _Counters:
        state = "certified" if reply.certified else "uncertified"
        return _Counters(
            self._generations.labels(operation, reply.rung, str(reply.tier), state),
            self._tokens.labels(reply.rung, "prompt"),
            self._tokens.labels(reply.rung, "completion"),
            self._cost.labels(reply.rung),
        )

    def to_person(self, operation: Operation) -> None:
        """Count one request that no tier may answer."""
        self._passed_on.labels(operation).inc()

    def classified(self, reply: Reply) -> None:
        """Count one text that a task answered or handed to a person."""
        self._metrics.reply(reply)

    def first_byte(self, route: str, seconds: float) -> None:
        """Note when a stream began."""
        known = self._first_of.get(route)
        if known is None:
            known = self._first_of[route] = self._first.labels(route)
        known.observe(seconds)

    def broken(self, route: str) -> None:
        """Count a stream that ended with an error event."""
        self._broken.labels(route).inc()

    def gone(self, route: str) -> None:
        """Count a client that left."""
        self._gone.labels(route).inc()

    def busy(self) -> None:
        """Count a request turned away because too much was waiting."""
        self._metrics.busy()


class _TierGauges(Collector):
    """How each tier is, read at each scrape."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> list[Metric]:
        return list(_families())

    def collect(self) -> Iterator[Metric]:
        families = _families()
        gateway = self._service.gateway
        for name, status in (gateway.status() if gateway else {}).items():
            families.ready.add_metric([name], float(status.ready))
            families.working.add_metric([name], status.in_flight)
            for state in BREAKER_STATES if status.breaker else ():
                families.breaker.add_metric([name, state], float(state == status.breaker))
            if status.starts:
                families.starts.add_metric([name], status.starts)
        for (name, code), count in (gateway.failures() if gateway else {}).items():
            families.failures.add_metric([name, code], count)
        yield from families


class _Families(NamedTuple):
    ready: GaugeMetricFamily
    working: GaugeMetricFamily
    breaker: GaugeMetricFamily
    starts: CounterMetricFamily
    failures: CounterMetricFamily


def _families() -> _Families:
    return _Families(
        GaugeMetricFamily("rightsized_tier_ready", "1 where a tier takes requests.", labels=["rung"]),
        GaugeMetricFamily("rightsized_tier_in_flight", "Requests that a tier works on.", labels=["rung"]),
        GaugeMetricFamily(
            "rightsized_tier_breaker", "1 for the state of a remote tier's circuit breaker, 0 for the others.",
            labels=["rung", "state"],
        ),
        CounterMetricFamily(
            "rightsized_tier_starts", "Starts of the process of a model on this machine.", labels=["rung"]
        ),
        CounterMetricFamily(
            "rightsized_tier_failures", "Attempts that came to nothing, by tier and the error's code.",
            labels=["rung", "error"],
        ),
    )  # fmt: skip
