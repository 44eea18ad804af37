"""Which tiers the rules of service would keep each row of a calibration from: the same detection, policy and vetoes.

A promise is about what is served. So a row is looked at as a request would be before any model writes, and a tier that
would be vetoed gives it no answer here either, nor does any after it. `routing_digests` names all that this depends on.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from urllib.parse import urlsplit

import msgspec

from rightsized.cascade.tier import CHARS_A_TOKEN, Tier, unknown_language
from rightsized.core.config import Config
from rightsized.core.egress import is_loopback
from rightsized.core.errors import ConfigError, ForbiddenError, RightsizedError, UnsupportedError
from rightsized.core.generation import (
    DATA_CLASSES,
    Completion,
    DataClass,
    EngineStatus,
    Generation,
    Generator,
    Operation,
    Piece,
)
from rightsized.core.tiers import TierConfig
from rightsized.core.types import Request
from rightsized.engines.language import LanguageDetector
from rightsized.engines.testrun.runner import identity
from rightsized.guard.policy.answerer import admitted
from rightsized.guard.policy.file import PolicyFile
from rightsized.guard.policy.rulebook import Rulebook, facts_of
from rightsized.guard.policy.store import PolicyStore
from rightsized.tasks.chat_declared import Declared
from rightsized.tasks.chat_identity import open_tier
from rightsized.tasks.detection import Detection
from rightsized.tasks.policies import destination, open_policy
from rightsized.tasks.pseudonyms import detector_digest
from rightsized.tasks.tier_languages import with_languages

AT_ONCE = 64  # rows looked at side by side
ROUTING, LIMITS = "routing", "limits."
LANGUAGES = "py3langid"  # the package that tells them
FACTS = ("tenants", "keys", "roles")  # what rules of a policy may ask of a request beside its data


def tiers_to_look_at(config: Config, names: Sequence[str]) -> list[Tier]:
    """The tiers of these names that the settings have, opened as far as vetoes need it: a key may be absent.

    Raises ConfigError, NotFoundError, MissingExtraError: one cannot be opened, or no language can be told.
    """
    known = {tier.name: tier for tier in with_languages(config).tiers}
    chosen = [known[name] for name in names if name in known]
    language = LanguageDetector() if any(tier.languages for tier in chosen) else unknown_language
    return [Tier(tier, _generator(tier, config), language) for tier in chosen]


class Admission:
    """Looks at rows as service looks at requests, under the settings and the policy as they are now.

    Args:
        tiers: in order of cost.
        undeclared: class of a request that names none; None takes that of the settings.
        task: the cascade's name, under which the requests will be served.
    Raises:
        ConfigError: the policy is wrong.
    """

    def __init__(
        self, config: Config, tiers: Sequence[Tier], task: str, *, undeclared: DataClass | None = None
    ) -> None:
        self.tiers = tuple(tiers)
        self._task, self._undeclared = task, undeclared or config.gateway.data_class
        self._policy = open_policy(config)
        self._detection = Detection(config, self._policy)
        policy, places = self._policy.current, [destination(tier.config, tier.generator) for tier in tiers]
        self._book = Rulebook(policy, places) if policy is not None else None

    def look(self, asked: Sequence[tuple[Generation, Declared]]) -> list[Admitted]:
        """Each request as the tiers would get it, and why some would not."""
        return asyncio.run(self._all(asked))

    def asks_for(self) -> list[str]:
        """What the policy's rules look at in a request beside its data: tenants, keys, roles."""
        policy = self._policy.current
        rules = [*policy.requests, *policy.flows, *policy.residency] if policy is not None else []
        return [fact for fact in FACTS if any(getattr(rule, fact, ()) for rule in rules)]

    async def _all(self, asked: Sequence[tuple[Generation, Declared]]) -> list[Admitted]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(generation: Generation, declared: Declared) -> Admitted:
            async with gate:
                return await self._one(declared.request(self._task, generation, self._undeclared))

        return list(await asyncio.gather(*(one(*each) for each in asked)))

    async def _one(self, request: Request) -> Admitted:
        request = await self._detection.look(request)
        if self._book is not None:
            try:
                request = admitted(request, self._book.rule(facts_of(request, self._undeclared)))
            except ForbiddenError as error:
                return Admitted(_generation(request), {tier.name: error.message for tier in self.tiers}, error)
        generation = _generation(request)
        return Admitted(generation, {t.name: why for t in self.tiers if (why := t.veto(generation))})


