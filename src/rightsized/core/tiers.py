"""Settings of the gateway: which models stand in the ladder, in order of cost, and how requests pass among them.

`[[tiers]]` in `rightsized.toml`, one table a tier; `[gateway]` for what holds for all of them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct, field

from rightsized.core import registry
from rightsized.core.egress import Egress, is_loopback
from rightsized.core.errors import ConfigError
from rightsized.core.generation import DataClass, Operation
from rightsized.core.pseudonyms import PseudonymConfig

MOST_SAMPLES = 16  # further answers a check compares: each costs a call
RESERVED = ("auto", "task", "person")
ANY_LANGUAGE = "any"
ENGINES = "rightsized.engines"


class TierConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One model of the ladder. Keys to other services are named here, never written here."""

    name: str  # what requests and decisions call it
    engine: str = "remote"  # remote (an OpenAI-compatible server), llamacpp (a GGUF model on this machine), fake
    tier: int = 2  # 2 a small model, 1 a large one
    model: str = ""  # the upstream's name of the model, or the name of a model in the store
    url: str = ""  # base address of a remote server, such as http://127.0.0.1:11434/v1
    preset: str = "openai"  # which remote server it is: its known quirks
    key_env: str = ""  # environment variable that holds the key of a remote server
    key_file: str = ""  # file that holds it
    headers: dict[str, str] = field(default_factory=dict)  # more headers for a remote server
    operations: tuple[Operation, ...] = ("chat", "completions")  # what it is asked for
    context: int = 0  # tokens it reads, prompt and answer together; 0 = not checked here
    languages: tuple[str, ...] = ()  # ISO 639-1 codes it is used for; unset: those of its card; "any": all
    data_classes: tuple[DataClass, ...] | None = None  # what it may be sent; unset: on this machine all, else nothing
    region: str = ""  # where it runs, for requests that must stay in a region; unset: on this machine any, else none
    price_in: float = 0.0  # US dollars a million prompt tokens
    price_out: float = 0.0  # US dollars a million tokens written
    timeout_s: float = 120.0  # longest wait for a whole answer, seconds
    first_byte_s: float = 60.0  # longest silence before or within an answer, seconds
    connect_s: float = 5.0  # longest wait for a connection, seconds
    retries: int = 2  # further tries after a failure that may pass
    concurrent: int = 64  # requests sent at a time
    queue: int = 256  # requests that may wait for that; more are refused as busy
    fallback: tuple[str, ...] = ()  # tiers asked in its place, in order, when it fails
    samples: int = 0  # further answers that its check compares with the first; calibrated, and each paid for
    sample_temperature: float = 0.7  # temperature at which they are drawn
    pseudonymise: bool = False  # send placeholders for values; personal data may then go where internal data may
    pseudonyms: PseudonymConfig = PseudonymConfig()  # how that is done
    options: dict[str, Any] = field(default_factory=dict)  # the engine's own settings

    def allows(self, data_class: DataClass, *, on_premises: bool) -> bool:
        """Whether data of this class may be sent there.

        Personal data count as internal where they are pseudonymised. Health data and secrets stay what they are: what
        is left of them may still say whose they are.
        """
        if self.data_classes is None:
            return on_premises
        hidden = self.pseudonymise and data_class == "personal"
        return data_class in self.data_classes or (hidden and "internal" in self.data_classes)

    @property
    def elsewhere(self) -> bool:
        """Whether its url is that of another machine."""
        return bool(self.url) and not is_loopback(urlsplit(self.url).hostname or "")

    def unreachable(self, allowed: Collection[str]) -> str:
        """Why nothing can be sent there under `[egress] allow`; empty where it can, or where it runs here."""
        host = urlsplit(self.url).hostname or ""
        if is_loopback(host):
            return ""
        if host not in allowed:
            return f"nothing can be sent there: {host} is not in [egress] allow"
        return "" if self.data_classes else "nothing may be sent there: data_classes is not set"


class GatewayConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How requests pass among the tiers."""

    cascade: str = "chat"  # the calibrated cascade that `auto` uses, as `rightsized calibrate` named it
    uncertified_tier: str = ""  # who answers `auto` while there is no certificate; empty: the last tier allowed
    data_class: DataClass = "secret"  # class of a request that declares none
    stream: Literal["buffer", "route"] = "buffer"  # a stream waits for its check, or is routed by the prompt alone
    timeout_s: float = 300.0  # longest a request may take, seconds
    in_flight: int = 256  # requests at a time; more get 429
    keep_alive_s: float = 15.0  # silence on a stream before a comment is sent, which fixes the status at 200; 0 = never
    sticky: bool = True  # a conversation stays on its tier unless it must move up
    cache_entries: int = 0  # exact repeats answered from memory; 0 = off
    cache_seconds: float = 3600.0  # how long such an answer may be given again
    long_inputs: Literal["refuse", "map-reduce"] = "refuse"  # chats too long for every tier: refused, or read in parts
    long_steps: int = 40  # the most parts that such a chat is read in; longer ones are refused


class EngineContext(NamedTuple):
    """What an engine is opened with, beside its tier's settings: who may be reached, and the home folder."""

    egress: Egress
    home: str


_POSITIVE = ("timeout_s", "first_byte_s", "connect_s", "concurrent")


def check_tiers(tiers: tuple[TierConfig, ...], gateway: GatewayConfig, origin: str) -> None:
    """Raise ConfigError where the tiers do not fit together; names the tier and the file."""
    names = [tier.name for tier in tiers]
    for tier in tiers:
        _check(tier, names, origin)
    if gateway.uncertified_tier and gateway.uncertified_tier not in names:
        raise ConfigError(
            f"gateway.uncertified_tier = {gateway.uncertified_tier!r} in {origin} is no tier.",
            fix=f"Tiers here: {', '.join(names) or 'none'}.",
        )


def _check(tier: TierConfig, names: list[str], origin: str) -> None:
    where = f"tier {tier.name!r} in {origin}"
    if not tier.name or not all(c.isalnum() or c in "-_." for c in tier.name) or tier.name in RESERVED:
        raise ConfigError(f"{tier.name!r} in {origin} is no name for a tier.", fix="Use letters, digits, - _ and dots.")
    if names.count(tier.name) > 1:
        raise ConfigError(f"Two tiers are called {tier.name!r} in {origin}.", fix="Give each its own name.")
    if tier.tier not in (1, 2):
        raise ConfigError(f"tier = {tier.tier} of {where} must be 1 (large) or 2 (small).")
    for name in _POSITIVE:
        if not getattr(tier, name) > 0:
            raise ConfigError(f"{name} = {getattr(tier, name)} of {where} must be above 0.")
    if tier.samples > MOST_SAMPLES or not 0 <= tier.sample_temperature <= 2:
        raise ConfigError(
            f"{where} has samples = {tier.samples} and sample_temperature = {tier.sample_temperature}.",
            fix=f"At most {MOST_SAMPLES} samples, at a temperature from 0 to 2.",
        )
    for name in ("price_in", "price_out", "retries", "queue", "context", "samples"):
        if not getattr(tier, name) >= 0:
            raise ConfigError(f"{name} = {getattr(tier, name)} of {where} must not be below 0.")
    if tier.engine != "remote" and tier.engine not in registry.names(ENGINES):
        raise ConfigError(
            f"engine = {tier.engine!r} of {where} is unknown.", fix=f"Engines: {', '.join(registry.names(ENGINES))}."
        )
    if tier.pseudonyms != PseudonymConfig() and not tier.pseudonymise:
        raise ConfigError(f"pseudonyms of {where} is set and pseudonymise is not.", fix="Write pseudonymise = true.")
    unknown = [other for other in tier.fallback if other not in names or other == tier.name]
    if unknown:
        raise ConfigError(f"fallback of {where} names {unknown[0]!r}, which is no other tier.")
    if tier.engine == "remote" and not tier.url.startswith(("http://", "https://")):
        raise ConfigError(
            f"url = {tier.url!r} of {where} is no http address.", fix='Write url = "http://HOST:PORT/v1".'
        )
