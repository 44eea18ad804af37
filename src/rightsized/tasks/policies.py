"""The policy of a home: where its file is, and the destinations that its rules are about."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from rightsized.core.config import Config
from rightsized.core.egress import is_loopback
from rightsized.core.errors import RightsizedError
from rightsized.core.generation import Caller, DataClass, Generator, strictest
from rightsized.core.tiers import TierConfig
from rightsized.core.types import Request
from rightsized.guard.policy.answerer import denial
from rightsized.guard.policy.file import FILE_NAME
from rightsized.guard.policy.rulebook import HERE, Destination, Facts, Rulebook
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


class Permits:
    """Asks the policy about work that leaves no decision, such as vectors made by a model here."""

    def __init__(self, store: PolicyStore) -> None:
        self._store = store
        self._book: Rulebook | None = None

    def check(self, facts: Facts) -> None:
        """Raises ForbiddenError where the policy in force does not allow it."""
        policy = self._store.current
        if policy is None:
            return
        if self._book is None or self._book.policy is not policy:
            self._book = Rulebook(policy, (HERE,))
        ruling = self._book.rule(facts)
        denied = next((verdict for verdict in ruling.verdicts if verdict.effect == "deny"), None)
        if denied is not None:
            raise denial(denied)


def task_request(task: str, text: str, caller: Caller, conversation: str, declared: DataClass | None) -> Request:
    """A request to a task. Its class is the strictest that anybody named; None where nobody did."""
    named = [one for one in (declared, caller.data_class) if one is not None]
    return Request(
        task=task,
        text=text,
        conversation=conversation,
        tenant=caller.tenant,
        key=caller.key,
        roles=caller.roles,
        subject=caller.subject,
        dry_run=caller.dry_run,
        data_class=strictest(*named) if named else None,
    )


def destination(config: TierConfig, generator: Generator | None) -> Destination:
    """A tier as the rules see it. One whose engine cannot be opened counts as off the premises if it has an address."""
    host = urlsplit(config.url).hostname or ""
    here = generator.on_premises if generator is not None else not host or is_loopback(host)
    return Destination(config.name, here, host, config.region, config.model, config.pseudonymise)


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
