"""Which rule takes a message, and whether a person has to look first. Pure: time and the desk's hours come in.

The first rule that fits decides. A message is routed without a person only where every label and field that the rule
rests on is certified, or the rule says that less is enough; a rule that rests on neither is its owner's word and
certain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from rightsized.apps.triage.records import Address, Extracted, Labelled, Mail, Priority, Route
from rightsized.apps.triage.rules.records import Accept, Rule, Rulebook, Then, When, actions_of

PEOPLE = "inbox"  # the queue of what nothing takes
AUTOMATIC = "automatic"  # the queue of machines' messages that no rule takes
QUEUE_ROLES = ("department", "queue", "team", "support")  # whose certified label names the queue, where no rule does


class Facts(NamedTuple):
    """What rules look at. `is_open`: whether the desk is open at an instant."""

    mail: Mail
    labels: Mapping[str, Labelled]
    fields: Sequence[Extracted]
    now: float
    is_open: Callable[[float], bool]


def prioritise(book: Rulebook, facts: Facts) -> Priority:
    """The level by the first `[[priority]]` that fits; normal where none does."""
    for one in book.urgencies:
        if fits(one.when, facts, book, None, guessing=False):
            return Priority(one.level, (one.reason or _said(one.when)) + _unsaid(one.when, facts), "rules")
    return Priority("normal", "no rule says otherwise")


def route(book: Rulebook, facts: Facts, priority: Priority) -> Route:
    """Who gets a message, whether without a person, and why."""
    for rule in book.rules:
        if fits(rule.when, facts, book, priority, guessing=False):
            return _by(rule, facts)
    if facts.mail.automatic:
        return Route(AUTOMATIC, True, f"written by a machine ({facts.mail.automatic}), and no rule takes it")
    for rule in book.rules:  # nobody is sure of the labels: it waits where it most likely belongs
        if rule.when.labels and fits(rule.when, facts, book, priority, guessing=True):
            queue = rule.then.queue or PEOPLE
            return _waits(rule.then, rule, f"most likely for {queue}: a person decides")
    return _without(book, facts)


def _by(rule: Rule, facts: Facts) -> Route:
    then = rule.then
    weak = _weak(rule.when, facts, then.accept)
    if then.person:
        return _waits(then, rule, f"the rule {rule.name!r} asks for a person")
    if weak:
        return _waits(then, rule, f"the rule {rule.name!r} fits, but not sure enough: {', '.join(weak.values())}")
    bare = _weak(rule.when, facts, "certified")
    told = f", which accepts what no certificate covers: {', '.join(bare.values())}" if bare else ""
    reason = f"by the rule {rule.name!r}{told}"
    return Route(then.queue or PEOPLE, True, reason, rule.name, then.assignee, actions_of(then), tuple(bare))


def _waits(then: Then, rule: Rule, reason: str) -> Route:
    return Route(then.queue or PEOPLE, False, reason, rule.name, then.assignee, actions_of(then))


def _without(book: Rulebook, facts: Facts) -> Route:
    """Where no rule takes it: the queue that a certified label names; else a person's."""
    if not book.rules:
        for role in QUEUE_ROLES:
            one = facts.labels.get(role)
            if one is not None and one.certified and len(one.labels) == 1:
                return Route(one.labels[0], True, f"{role} is {one.labels[0]}, certified; there are no rules")
    return Route(book.default or PEOPLE, False, "no rule takes it" if book.rules else "there are no rules for it")


def _weak(when: When, facts: Facts, accept: Accept) -> dict[str, str]:
    """The roles and fields that conditions rest on and that are not good enough, with how they stand, in words."""
    labels = {role: facts.labels[role] for role in when.labels}
    found = {role: f"{role} ({_standing(one)})" for role, one in labels.items() if not enough(one, accept)}
    fields = {name: [one for one in facts.fields if one.name == name] for name in when.fields}
    short = {name: some[0] for name, some in fields.items() if not all(_borne(one, accept) for one in some)}
    return found | {f"field {name}": f"field {name} ({one.state})" for name, one in short.items()}


