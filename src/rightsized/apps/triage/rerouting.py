"""Asks the rules again once a person has said what a message is about: it moves to where that label belongs.

What a person says is sure, so a rule that rests on it lacks no certificate. The message still waits: what the rule does
outside is done when somebody accepts the new route.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from msgspec.structs import replace

from rightsized.apps.triage.reading.message import Known, Parts
from rightsized.apps.triage.records import Handled, Labelled, Mail
from rightsized.tasks.dataset import OUT_OF_SCOPE, SEPARATOR


def rerouted(handled: Handled, mail: Mail, said: Mapping[str, str], parts: Parts) -> Handled:
    """The message with its route by the labels that people gave. The models' own labels stay as they are on record.

    Args:
        said: the label of a role; several joined by SEPARATOR.
    """
    labels = {role: _by_a_person(one, said[role]) if role in said else one for role, one in handled.labels.items()}
    route = parts.route(Known(mail, labels, handled.fields, (), time.time()), handled.priority)
    told = ", ".join(f"{role} is {label}" for role, label in said.items() if role in handled.labels)
    return replace(handled, route=replace(route, automatic=False, reason=f"{route.reason}; a person said: {told}"))


def _by_a_person(one: Labelled, label: str) -> Labelled:
    given = tuple(part for part in label.split(SEPARATOR) if part != OUT_OF_SCOPE)
    return replace(one, labels=given, status="answered", confidence=1.0, state="certified", certified=True)
