"""The gateway of one home folder: opens the tiers that the settings name and composes
Recorded(Timed(Policy(Safe(Cached(Ladder(tiers)))))).

What the server talks to is `gateway_protocol.Gateway`; this is it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractContextManager

import msgspec

from rightsized.cascade.answer_tests import AnswerTests
from rightsized.cascade.generate import Ladder, LadderSetup
from rightsized.cascade.promise import Promise
from rightsized.cascade.tier import Tier, asked_tokens, prompt_tokens, unknown_language
from rightsized.core.config import Config
from rightsized.core.errors import BusyError, RightsizedError
from rightsized.core.generation import (
    AUTO,
    Caller,
    EngineStatus,
    Generation,
    Operation,
    Piece,
    Usage,
    strictest,
)
from rightsized.core.protocols import Answerer
from rightsized.core.streams import closing, until
from rightsized.core.types import Begun, Reply, Request
from rightsized.engines.language import LanguageDetector
from rightsized.guard.policy.answerer import Policy
from rightsized.guard.policy.store import PolicyStore
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.recorded import Coin, Recorded, no_coin
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore
from rightsized.tasks.answer_tests import RunsInService, admit, as_sent
from rightsized.tasks.audits import AuditWatch
from rightsized.tasks.chat_identity import open_tier
from rightsized.tasks.chat_standing import InForce, in_force, version_in_force
from rightsized.tasks.chat_watch import watched
from rightsized.tasks.deadline import Timed, cut_off, end_of, too_late
from rightsized.tasks.detection import Detection
from rightsized.tasks.gateway_protocol import GatewayStatus, ModelEntry
from rightsized.tasks.gateway_status import gateway_status, tier_status
from rightsized.tasks.long_inputs import LongInputs
from rightsized.tasks.opened import Encoders
from rightsized.tasks.policies import destination, open_policy
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.reply_cache import Cached
from rightsized.tasks.safety import safe
from rightsized.tasks.spending import Reservation, Spending
from rightsized.tasks.tier_languages import with_languages

UNLIMITED_TOKENS = 1024  # counted against a budget for an answer whose length the request does not limit
WRITTEN: tuple[Operation, ...] = ("chat", "completions")  # what `auto` answers; vectors need a model's name
_FOR_RECORD_S = 1.0  # after the end of a request, in which its record is written; a log that is stuck holds nobody


class LocalGateway:
    """Opened by `start`, ended by `close`.

    Args:
        ledger: where decisions go; None records nothing.
        coin: the audit coin.
        encoders: opens the encoder that a calibrated cascade reads prompts with; None serves without a cascade.
        spending: what keys have used; shared with the server, which admits requests.
        policy: the policy in force, shared with the tasks; None reads that of the home.
    """

    def __init__(
        self,
        config: Config,
        ledger: SqliteLedger | None = None,
        coin: Coin = no_coin,
        *,
        encoders: Encoders | None = None,
        spending: Spending | None = None,
        policy: PolicyStore | None = None,
    ) -> None:
        config = with_languages(config)
        self._config, self._ledger, self._coin, self._encoders = config, ledger, coin, encoders
        self._keys, self._policy = KeyStore(Home(config.home)), policy or open_policy(config)
        self._detection = Detection(config, self._policy)
        self._spending = spending or Spending(ledger.reader if ledger else None)
        self._detector = LanguageDetector() if any(tier.languages for tier in config.tiers) else None
        language = self._detector or unknown_language
        self._tiers = tuple(Tier(tier, open_tier(tier, config), language) for tier in config.tiers)
        self._runs = RunsInService(config.tests) if config.tests.run else None
        self._retired: list[Recorded] = []
        self._in_flight = 0
        self._ruled = ""  # digest of the policy at the last look
        self._install(InForce(Promise("none")))

    def _install(self, force: InForce) -> None:
        """Serve by this cascade from the next request on; those in flight end by the one before."""
        gateway = self._config.gateway
        setup = LadderSetup(
            self._tiers,
            force.promise,
            force.calibrated,
            uncertified_tier=gateway.uncertified_tier,
            stream=gateway.stream,
            sticky=gateway.sticky,
            go_on=self._config.audit.after_alarm == "continue",
            tests=AnswerTests(self._runs, self._config.tests.rule) if self._runs is not None else None,
        )
        self.force, self.ladder = force, Ladder(setup)
        self.watch: AuditWatch | None = None
        inner: Answerer = self.ladder
        if gateway.cache_entries:
            inner = Cached(self.ladder, entries=gateway.cache_entries, seconds=gateway.cache_seconds)
        self._costs: Ladder | LongInputs = self.ladder
        if gateway.long_inputs == "map-reduce":
            inner = self._costs = LongInputs(inner, self.ladder, steps=gateway.long_steps)
        places = [destination(tier.config, tier.generator) for tier in self._tiers]
        ruled = Timed(
            Policy(safe(inner, self._policy, self._config, self._tiers, self._encoders), self._policy, places)
        )
        self._answerer: Answerer = ruled
        if self._ledger is not None:
            watch = watched(self._ledger, force, self._config.audit, self.ladder, ruled, self._coin)
            recorded = Recorded(ruled, self._ledger, coin=watch.coin, version=force.version or self._version())
            self._retired.append(recorded)
            self._answerer, self.watch = watch.around(recorded), watch.audits

    async def refresh(self) -> None:
        """Take up a cascade that was calibrated meanwhile, and look at the audits again."""
        if self._encoders is not None and self._outdated():
            reader = self._ledger.reader if self._ledger else None
            engines = {tier.name: tier.generator for tier in self._tiers}
            found = await asyncio.to_thread(in_force, self._config, self._encoders, reader, engines, self._policy)
            self._install(found)
        if self.watch is not None:
            await self.watch.refresh()

    def _outdated(self) -> bool:
        """Whether another cascade is to be served, or this one under another policy than at the last look."""
        policy = self._policy.current.digest if self._policy.current is not None else ""
        ruled, self._ruled = self._ruled, policy
        version = self.force.version
        return version_in_force(self._config) != version or (bool(version) and policy != ruled)

    async def start(self) -> None:
        """Open every tier. Raises what makes one unusable for good, such as a missing model."""
        if self._detector:
            await asyncio.to_thread(self._detector.load)
        await self.refresh()
        if self._runs is not None:
            await asyncio.to_thread(self._runs.missing)
        for number, tier in enumerate(self._tiers):
            try:
                await tier.generator.start()
            except BaseException:
                for opened in self._tiers[:number]:
                    await opened.generator.close()
                raise

    async def close(self) -> None:
        """Write the ends of cancelled requests, then let go of every tier."""
        for recorded in self._retired:
            await recorded.drain()
        for tier in self._tiers:
            with contextlib.suppress(RightsizedError):
                await tier.generator.close()
        if self._runs is not None:
            self._runs.close()

    def models(self) -> list[ModelEntry]:
        """`auto`, the tiers, and the models they serve where those have names of their own."""
        if not self._tiers:
            return []
        promise = self.ladder.setup.promise
        written = tuple(sorted({op for tier in self._tiers for op in _operations(tier) if op in WRITTEN}))
        small = max(tier.config.tier for tier in self._tiers)
        entries = [ModelEntry(AUTO, "cascade", small, written, 0, promise.state, promise.certificate)]
        for tier in self._tiers:
            entries.append(_entry(tier, tier.name, "tier"))
            if tier.config.model and tier.config.model not in {entry.id for entry in entries}:
                entries.append(_entry(tier, tier.config.model, "model"))
        return entries

    @property
    def cascade(self) -> str:
        """The task's name under which decisions stand."""
        return self._config.gateway.cascade

    def standing(self) -> GatewayStatus:
        """The tiers and the promise now."""
        tiers = [tier_status(t.config, t.generator, t.generator.status()) for t in self._tiers]
        monitor = self.watch.status if self.watch else None
        waiting = ReviewQueue(self._ledger.reader).count(self.cascade) if self._ledger else 0
        return gateway_status(self._config.gateway, tiers, self.force, monitor=monitor, waiting=waiting)

    def status(self) -> dict[str, EngineStatus]:
        """How each tier is."""
        return {tier.name: tier.generator.status() for tier in self._tiers}

    def failures(self) -> dict[tuple[str, str], int]:
        """Attempts that came to nothing since the start, by tier and the error's code."""
        return {(tier.name, code): count for tier in self._tiers for code, count in tier.failures.items()}

    async def generate(self, generation: Generation, caller: Caller, conversation: str = "") -> Reply:
        """The whole answer, once its decision is on the disk. Raises as gateway_protocol.Gateway says."""
        with self._counted():
            request = await self._detection.look(self._request(generation, caller, conversation))
            with self._reserved(request) as reservation:
                try:
                    async with asyncio.timeout_at(_end_with_record(request)):
                        reply = await self._answerer.answer(request)
                except TimeoutError:
                    raise too_late() from None
                except RightsizedError as error:
                    if not cut_off(request, error):  # what was ended half-way may be charged for
                        reservation.settle(_spent(request))
                    raise
                reservation.settle(reply.cost, _tokens(reply))
                return reply

    async def stream(
        self, generation: Generation, caller: Caller, conversation: str = ""
    ) -> AsyncGenerator[Begun | Piece | Reply, None]:
        """`Begun`, pieces, the Reply. Raises as gateway_protocol.Gateway says."""
        with self._counted():
            request = await self._detection.look(self._request(generation, caller, conversation))
            with self._reserved(request) as reservation:
                written = False
                try:
                    piecewise = until(_end_with_record(request), self._answerer.stream(request), too_late)
                    async with closing(piecewise) as pieces:
                        async for piece in pieces:
                            if isinstance(piece, Reply):
                                reservation.settle(piece.cost, _tokens(piece))
                            written = True
                            yield piece
                except RightsizedError as error:
                    if not written and not cut_off(request, error):  # what broke off half-way may be charged for
                        reservation.settle(_spent(request))
                    raise

    def _request(self, generation: Generation, caller: Caller, conversation: str) -> Request:
        admit(self._config.tests, generation, caller)
        deadline = min(generation.deadline, time.monotonic() + self._config.gateway.timeout_s)
        data_class = strictest(generation.data_class, caller.data_class)
        within = f"{caller.tenant}/{conversation}" if conversation else ""
        generation = msgspec.structs.replace(
            generation, deadline=deadline, data_class=data_class, least=caller.data_class, conversation=within
        )
        return Request(
            task=self._config.gateway.cascade,
            text=msgspec.json.encode(as_sent(generation)).decode(),
            conversation=conversation,
            generation=generation,
            tenant=caller.tenant,
            key=caller.key,
            trace=[],
            roles=caller.roles,
            subject=caller.subject,
            dry_run=caller.dry_run,
        )

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        most = self._config.gateway.in_flight
        if self._in_flight >= most:
            raise BusyError(
                f"{most:,} requests are being answered already.",
                fix="Try again in a moment, or raise gateway.in_flight.",
            )
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def _reserved(self, request: Request) -> AbstractContextManager[Reservation]:
        """Sets aside what every tier that may be asked could charge for the request, drafts included. Its tokens count
        where it is not settled, as where a client leaves a stream."""
        key = self._keys.get(request.key) if request.key else None
        generation = request.generation
        if key is None or generation is None or not (key.limits.budget_usd or key.limits.tokens_per_minute):
            return self._spending.reserved(key, 0.0)
        written = asked_tokens(generation)
        usage = Usage(prompt_tokens(generation), UNLIMITED_TOKENS if written is None else written)
        most = self._costs.most_cost(generation, usage) if key.limits.budget_usd else 0.0
        return self._spending.reserved(key, most, usage.prompt_tokens + usage.completion_tokens)

    def _version(self) -> str:
        """Names what answers: the tiers, their models and how they stand together."""
        tiers = [(tier.name, tier.model) for tier in self._tiers]
        tests = [self._config.tests] if self._config.tests.run else []
        digest = hashlib.sha256(msgspec.json.encode((tiers, self._config.gateway, *tests), order="deterministic"))
        return digest.hexdigest()[:12]


def _operations(tier: Tier) -> tuple[Operation, ...]:
    return tuple(operation for operation in tier.config.operations if operation in tier.generator.operations)


def _entry(tier: Tier, name: str, kind: str) -> ModelEntry:
    return ModelEntry(name, kind, tier.config.tier, _operations(tier), tier.config.context or tier.generator.context)


def _spent(request: Request) -> float:
    """US dollars that the attempts made for a failed request cost."""
    return sum(attempt.cost for attempt in request.trace or ())


def _end_with_record(request: Request) -> float:
    return end_of(request) + _FOR_RECORD_S


def _tokens(reply: Reply) -> int:
    """Tokens read and written, drafts and further samples included."""
    usages = [attempt.completion.usage for attempt in reply.attempts if attempt.completion is not None]
    usages += [attempt.sampled for attempt in reply.attempts]
    return sum(usage.prompt_tokens + usage.completion_tokens for usage in usages)
