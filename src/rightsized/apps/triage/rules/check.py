"""What is wrong with a rules file beyond its form: rules that never match, labels that no task has, tests that fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.staff import Person
from rightsized.apps.triage.records import Address, Attachment, Extracted, Labelled, Mail, Span
from rightsized.apps.triage.rules.evaluate import Facts, prioritise, route
from rightsized.apps.triage.rules.records import Expected, Rulebook, Trial, When
from rightsized.core.errors import ConfigError
from rightsized.core.frozen import Frozen
from rightsized.core.tables import meant
from rightsized.core.types import LabelScore, State

PRIORITY = "priority"  # the role of a task that may give a level too
_ANY_OF = ("sender", "to", "lists", "priority", "language", "words")  # conditions of which one value must fit


class Tested(Frozen, frozen=True):
    """How a `[[test]]` went: empty `wrong` where it passed."""

    name: str
    wrong: tuple[str, ...]


def problems(book: Rulebook, labels: Mapping[str, Sequence[str]], people: Sequence[Person] = ()) -> tuple[str, ...]:
    """What should be mended, in words.

    Args:
        labels: the labels of each role; of roles that are not in it nothing is known.
        people: who answers; where nobody is named, nothing is said of queues.
    """
    return (*_unknown(book, labels), *_never(book, labels), *_unanswered(book, people), *_shadowed(book))


def run_trials(book: Rulebook, calendar: Calendar, *, clock: Callable[[], float] = time.time) -> tuple[Tested, ...]:
    """Every `[[test]]` of the file. Raises ConfigError (a time that cannot be read)."""
    return tuple(_tried(book, one, calendar, clock) for one in book.trials)


def _tried(book: Rulebook, trial: Trial, calendar: Calendar, clock: Callable[[], float]) -> Tested:
    facts = facts_of(trial, calendar, clock() if not trial.at else _instant(trial, calendar))
    priority = prioritise(book, facts)
    found = route(book, facts, priority)
    got = {"queue": found.queue, "automatic": found.automatic, "priority": priority.level, "rule": found.rule}
    wanted = {name: getattr(trial.expect, name) for name in Expected.__struct_fields__}
    wrong = [
        f"{name} is {got[name]!r}, not {value!r} ({found.reason})"
        for name, value in wanted.items()
        if value is not None and got[name] != value
    ]
    return Tested(trial.name, tuple(wrong))


def facts_of(trial: Trial, calendar: Calendar, now: float) -> Facts:
    """The message of a test as rules see it."""
    mail = Mail(
        key=f"test:{trial.name}",
        subject=trial.subject,
        body=trial.text,
        sender=Address(trial.sender.lower()),
        to=(Address(trial.to.lower()),) if trial.to else (),
        fresh=(Span(0, len(trial.text)),),
        language=trial.language,
        automatic=trial.automatic,
        authenticated=trial.authenticated,
        attachments=(Attachment("file", "application/octet-stream", 1, ""),) if trial.attachments else (),
    )
    labels = {role: _label(label, trial) for role, label in trial.labels.items()}
    state: State = "certified" if trial.certified else "none"
    fields = tuple(Extracted(name, "", "", 0, 0, state=state, certified=trial.certified) for name in trial.fields)
    return Facts(mail, labels, fields, now, calendar.is_open)


def _label(label: str, trial: Trial) -> Labelled:
    state: State = "certified" if trial.certified else "estimated"
    scores = (LabelScore(label, trial.confidence),)
    return Labelled("test", (label,), "answered", trial.confidence, state, certified=trial.certified, suggested=scores)


def _instant(trial: Trial, calendar: Calendar) -> float:
    try:
        when = datetime.fromisoformat(trial.at)
    except ValueError:
        raise ConfigError(
            f"at = {trial.at!r} of [[test]] {trial.name!r} is no time.", fix="Write 2026-11-23T10:00."
        ) from None
    return (when if when.tzinfo else when.replace(tzinfo=ZoneInfo(calendar.hours.zone))).timestamp()


def _unknown(book: Rulebook, labels: Mapping[str, Sequence[str]]) -> list[str]:
    """Roles that no task has, and labels that a role's task does not know."""
    found = []
    conditions = [(f"rule {one.name!r}", one.when) for one in book.rules]
    conditions += [(f"priority number {at}", one.when) for at, one in enumerate(book.urgencies, 1)]
    for where, when in conditions:
        for role, wanted in when.labels.items():
            if labels and role not in labels:
                found.append(f"The {where} looks at {role!r}, which no task says. Roles: {', '.join(labels)}.")
            unknown = [one for one in wanted if role in labels and one not in labels[role]]
            if unknown:
                known = ", ".join(labels[role])
                found.append(f"The {where} waits for {role} = {unknown[0]!r}; the task knows: {known}.")
    return found


