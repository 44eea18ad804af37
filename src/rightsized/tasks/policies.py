"""The policy of a home: where its file is, and the destinations that its rules are about."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from rightsized.core.config import Config
from rightsized.core.egress import is_loopback
from rightsized.core.errors import RightsizedError
from rightsized.core.generation import Generator
from rightsized.core.tiers import TierConfig
from rightsized.guard.policy.file import FILE_NAME
from rightsized.guard.policy.rulebook import Destination
from rightsized.guard.policy.store import PolicyStore
from rightsized.guard.safety import ENFORCED
from rightsized.tasks.chat_identity import open_tier


def policy_path(config: Config) -> Path:
    """The policy file of these settings, there or not."""
    return Path(config.guard.policy or Path(config.home) / FILE_NAME).expanduser()


def open_policy(config: Config) -> PolicyStore:
    """The policy in force. Raises ConfigError: it is wrong, or the settings name a file that is not there."""
    return PolicyStore(
        policy_path(config),
        required=bool(config.guard.policy),
        undeclared=config.gateway.data_class,
        enforced=ENFORCED,
    )


def destination(config: TierConfig, generator: Generator | None) -> Destination:
    """A tier as the rules see it. One whose engine cannot be opened counts as off the premises if it has an address."""
    host = urlsplit(config.url).hostname or ""
    here = generator.on_premises if generator is not None else not host or is_loopback(host)
    return Destination(config.name, here, host, config.region, config.model)


def destinations(config: Config) -> list[Destination]:
    """Every tier of the settings; engines are opened and not started, so nothing is reached."""
    return [destination(tier, _opened(tier, config)) for tier in config.tiers]


def host_of(tiers: Iterable[TierConfig]) -> dict[str, str]:
    """Hosts of tiers behind an address, by tier."""
    return {tier.name: urlsplit(tier.url).hostname or "" for tier in tiers if tier.url}


def _opened(tier: TierConfig, config: Config) -> Generator | None:
    try:
        return open_tier(tier, config)
    except RightsizedError:
        return None
