"""What a family of patterns is: one file, registered by name in the entry points `rightsized.recognisers`.

[project.entry-points."rightsized.recognisers"]
cards = "rightsized.guard.pii.cards:Cards"

A new one is one new file that passes tests/guard/pii/test_conformance.py. It reads nothing but the view it is given,
and its time grows in proportion to the text, whatever the text is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.view import View

GROUP = "rightsized.recognisers"

PROVEN = 1.0  # a checksum and a shape that hold together
CLEAR = 0.95  # a shape that hardly anything else has
LIKELY = 0.85  # a shape, and a word beside it that says what it is
POSSIBLE = 0.6  # a shape that other things have as well
WEAK = 0.4


class Hit(NamedTuple):
    """One span of the view's text."""

    start: int
    end: int
    type: str
    score: float


class Example(NamedTuple):
    """A text, and what must be found in it: shown in the documentation and checked by the conformance suite."""

    text: str
    value: str
    type: str


class Recogniser(Protocol):
    """Finds data of a few types by patterns and checks."""

    @property
    def name(self) -> str:
        """The name it is registered by."""
        ...

    @property
    def classes(self) -> Mapping[str, DataClass]:
        """The types it finds, and the class of a text that holds one."""
        ...

    @property
    def examples(self) -> Sequence[Example]:
        """At least one a type."""
        ...

    def find(self, view: View) -> Iterable[Hit]:
        """Spans in `view.text`; they may overlap."""
        ...


class Factory(Protocol):
    """What an entry point names."""

    def __call__(self, config: PiiConfig) -> Recogniser: ...
