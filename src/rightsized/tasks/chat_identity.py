"""What a tier is, by digest: a certificate about one model says nothing of another."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

import msgspec

from rightsized.cascade.samples import SamplePlan
from rightsized.core import registry
from rightsized.core.config import Config
from rightsized.core.egress import Egress
from rightsized.core.generation import Generator
from rightsized.core.tiers import EngineContext, TierConfig
from rightsized.tasks.pseudonyms import detector_digest, pseudonymised

# What can change the answers of a model behind an address. Prices, time limits and where data may go do not.
_ANSWERS_DEPEND_ON = ("engine", "model", "url", "preset", "options")


def serving_tiers(
    config: Config, opened: Mapping[str, Generator] | None = None, *, only: Collection[str] = ()
) -> dict[str, str]:
    """`tier.NAME`: digest of each tier that the settings name.

    A model behind an address is known by engine, address and model name: it cannot be pinned further. One on this
    machine is known by its engine's own digest, over the file's contents and all else that its answers depend on. The
    first look at a large file that no card describes reads all of it.

    Args:
        opened: engines that are open already, by tier; others are opened, not started.
        only: these tiers; empty: all.
    Raises:
        NotFoundError, MissingExtraError, ConfigError: a model on this machine cannot be opened, so not be pinned.
    """
    tiers = [tier for tier in config.tiers if not only or tier.name in only]
    return {f"tier.{tier.name}": _digest(tier, config, opened or {}) for tier in tiers}


def open_tier(tier: TierConfig, config: Config) -> Generator:
    """A tier's engine, opened and not started: nothing is loaded and nothing is reached."""
    context = EngineContext(Egress.at(config.home, config.egress.allow), config.home)
    generator: Generator = registry.resolve("rightsized.engines", tier.engine)(tier, context)
    return pseudonymised(generator, tier, config)


def sample_plans(config: Config) -> dict[str, SamplePlan]:
    """How each tier that the settings give further samples draws them."""
    return {tier.name: SamplePlan(tier.samples, tier.sample_temperature) for tier in config.tiers if tier.samples}


def _digest(tier: TierConfig, config: Config, opened: Mapping[str, Generator]) -> str:
    plain = _plain(tier, config, opened)
    if not tier.samples:
        return plain
    drawn = f"{plain} {tier.samples} {tier.sample_temperature}"
    return "sha256:" + hashlib.sha256(drawn.encode()).hexdigest()


def _plain(tier: TierConfig, config: Config, opened: Mapping[str, Generator]) -> str:
    if not tier.url:
        return (opened.get(tier.name) or open_tier(tier, config)).digest
    body = [getattr(tier, name) for name in _ANSWERS_DEPEND_ON]
    if tier.pseudonymise:  # other placeholders may give other answers
        body += [tier.pseudonyms, detector_digest(config)]
    return "sha256:" + hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()
