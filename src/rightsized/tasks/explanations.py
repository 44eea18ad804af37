"""Explains an answer of a served task: word contributions at the rung that answers, and the nearest labelled examples.

Runs in a thread beside the requests; one explanation at a time, so that answering keeps its processors.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from rightsized.core.errors import InputError, NotFoundError
from rightsized.core.types import Explanation
from rightsized.explain.game import Options
from rightsized.explain.labels import label_log_odds
from rightsized.explain.neighbours import Examples, open_examples
from rightsized.explain.words import explain_words
from rightsized.tasks.snapshot import Loaded

NEIGHBOURS = 5
MAX_CHARS = 20_000  # a longer text would hold the processors for minutes


class Explainer:
    """Keeps the labelled examples of the tasks it has explained.

    Args:
        budget_ms: wall-clock time for the words of one text, in milliseconds; 0 sets none. Where it is too short for
            every word, parts of the text are explained, or each word is left out once; `Explanation.method` says so.
    """

    def __init__(self, budget_ms: float = 0.0) -> None:
        self._options = Options(budget_ms=budget_ms or None)
        self._examples: dict[Path, Examples] = {}
        self._turn = asyncio.Lock()

    async def explain(self, loaded: Loaded, text: str) -> Explanation:
        """Explain the label of the rung that answers the text; where none does, that of the most capable one.

        Raises InputError for a text that is too long.
        """
        if len(text) > MAX_CHARS:
            raise InputError(f"The text has {len(text):,} characters; at most {MAX_CHARS:,} can be explained.")
        async with self._turn:
            return await asyncio.to_thread(self._explain, loaded, text)

    def _explain(self, loaded: Loaded, text: str) -> Explanation:
        encoder, classifier = loaded.encoder, loaded.classifier
        vector = encoder.encode_now(text).vector
        quick = classifier.score_text(text)
        first = loaded.certificate.thresholds[0]
        if first is not None and quick.score >= first:
            label, score = quick.prediction.label, label_log_odds(classifier, quick.prediction.label, None)
        else:
            label = classifier.score_vector(text, vector).prediction.label
            score = label_log_odds(classifier, label, encoder, encoder.threads)
        found = explain_words(text, score, self._options, label=label)
        examples = self._of(loaded.opened.folder)
        near = examples.nearest(vector, NEIGHBOURS) if examples else ()
        return msgspec.structs.replace(found, neighbours=near)

    def _of(self, folder: Path) -> Examples | None:
        if folder not in self._examples:
            try:
                self._examples[folder] = open_examples(folder)
            except NotFoundError:
                return None
        return self._examples[folder]
