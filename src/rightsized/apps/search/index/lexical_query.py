"""From a tree of clauses to a tantivy query, over the fields of the languages that an asker's passages are in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rightsized.apps.search.index.lexical import text_field
from rightsized.apps.search.query.clauses import And, Clause, Not, Or, Phrase, Terms
from rightsized.parsers import analysis

MOST_WORDS = 400  # different words of one clause that are looked up; the first ones
NEAR_WORDS = (4, 8)  # letters from which a word may be one, and two, letters off
NEAR_SCORE = 0.5  # what a near word adds; an exact one adds its BM25


class Translator:
    """Makes queries for one index and the languages in use."""

    def __init__(self, schema: Any, languages: Sequence[str]) -> None:
        self._schema = schema
        self._languages = sorted({analysis.stemmed_as(language) for language in languages}) or [analysis.PLAIN]
        self._library = analysis.tantivy()
        self._query = self._library.Query
        self._occur = self._library.Occur
        self.weigh: Callable[[str, list[str]], float] | None = None  # the factor of a word or phrase in a field

    def __call__(self, clause: Clause) -> Any:
        """The query; one that matches nothing where the clause has no words."""
        if isinstance(clause, Terms):
            return self._terms(clause)
        if isinstance(clause, Phrase):
            return self._any([self._phrase(clause, language) for language in self._languages])
        if isinstance(clause, Or):
            return self._any([self(part) for part in clause.parts])
        if isinstance(clause, And):
            return self._all(clause)
        return self._query.empty_query()  # Not alone matches nothing

    def allowed(self, query: Any, field: str, numbers: Sequence[int], *, inverted: bool = False) -> Any:
        """The query within the passages whose `field` is, or is not, one of the numbers; scores stay as they are."""
        among = self.among(field, numbers)
        if inverted:
            return self._query.boolean_query([(self._occur.Must, query), (self._occur.MustNot, among)])
        unweighted = self._query.boost_query(self._query.const_score_query(among, 1.0), 0.0)
        return self._query.boolean_query([(self._occur.Must, query), (self._occur.Must, unweighted)])

    def among(self, field: str, numbers: Sequence[int]) -> Any:
        """The passages whose `field` is one of the numbers."""
        return self._query.term_set_query(self._schema, field, list(numbers))

    def _terms(self, clause: Terms) -> Any:
        queries = []
        for language in self._languages:
            field, words = text_field(language), list(dict.fromkeys(analysis.words(clause.text, language)))[:MOST_WORDS]
            queries += [self._weighed(self.word(field, word), field, [word]) for word in words]
            if clause.fuzzy:
                queries += [self._near(field, word) for word in words if len(word) >= NEAR_WORDS[0]]
        if clause.fuzzy:  # a slip may be where the stem ends
            spelled = list(dict.fromkeys(analysis.words(clause.text, analysis.SPELLED)))[:MOST_WORDS]
            queries += [self._near(analysis.SPELLED, word) for word in spelled if len(word) >= NEAR_WORDS[0]]
        return self._any(queries)

    def terms(self, text: str) -> list[tuple[str, str]]:
        """The words of a text as each field in use has them: (field, word)."""
        languages = self._languages
        return [(text_field(language), word) for language in languages for word in analysis.words(text, language)]

    def word(self, field: str, word: str) -> Any:
        """The passages that hold a word as the field has it."""
        return self._query.term_query(self._schema, field, word, "freq")

    def _near(self, field: str, word: str) -> Any:
        distance = 2 if len(word) >= NEAR_WORDS[1] else 1
        near = self._query.fuzzy_term_query(self._schema, field, word, distance, True)
        return self._query.boost_query(near, NEAR_SCORE)

    def _phrase(self, clause: Phrase, language: str) -> Any:
        words = analysis.words(clause.text, language)
        if len(words) > 1:
            phrase = self._query.phrase_query(self._schema, text_field(language), words, clause.slop)
            return self._weighed(phrase, text_field(language), words)
        field = text_field(language)
        return self._any([self._weighed(self.word(field, word), field, [word]) for word in words])

    def _weighed(self, query: Any, field: str, words: list[str]) -> Any:
        return query if self.weigh is None else self._query.boost_query(query, self.weigh(field, words))

    def _all(self, clause: And) -> Any:
        must = [(self._occur.Must, self(part)) for part in clause.parts if not isinstance(part, Not)]
        mustnot = [(self._occur.MustNot, self(part.part)) for part in clause.parts if isinstance(part, Not)]
        if not must:
            must = [(self._occur.Must, self._query.all_query())] if mustnot else []
        return self._query.boolean_query(must + mustnot) if must else self._query.empty_query()

    def _any(self, queries: Sequence[Any]) -> Any:
        if not queries:
            return self._query.empty_query()
        if len(queries) == 1:
            return queries[0]
        return self._query.boolean_query([(self._occur.Should, query) for query in queries])
