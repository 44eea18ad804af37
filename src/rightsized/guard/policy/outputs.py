"""Rules about outputs, as policy.toml names them: one struct a check, with the settings that this check reads.

Each is told by its `check`. What performs the checks is `guard/safety`; here is only what they are told. A rule whose
check nothing performs is refused when the file is read, never passed over.
"""

from __future__ import annotations

import re
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
    instruct: bool = True  # tell the model of the rule, where its check has something to tell
    reason: str = ""  # why, as people will read it

    def __post_init__(self) -> None:
        if self.on_fail == "change" and not isinstance(self, DisclaimerRule):
            raise ValueError("on_fail = 'change' is for disclaimers: this check cannot mend an output")


class SchemaRule(OutputRule, frozen=True, kw_only=True, tag="schema"):
    """The output is JSON that a schema accepts. Tiers that can are held to it while they write."""

    schema: dict[str, object]  # JSON Schema

    def __post_init__(self) -> None:
        super().__post_init__()
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for

        try:
            validator_for(self.schema).check_schema(self.schema)
        except SchemaError as error:
            raise ValueError(f"its schema is none: {error.message[:200]}") from None


class CitationRule(OutputRule, frozen=True, kw_only=True, tag="citation"):
    """The output cites sources that the request holds, as [1] or [handbook-7] or by their address, and no others."""

    least: int = 1  # citations


class ForbiddenClaimsRule(OutputRule, frozen=True, kw_only=True, tag="forbidden-claims"):
    """The output makes none of these claims. For claims by meaning there are topics, told by a task."""

    claims: tuple[str, ...]  # regular expressions, case ignored

    def __post_init__(self) -> None:
        super().__post_init__()
        for claim in self.claims:
            try:
                re.compile(claim)
            except re.error as error:
                raise ValueError(f"the claim {claim!r} is no regular expression: {error}") from None


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


class LengthRule(OutputRule, frozen=True, kw_only=True, tag="length"):
    """The output is within these lengths."""

    least: int = 0  # characters
    most: int = 0  # characters; 0: no limit


class LanguageRule(OutputRule, frozen=True, kw_only=True, tag="language"):
    """The output is in one of these languages. A text too short to tell passes."""

    languages: tuple[str, ...]  # ISO 639-1 codes, such as "de"


class AdapterRule(OutputRule, frozen=True, kw_only=True, tag="adapter"):
    """The task is answered with this LoRA adapter and no other way."""

    adapter: str  # name of the adapter at its tier


class UntrustedToolsRule(OutputRule, frozen=True, kw_only=True, tag="untrusted-tools"):
    """Where untrusted content is in the request, the model may call these tools and no others.

    Without such a rule, content that a request marks as untrusted leaves no tool to call.
    """

    tools: tuple[str, ...] = ()  # names of functions; empty: none
    tool_results: bool = True  # whether what tools returned counts as untrusted, marked or not


class InjectionRule(OutputRule, frozen=True, kw_only=True, tag="injection"):
    """The request does not look as if it held instructions smuggled in. A soft signal: it misses and errs."""

    threshold: float = 0.0  # score from which it counts; 0: the one that came with the model
    about: Literal["untrusted", "all"] = "untrusted"  # untrusted content, or all that is not an instruction
    on_fail: OnFail = "flag"  # what follows where the check fails


KINDS: dict[str, type[OutputRule]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        SchemaRule,
        CitationRule,
        ForbiddenClaimsRule,
        TopicRule,
        DisclaimerRule,
        LengthRule,
        LanguageRule,
        AdapterRule,
        UntrustedToolsRule,
        InjectionRule,
    )
}
