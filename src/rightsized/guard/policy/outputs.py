"""Rules about outputs, as policy.toml names them: one struct a check, with the settings that this check reads.

Each is told by its `check`. What performs the checks is `guard/safety`; here is only what they are told. A rule whose
check nothing performs is refused when the file is read, never passed over.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from rightsized.core.generation import DataClass
from rightsized.core.roles import Role

# refuse: the request fails. escalate: the next tier is asked, after the last one a person. flag: the output is given
# out and the record says what was found. change: the check alters the output (appends, removes); the record says so.
OnFail = Literal["refuse", "escalate", "flag", "change"]


class OutputRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="check"):
    """What every rule about outputs says: which requests it is for, and what follows where its check fails."""

    id: str  # names the rule in verdicts
    tasks: tuple[str, ...] = ()  # tasks or cascades it is for; empty: all; * stands for any characters
    roles: tuple[Role, ...] = ()  # roles of whoever asks; empty: all
    data_classes: tuple[DataClass, ...] = ()  # classes of the request's data; empty: all
    on_fail: OnFail = "refuse"  # what follows where the check fails
    reason: str = ""  # why, as people will read it


class SchemaRule(OutputRule, frozen=True, kw_only=True, tag="schema"):
    """The output is JSON that a schema accepts."""

    schema: dict[str, object]  # JSON Schema


class CitationRule(OutputRule, frozen=True, kw_only=True, tag="citation"):
    """The output cites sources that the request holds."""

    least: int = 1  # citations


class ForbiddenClaimsRule(OutputRule, frozen=True, kw_only=True, tag="forbidden-claims"):
    """The output makes none of these claims."""

    claims: tuple[str, ...]  # regular expressions, case ignored


class TopicRule(OutputRule, frozen=True, kw_only=True, tag="topic"):
    """A calibrated classifier, a task of this home, finds the text on (or off) these topics."""

    task: str  # the task that tells topics
    topics: tuple[str, ...]  # its labels
    mode: Literal["allow", "deny"] = "deny"  # whether the topics are the only ones allowed, or those denied
    about: Literal["request", "output"] = "request"  # which text the task reads
    threshold: float = 0.5  # probability from which a topic counts


class DisclaimerRule(OutputRule, frozen=True, kw_only=True, tag="disclaimer"):
    """The output carries these words."""

    text: str  # appended with on_fail = "change"


class AdapterRule(OutputRule, frozen=True, kw_only=True, tag="adapter"):
    """The task is answered with this LoRA adapter and no other way."""

    adapter: str  # name of the adapter at its tier


KINDS: dict[str, type[OutputRule]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (SchemaRule, CitationRule, ForbiddenClaimsRule, TopicRule, DisclaimerRule, AdapterRule)
}
