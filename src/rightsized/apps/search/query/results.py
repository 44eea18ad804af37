"""What a search is told besides the question, and what it answers: hits, and everything that was done to find them."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import field

from rightsized.apps.search.protocols import Reranker
from rightsized.apps.search.rank.fusion import Fusion, WeightedFusion
from rightsized.apps.search.rank.ordering import Ordering
from rightsized.apps.search.rank.reranking import Budget
from rightsized.apps.search.types import Facet, Filters, Hit
from rightsized.core.frozen import Frozen

CANDIDATES = 100  # of each ranking; more changed nDCG@10 by less than .001 on the measuring data
DEFAULT_ORDERING = Ordering()
RECENCY_SHARE = 0.3  # of the score that age can take away


class Settings(Frozen, frozen=True):
    """How one search is carried out.

    `candidates` are taken of each ranking. `scope`: documents named in the question become a filter. `syntax`: quotes,
    operators and fields mean something. `correct`: a word that nothing visible has is corrected. `fold`: passages that
    say the same stand behind the first. `by_document`: one hit a document. `half_life_days`: after so many days a
    document has lost half of the RECENCY_SHARE that its age can take from its score; 0 leaves age alone. `facets`:
    fields whose values are counted. `highlight`: mark words and the best sentence.
    """

    candidates: int = CANDIDATES
    scope: bool = True
    syntax: bool = True
    correct: bool = True
    fold: bool = True
    by_document: bool = False
    half_life_days: float = 0.0
    facets: tuple[str, ...] = ()
    highlight: bool = True


class Ranking(NamedTuple):
    """What orders candidates: a fusion, what reads the first of them, and where there is one a reranker after that.

    `ordering` None leaves the order of the fusion.
    """

    fusion: Fusion = WeightedFusion()
    ordering: Ordering | None = DEFAULT_ORDERING
    reranker: Reranker | None = None
    budget: Budget = Budget()


class Scope(Frozen, frozen=True):
    """The documents that a name in the question stood for. Ask again with `Settings(scope=False)` to lift it.

    `names` are the words of the question that named them, `titles` those of `documents`.
    """

    documents: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class Correction(Frozen, frozen=True):
    """A word that no visible passage has, and the one that was searched for too."""

    word: str
    meant: str


class Results(Frozen, frozen=True):
    """What was found, best first.

    `total` counts what could be paged through: passages (documents with `by_document`) among the candidates; `more`
    where a ranking had reached its limit, so that there may be others. `filters` are those in force, of the question
    and the scope included. `facets` count documents among the candidates. `notes` say in sentences what was not done as
    asked. `seconds`: time by part.
    """

    hits: tuple[Hit, ...] = ()
    total: int = 0
    more: bool = False
    filters: Filters = Filters()
    scope: Scope = Scope()
    corrections: tuple[Correction, ...] = ()
    facets: tuple[Facet, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
