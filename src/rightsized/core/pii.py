"""What a detector of personal data returns, and what it is asked for.

Records and protocols only: detection is in `guard/pii`, the token tagger in `engines/tagger`. A finding holds places in
the text and never the text itself, so that findings can be recorded where the text may not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from rightsized.core.frozen import Frozen
from rightsized.core.generation import DATA_CLASSES, DataClass

MOST_RESTRICTIVE: DataClass = DATA_CLASSES[-1]


class Finding(Frozen, frozen=True):
    """One span of personal, health or secret data: `text[start:end]`, in code points.

    Args:
        type: such as `person`, `email`, `payment_card`; `rightsized pii types` lists them.
        score: in [0, 1]; 1 where a checksum or an unmistakable shape proves it. No calibrated probability.
        source: the recogniser that found it, such as `cards` or `tagger`; `deny-list` and `pattern:NAME` for one's own.
    """

    start: int
    end: int
    type: str
    score: float
    source: str


class Findings(Frozen, frozen=True):
    """What was found in one text.

    Args:
        found: sorted by place; no two overlap.
        data_class: the class of the whole text. `internal` where nothing was found: only a person may call a text
            public. The most restrictive class where `failures` is not empty.
        failures: recognisers that failed or ran out of time, as `name: kind of error`; never a word of the text.
    """

    found: tuple[Finding, ...] = ()
    data_class: DataClass = MOST_RESTRICTIVE
    failures: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every recogniser has read the whole text."""
        return not self.failures


class Detector(Protocol):
    """Finds personal data in a text. Reads nothing but its argument: no network, no files, no state."""

    @property
    def digest(self) -> str:
        """`sha256:...` over the recognisers, the settings and the tagger's weights."""
        ...

    def detect(self, text: str) -> Findings:
        """Find all there is, in the calling thread; milliseconds a page with a tagger.

        Never raises on account of the text: a recogniser that fails is named in `failures`, and the class is then the
        most restrictive.
        """
        ...


class Tagger(Protocol):
    """A model that marks people, organisations and places in running text."""

    @property
    def digest(self) -> str:
        """`sha256:...` of all that its tags depend on."""
        ...

    def tag(self, text: str, expired: Callable[[], bool] = lambda: False) -> Sequence[Finding]:
        """Spans exact to the character. Bit-equal alone and under load.

        Args:
            expired: asked between windows of a long text; True ends the work.
        Raises:
            TimeoutError: `expired` said so.
        """
        ...


class PatternConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One pattern of one's own."""

    name: str  # shown as source `pattern:NAME`
    pattern: str  # a regular expression, searched in the text
    type: str = ""  # type of what it finds; the name where empty
    data_class: DataClass = "personal"  # class of a text that holds it
    ignore_case: bool = False
    score: float = 1.0  # score of its findings, 0 to 1


class PiiConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How personal data are found."""

    off: tuple[str, ...] = ()  # recognisers left out, by name
    regions: tuple[str, ...] = ("US", "GB", "DE", "FR", "ES", "IT", "NL")  # where phone numbers without + may belong
    deny: tuple[str, ...] = ()  # words always found, as type `deny_listed`; whole words, case ignored
    deny_class: DataClass = "secret"  # class of a text that holds one of them
    allow: tuple[str, ...] = ()  # texts never reported, when they are a whole finding; case ignored
    allow_types: tuple[str, ...] = ()  # types never reported
    min_score: float = 0.3  # findings below it are dropped
    budget_ms: float = 10_000.0  # longest time for one text; after it the class is the most restrictive
    patterns: tuple[PatternConfig, ...] = ()  # one's own, one [[pii.patterns]] table each
