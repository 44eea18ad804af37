"""Labelled exchanges scored through the code that serves: vectors, further samples, domain, skips and checks.

Fitting reads the same exchanges from here, so that what is learned from and what is scored cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Loss
from rightsized.engines.domain import Domain
from rightsized.engines.onnx import OnnxEncoder
from rightsized.engines.signals.signal import Exchange
from rightsized.engines.verifier import Verifier
from rightsized.store.home import Home
from rightsized.tasks.chat_barred import barred_from
from rightsized.tasks.chat_data import ChatRow
from rightsized.tasks.chat_exchange import compared, said
from rightsized.tasks.chat_verifier import likely, score_of
from rightsized.tasks.embeddings import embed


class Reader:
    """Turns rows into what verifiers read. Without an encoder there are no vectors."""

    def __init__(self, home: Home, encoder: OnnxEncoder | None, progress: Progress = no_progress) -> None:
        self._home, self._encoder, self._progress = home, encoder, progress

    def vectors(self, rows: Sequence[ChatRow]) -> NDArray[np.float32] | None:
        """Of the prompts, float32 (rows, dimension)."""
        return self._embedded([row.prompt for row in rows])

    def exchanges(self, rows: Sequence[ChatRow], tier: str) -> list[Exchange]:
        """Of one tier, with the likeness of its further samples where there are any."""
        plain = [row.exchange(tier) for row in rows]
        texts = [said(exchange) for exchange in plain]
        vectors = self._embedded([text for one in texts for text in one]) if any(texts) else None
        if vectors is None:
            return plain
        ends = np.cumsum([len(one) for one in texts]).tolist()
        return [
            compared(exchange, list(vectors[end - len(one) : end]))
            for exchange, one, end in zip(plain, texts, ends, strict=True)
        ]

    def _embedded(self, texts: list[str]) -> NDArray[np.float32] | None:
        return embed(self._home, self._encoder, texts, self._progress) if self._encoder is not None else None


@dataclass(frozen=True, eq=False)
class Scored:
    """`scores` float64 (rows, tiers) as the ladder sees them, NaN where a tier is not asked; `outside` bool (rows,)."""

    scores: NDArray[np.float64]
    outside: NDArray[np.bool_]


@dataclass(frozen=True)
class Rules:
    """All that decides a score beside the texts: the verifiers as they were read back, skips, domain and loss."""

    verifiers: Mapping[str, Verifier]
    skips: tuple[float | None, ...]
    domain: Domain | None
    loss: Loss


def score(rules: Rules, rows: Sequence[ChatRow], reader: Reader, progress: Progress = no_progress) -> Scored:
    """Every row through the verifiers that were read back, one row at a time as in service.

    A row has no score from the first tier on that a rule would keep it from, and none where a rule about its tests lets
    no answer be accepted.
    """
    vectors, barred = reader.vectors(rows), barred_from(rows, tuple(rules.verifiers))
    refused = refused_at(rows, tuple(rules.verifiers))
    after, before = np.full((2, len(rows), len(rules.verifiers)), np.nan)
    outside = np.zeros(len(rows), np.bool_)
    asked = [np.flatnonzero(~column).tolist() for column in barred.T]
    exchanges = [
        dict(zip(numbers, reader.exchanges([rows[i] for i in numbers], tier), strict=True))
        for tier, numbers in zip(rules.verifiers, asked, strict=True)
    ]
    for i, row in enumerate(rows):
        vector = vectors[i] if vectors is not None else None
        outside[i] = rules.domain is not None and vector is not None and bool(rules.domain.outside(vector))
        for k, verifier in enumerate(rules.verifiers.values()):
            if barred[i, k]:
                continue
            if not refused[i, k]:
                after[i, k] = score_of(verifier, exchanges[k][i], vector, rules.loss)
            before[i, k] = likely(verifier.before(row.prompt, vector))
        progress("Scoring calibrate", i + 1, len(rows))
    return Scored(as_seen(after, before, rules.skips, outside), outside)


def refused_at(rows: Sequence[ChatRow], tiers: Sequence[str]) -> NDArray[np.bool_]:
    """Whether a rule about the tests of a row lets no answer of a tier be accepted, bool (rows, tiers)."""
    found = np.array([[tier in row.refused for tier in tiers] for row in rows], np.bool_)
    return found.reshape(len(rows), len(tiers))


def as_seen(
    after: NDArray[np.float64],
    before: NDArray[np.float64],
    skips: tuple[float | None, ...],
    outside: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Scores as the ladder sees them: a tier that is not asked has none (NaN goes up)."""
    bars = np.array([-np.inf if skip is None else skip for skip in skips])
    return np.where((before >= bars[None, :]) & ~outside[:, None], after, np.nan)
