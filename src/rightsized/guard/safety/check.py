"""The shape of every check: what it does to a request, what it finds in one, and what it finds in an answer.

A finding is a sentence for the record; empty where all is well. A check says what it finds, never what follows: that is
the rule's `on_fail`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from rightsized.core.generation import Completion, Generation
from rightsized.guard.policy.outputs import OutputRule
from rightsized.guard.safety.means import Means

R = TypeVar("R", bound=OutputRule)
FINE = ""


class Check(Generic[R]):
    """A check that finds nothing; each kind overrides what it looks at.

    `reads_output`: whether the whole answer is needed before any of it may be given out.
    """

    reads_output: ClassVar[bool] = False
    quiet = False  # whether finding nothing is not worth a verdict

    def __init__(self, rule: R, means: Means) -> None:
        self.rule, self.means = rule, means

    def needs_output(self, generation: Generation) -> bool:
        """Whether an answer to this request must be held back until it was checked."""
        return self.reads_output

    def instruction(self, generation: Generation) -> str:
        """What the model is told of the rule; empty for nothing."""
        return ""

    def prepared(self, body: dict[str, Any], generation: Generation) -> dict[str, Any]:
        """The body that goes to the model, constrained as far as an engine can constrain it."""
        return body

    def vetoes(self, tier: str) -> str:
        """Why a tier may not be asked under this rule; empty where it may."""
        return ""

    async def request(self, generation: Generation) -> str:
        """What is wrong with the request."""
        return FINE

    async def output(self, generation: Generation, completion: Completion) -> str:
        """What is wrong with the answer."""
        return FINE

    def mended(self, generation: Generation, completion: Completion) -> Completion | None:
        """The answer put right; None where this check cannot."""
        return None