def _never(book: Rulebook, labels: Mapping[str, Sequence[str]]) -> list[str]:
    """Conditions that no message meets, and words that change nothing."""
    levels = {one.level for one in book.urgencies} | {"normal"}
    found = []
    for rule in book.rules:
        when, name = rule.when, f"The rule {rule.name!r}"
        if when.confidence > 1.0:
            found.append(f"{name} asks for a confidence of {when.confidence:g}; 1 is the most.")
        if when.automatic == () or any(not one for one in when.labels.values()):
            found.append(f"{name} has an empty list in its conditions, which nothing meets.")
        if when.priority and not levels & set(when.priority) and PRIORITY not in labels:
            found.append(f"{name} waits for the level {when.priority[0]!r}, which no [[priority]] gives.")
        if rule.then.accept != "certified" and not when.labels and not when.fields:
            found.append(f"{name} says accept, and rests on no label and no field: it says nothing.")
        if rule.then.accept != "certified" and rule.then.person:
            found.append(f"{name} accepts what is not certified, and asks for a person in any case.")
    return found


def _unanswered(book: Rulebook, people: Sequence[Person]) -> list[str]:
    """Queues that nobody answers, and people who are not there."""
    if not people:
        return []
    queues = dict.fromkeys([*(one.then.queue for one in book.rules if not one.then.close), book.default])
    found = [
        f"Nobody answers the queue {queue!r}: no [[person]] in desk.toml has it."
        for queue in queues
        if queue and not any(person.answers(queue) for person in people)
    ]
    names = [person.name for person in people]
    return found + [
        f"The rule {one.name!r} assigns to {one.then.assignee!r}. {meant(one.then.assignee, names)}"
        for one in book.rules
        if one.then.assignee and one.then.assignee not in names
    ]


def _shadowed(book: Rulebook) -> list[str]:
    """Rules that never decide, since one above takes all that they take."""
    found = []
    for at, later in enumerate(book.rules):
        above = next((one for one in book.rules[:at] if takes_all(one.when, later.when, book.lists)), None)
        if above is not None:
            found.append(f"The rule {later.name!r} never decides: {above.name!r} above it takes all that it takes.")
    return found


def takes_all(wide: When, narrow: When, lists: Mapping[str, Sequence[str]]) -> bool:
    """Whether everything that `narrow` fits is sure to fit `wide` too."""
    return (
        all(
            role in narrow.labels and set(narrow.labels[role]) <= set(wanted) and narrow.confidence >= wide.confidence
            for role, wanted in wide.labels.items()
        )
        and all(_within(getattr(narrow, name), getattr(wide, name)) for name in _ANY_OF)
        and set(wide.fields) <= set(narrow.fields)
        and (wide.automatic is None or (narrow.automatic is not None and set(narrow.automatic) <= set(wide.automatic)))
        and (wide.authenticated is None or wide.authenticated == narrow.authenticated)
        and (wide.attachments is None or wide.attachments == narrow.attachments)
        and (wide.hours is None or wide.hours == narrow.hours)
    )


def _within(narrow: Sequence[str], wide: Sequence[str]) -> bool:
    """Whether one of `narrow` is always one of `wide`; no condition takes everything."""
    return not wide or (bool(narrow) and set(narrow) <= set(wide))
