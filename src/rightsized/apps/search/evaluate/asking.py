"""Asks a collection the judged questions through the search that serves; answers are ids of corpus rows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from rightsized.apps.search.evaluate.beir import Judged, Question
from rightsized.apps.search.evaluate.collected import Collected
from rightsized.apps.search.evaluate.measured import Outcome, run
from rightsized.apps.search.evaluate.metrics import DEPTH
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.results import Ranking, Settings
from rightsized.apps.search.query.search import search
from rightsized.apps.search.rank.fusion import WeightedFusion
from rightsized.apps.search.rank.tuning import JudgedQuestion
from rightsized.apps.search.types import Filters
from rightsized.core.errors import DataError
from rightsized.core.protocols import Encoder, Progress, no_progress

PLAIN = Settings(highlight=False, fold=False)  # every corpus row counts, also one that repeats another


class Asking(NamedTuple):
    """How judged questions are put: `filter_field` names the question's field that holds the document it is asked of,
    which becomes a filter; `name_field` one that is put before the question, as a person names what she means.
    """

    filter_field: str = ""
    name_field: str = ""

    def text(self, question: Question) -> str:
        """What is asked. Raises DataError where the question lacks the field."""
        if not self.name_field:
            return question.text
        return f"{_field(question, self.name_field)}: {question.text}"


class Configuration(NamedTuple):
    """A way to search, by name."""

    name: str
    ranking: Ranking = Ranking()
    settings: Settings = PLAIN


LEXICAL = Configuration("words alone", Ranking(fusion=WeightedFusion(0.0), ordering=None))
DENSE = Configuration("meaning alone", Ranking(fusion=WeightedFusion(1.0), ordering=None))
FUSED = Configuration("both, fused", Ranking(ordering=None))
DEFAULT = Configuration("as served")
CONFIGURATIONS = (DEFAULT, FUSED, LEXICAL, DENSE)


class Bench:
    """One collection and how it is asked."""

    def __init__(self, judged: Judged, collected: Collected, encoder: Encoder, asking: Asking) -> None:
        """Raises DataError where a question names a document that the corpus does not hold."""
        self.judged, self._collected, self._encoder, self.asking = judged, collected, encoder, asking
        self.view: View = collected.collection.view(())
        self._documents = {one.key: one.id for one in self.view.documents(Filters())}
        self._filters = {question.id: self._filter(question) for question in judged.questions}

    def outcome(self, configuration: Configuration, progress: Progress = no_progress) -> Outcome:
        """What a configuration achieves over all questions."""
        with asyncio.Runner() as runner:

            def rank(question: Question) -> Sequence[str]:
                return runner.run(self._ask(question, configuration))

            return run(configuration.name, self.judged, rank, progress)

    def questions(self) -> list[JudgedQuestion]:
        """The questions as tuning takes them; grouped by the document they are asked of."""
        rows = {
            self._collected.id_of(found): found.row
            for document in self._documents.values()
            for found in self.view.passages(document)
        }
        found = []
        for question in self.judged.questions:
            grades = self.judged.grades[question.id]
            relevant = frozenset(rows[row] for row, grade in grades.items() if grade > 0)
            group = question.fields.get(self.asking.filter_field, "") if self.asking.filter_field else ""
            text = self.asking.text(question)
            found.append(JudgedQuestion(text, relevant, self._filters[question.id], group))
        return found

    async def _ask(self, question: Question, configuration: Configuration) -> list[str]:
        results = await search(
            self.view,
            self.asking.text(question),
            encoder=self._encoder,
            filters=self._filters[question.id],
            limit=DEPTH,
            settings=configuration.settings,
            ranking=configuration.ranking,
        )
        return [self._collected.id_of(hit.found) for hit in results.hits]

    def _filter(self, question: Question) -> Filters:
        if not self.asking.filter_field:
            return Filters()
        wanted = _field(question, self.asking.filter_field)
        if wanted not in self._documents:
            raise DataError(f"{question.id!r} is asked of {wanted!r}, which the corpus does not hold.")
        return Filters(documents=(self._documents[wanted],))


def _field(question: Question, name: str) -> str:
    value = question.fields.get(name, "")
    if not value:
        raise DataError(
            f"The question {question.id!r} has no field {name!r}.",
            fix=f"It has: {', '.join(question.fields) or 'none'}.",
        )
    return value
