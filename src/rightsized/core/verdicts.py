"""What a rule said of a request: the records that a decision keeps, and those that findings of personal data leave.

A verdict names its rule, so that years later the file with that digest can be asked why. Values of personal data are
never here, only their types and how many there were.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from rightsized.core.frozen import Frozen
from rightsized.core.generation import DataClass

# allow and deny bind; flag notes something and lets it pass; change says that an output was altered.
Effect = Literal["allow", "deny", "flag", "change"]


class Verdict(Frozen, frozen=True):
    """What one rule said.

    Args:
        rule: the rule's id in the policy file, or `default:...` where no rule spoke.
        subject: what it speaks of: `request`, `tier:NAME`, `output`.
        reason: in words, for the people who read the record.
    """

    rule: str
    effect: Effect
    subject: str
    reason: str


class Detected(Frozen, frozen=True):
    """What a detector of personal data found in a request: types and counts, never values.

    Args:
        data_class: the class that the findings give the text; the most restrictive where the detector failed.
        counts: findings by type.
        failures: recognisers that failed, as `name: kind of error`.
        detector: digest of the detector.
    """

    data_class: DataClass
    counts: dict[str, int] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    detector: str = ""