def _borne(field: Extracted, accept: Accept) -> bool:
    """Whether the value of a field is good enough to be acted upon without a person."""
    return field.certified or accept == "uncertified" or (accept == "estimated" and field.state == "estimated")


def enough(label: Labelled, accept: Accept) -> bool:
    """Whether a label is good enough to be acted upon without a person."""
    if label.status != "answered":
        return False
    if accept == "certified":
        return label.certified
    return accept == "uncertified" or label.certified or label.state == "estimated"


def fits(when: When, facts: Facts, book: Rulebook, priority: Priority | None, *, guessing: bool) -> bool:
    """Whether every condition holds. `guessing`: labels are compared with the best guess where none was given."""
    mail = facts.mail
    return (
        all(_labelled(role, wanted, when, facts, guessing) for role, wanted in when.labels.items())
        and (not when.sender or matches(mail.sender, when.sender))
        and (not when.to or any(matches(one, when.to) for one in (*mail.to, *mail.cc)))
        and (not when.lists or any(matches(mail.sender, book.lists[name]) for name in when.lists))
        and all(any(found.name == name for found in facts.fields) for name in when.fields)
        and (not when.priority or (priority is not None and priority.level in when.priority))
        and (not when.language or mail.language in when.language)
        and (mail.automatic in when.automatic if when.automatic is not None else True)
        and (when.authenticated is None or mail.authenticated == when.authenticated)
        and (when.attachments is None or bool(mail.attachments) == when.attachments)
        and (when.hours is None or facts.is_open(facts.now) == (when.hours == "open"))
        and (not when.words or bool(words(when.words).search(mail.text)))
    )


def _labelled(role: str, wanted: tuple[str, ...], when: When, facts: Facts, guessing: bool) -> bool:
    one = facts.labels.get(role)
    if one is None:
        return False
    if guessing and not one.labels:
        return bool(one.suggested) and one.suggested[0].label in wanted
    return any(label in wanted for label in one.labels) and (guessing or one.confidence >= when.confidence)


def matches(address: Address, patterns: Sequence[str]) -> bool:
    """Whether an address is one of the patterns."""
    return any(_like(address.address, _parts(pattern)) for pattern in patterns)


@lru_cache(maxsize=4096)
def _parts(pattern: str) -> tuple[str, ...]:
    return tuple(pattern.strip().lower().split("*"))


def _like(text: str, parts: Sequence[str]) -> bool:
    """Whether a text is these parts with any run of characters between them: each part is looked for once, from left to
    right, so that no address that somebody makes up takes long."""
    first, *between, last = parts if len(parts) > 1 else (*parts, "")
    if len(parts) == 1:
        return text == first
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in between:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


@lru_cache(maxsize=1024)
def words(wanted: tuple[str, ...]) -> re.Pattern[str]:
    """Finds one of the words or phrases, as whole words, in any case; blanks match any white space."""
    each = (r"\s+".join(re.escape(part) for part in one.split()) for one in wanted)
    return re.compile(rf"(?<!\w)(?:{'|'.join(each)})(?!\w)", re.IGNORECASE)


def _standing(label: Labelled) -> str:
    if label.status != "answered":
        return "no label is sure"
    if label.next_tier is not None:
        return f"{label.next_tier.name} says so, and how often it is right is not known"
    return "certified" if label.certified else f"{label.state}, {label.confidence:.0%}"


def _unsaid(when: When, facts: Facts) -> str:
    """Which fields a level rests on without a certificate, to follow the reason; empty where there is none."""
    bare = _weak(When(fields=when.fields), facts, "certified")
    return f" (no certificate covers: {', '.join(bare.values())})" if bare else ""


def _said(when: When) -> str:
    """Conditions in words, for the reason of a level."""
    named = [name for name in When.__struct_fields__ if getattr(when, name) not in ((), None, {}, 0.0)]
    return f"a rule on {', '.join(named)}" if named else "the rule for all messages"