@dataclass(frozen=True)
class Admitted:
    """A request after detection and policy; `vetoes`: why tiers may not be asked; `denied`: why none may."""

    generation: Generation
    vetoes: dict[str, str]
    denied: ForbiddenError | None = None


class _Unreached:
    """A tier at an address off this machine whose key is not at hand: what vetoes ask is known without it."""

    on_premises, context, digest = False, 0, ""

    def __init__(self, tier: TierConfig) -> None:
        self.name, self.operations = tier.name, frozenset[Operation](tier.operations)

    async def generate(self, generation: Generation) -> Completion:
        """Nothing is asked of it. Raises UnsupportedError."""
        raise UnsupportedError(f"The tier {self.name!r} was opened to be looked at, not to be asked.")

    async def stream(self, generation: Generation) -> AsyncIterator[Piece | Completion]:
        """As `generate`."""
        yield await self.generate(generation)

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to free."""

    def status(self) -> EngineStatus:
        return EngineStatus(ready=False, detail="its key is not at hand")


def routing_digests(config: Config, policy: PolicyStore | None = None) -> dict[str, str]:
    """`limits.NAME` of each tier and `routing`: all that vetoes depend on beside the request and the model.

    What the model itself sets (where it runs, what it reads where the settings do not say) is pinned with the model, so
    that no engine is opened here.

    Args:
        policy: the one in force; None reads that of the home.
    """
    found = {f"{LIMITS}{tier.name}": _digest(_limits(tier)) for tier in with_languages(config).tiers}
    return found | {ROUTING: _routing(config, policy or open_policy(config))}


def routing_of(config: Config | None, tiers: Sequence[str]) -> dict[str, str]:
    """Of `routing_digests`, what the way to these tiers depends on; nothing where there are no settings."""
    wanted = {ROUTING, *(f"{LIMITS}{tier}" for tier in tiers)}
    found = routing_digests(config) if config is not None else {}
    return {name: digest for name, digest in found.items() if name in wanted}


def _limits(tier: TierConfig) -> tuple[object, ...]:
    allowed = [[known for known in DATA_CLASSES if tier.allows(known, on_premises=here)] for here in (True, False)]
    operations = [one for one in ("chat", "completions") if one in tier.operations]
    languages = [_language_model(), *sorted(tier.languages)] if tier.languages else []
    return (operations, tier.context, CHARS_A_TOKEN, languages, allowed, tier.region)


def _language_model() -> str:
    try:
        return metadata.version(LANGUAGES)
    except metadata.PackageNotFoundError:
        return "absent"


def _routing(config: Config, policy: PolicyStore) -> str:
    looks = Detection(config, policy).may_matter
    mode = config.guard.detect if looks else "off"
    tests = [identity(config.tests)] if config.tests.run else []
    return _digest((config.gateway.data_class, _rules(policy.current), mode, _detector(config, looks), *tests))


def _rules(policy: PolicyFile | None) -> list[object]:
    """What a policy's rules about data say, without names, reasons and their order, on which no ruling depends."""
    if policy is None:
        return []
    said = [msgspec.to_builtins(rule) for rule in (*policy.requests, *policy.flows, *policy.residency)]
    kept = [{name: value for name, value in rule.items() if name not in ("id", "reason")} for rule in said]
    return [policy.defaults, sorted(msgspec.json.encode(rule, order="deterministic").decode() for rule in kept)]


def _detector(config: Config, looks: bool) -> str:
    """What finds personal data; one that cannot be opened counts every text as the most restrictive."""
    if not looks:
        return ""
    try:
        return detector_digest(config)
    except RightsizedError as error:
        return error.code


def _digest(value: object) -> str:
    return "sha256:" + hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()


def _generator(tier: TierConfig, config: Config) -> Generator:
    try:
        return open_tier(tier, config)
    except ConfigError:
        host = urlsplit(tier.url).hostname or ""
        if not host or is_loopback(host):
            raise
        return _Unreached(tier)


def _generation(request: Request) -> Generation:
    assert request.generation is not None
    return request.generation
