"""Decisions found for somebody who looks through the record: by words as people give them, without their texts.

A decision that still waits for a blind look keeps its outcome to itself, for whoever may have to give that look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from msgspec import structs

from rightsized.core.errors import InputError
from rightsized.core.frozen import Frozen
from rightsized.core.roles import Identity
from rightsized.core.types import Decision, Status
from rightsized.ledger.find import Wanted, find
from rightsized.ledger.reader import LedgerReader
from rightsized.tasks.moments import moment

TIMES = ("since", "until")
WORDS = ("task", "label", "rule", "tenant", "key", "subject", "conversation", "certificate", "rung", "model")
TELLING = ("label", "status", "tier", "rung", "model")  # words about what was answered
STATES = (*get_args(Status), "failed", "open")
CITES = "decision "  # what the reason of an attempt begins with that stands for another decision
_BLIND = "SELECT decision FROM waiting WHERE kind = 'audit'"


class Found(Frozen, frozen=True):
    """Decisions, newest first, and the ids of those that wait for a blind look."""

    decisions: tuple[Decision, ...]
    blind: tuple[str, ...]


def wanted_of(given: Mapping[str, Any]) -> Wanted:
    """What somebody asks for, by the names of `Wanted`; empty words ask nothing. Raises InputError."""
    words: dict[str, Any] = {name: given[name] for name in WORDS if given.get(name)}
    words |= {name: moment(given.get(name) or None, name) for name in TIMES}
    status = given.get("status") or None
    if status is not None and status not in STATES:
        raise InputError(f"{status!r} is no outcome.", fix=f"One of {', '.join(STATES)}.")
    return Wanted(**words, status=status)


def found(path: Path, wanted: Wanted, limit: int, *, blind_too: bool = False) -> Found:
    """Read with a connection of its own: a rare word may take seconds to find, and nobody else waits.

    Who asks by what was answered is shown none that waits for a blind look, unless `blind_too`: that it is found would
    tell.
    """
    telling = not blind_too and any(getattr(wanted, name) is not None for name in TELLING)
    with LedgerReader(path) as reader:
        waiting = {decision for (decision,) in reader.query(_BLIND)}
        every = (one for one in find(reader, wanted) if not (telling and waiting & {one.id, *cited(one)}))
        decisions = tuple(islice(every, limit))
    return Found(decisions, tuple(one.id for one in decisions if waiting & {one.id, *cited(one)}))


def cited(one: Decision) -> tuple[str, ...]:
    """Ids of decisions whose outcomes this one repeats: that of a whole message, those of its tasks."""
    attempts = one.reply.attempts if one.reply else one.attempts or ()
    return tuple(each.reason.removeprefix(CITES) for each in attempts if each.reason.startswith(CITES))


def awaits_blind_look(one: Decision, blind: Callable[[str], bool]) -> bool:
    """Whether a decision, or one that it repeats, waits for a blind look (`blind` says so of an id): its outcome stays
    hidden until then."""
    return any(blind(each) for each in (*((one.id,) if one.audit else ()), *cited(one)))


def shown_to(identity: Identity, one: Decision, *, blind: bool) -> Decision:
    """A decision as somebody may see it: without its outcome while they may be the one to look blindly."""
    if not blind or identity.may("audit"):
        return one
    return structs.replace(one, reply=None, attempts=None, verdicts=())
