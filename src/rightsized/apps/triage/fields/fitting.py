"""Fits a model of tokens from examples whose fields are marked, and puts it where the inbox opens it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx

from rightsized.apps.triage.fields.model import FOLDER
from rightsized.compress.tagger_graph import frozen_part
from rightsized.core.errors import DataError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.onnx import TOKENIZER_FILE, checked_file
from rightsized.engines.token_fields import States, TokenFieldSettings, open_token_fields
from rightsized.store.cards import Card
from rightsized.tune.token_fields import MarkedSpan, MarkedText, fit_head, tags_of, write

LAYERS = 3  # of the encoder: deeper ones know less of the single word (dev/LOG.md)
HELD_OUT = 5  # one in so many texts
ALL = "all"
LEAST = 0.5  # mean probability below which a field is not given


class Score(Frozen, frozen=True):
    """Spans of one field: those marked by hand, those found, and those found exactly."""

    name: str
    marked: int
    found: int
    right: int

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.marked + self.found) if self.marked + self.found else 0.0


def fit_model(
    examples: Sequence[MarkedText], encoder: Path, card: Card, folder: Path, *, progress: Progress = no_progress
) -> TokenFieldSettings:
    """Fit a model and put it into the folder of an inbox.

    Args:
        encoder: folder of the installed encoder; `card` is its card.
    Raises:
        DataError: too few examples, or a span outside its text. StoreError, IntegrityError: the encoder is another.
    """
    tags = tags_of(examples)
    graph = onnx.load(str(checked_file(encoder, card.variants["int8"].file, card)))
    states_graph = frozen_part(graph, LAYERS).SerializeToString()
    tokenizer = checked_file(encoder, TOKENIZER_FILE, card).read_bytes()
    head = fit_head(examples, States(states_graph, tokenizer), tags, progress=progress)
    settings = TokenFieldSettings(tags, card.digest, len(examples), least=LEAST)
    write(folder / FOLDER, head, states_graph, tokenizer, settings)
    return settings


def held_out(
    examples: Sequence[MarkedText], encoder: Path, card: Card, *, progress: Progress = no_progress, seed: int = 0
) -> list[Score]:
    """How well a model fitted on four fifths marks the rest: each field by name, then all together. Raises as
    `fit_model`."""
    order = np.random.default_rng(seed).permutation(len(examples))
    cut = len(order) // HELD_OUT
    train, test = [examples[n] for n in order[cut:]], [examples[n] for n in order[:cut]]
    with tempfile.TemporaryDirectory(prefix="rightsized-") as folder:
        fit_model(train, encoder, card, Path(folder), progress=progress)
        model = open_token_fields(Path(folder) / FOLDER)
    marked, found, right = Counter[str](), Counter[str](), Counter[str]()
    for one in test:
        want = {(span.name, span.start, span.end) for span in one.spans}
        got = {(span.name, span.start, span.end) for span in model.mark(one.text)}
        for counted, spans in ((marked, want), (found, got), (right, want & got)):
            counted.update(name for name, _, _ in spans)
    names = [*sorted(marked.keys() | found.keys()), ALL]
    for counted in (marked, found, right):
        counted[ALL] = counted.total()
    return [Score(name, marked[name], found[name], right[name]) for name in names]


def read_examples(path: Path) -> list[MarkedText]:
    """Examples as JSON lines: `{"text": ..., "spans": [{"name": ..., "start": 0, "end": 5}]}`. Raises DataError."""
    found = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                found.append(_example(line, f"Line {number} of {path.name}"))
    if not found:
        raise DataError(f"{path.name} holds no examples.")
    return found


def _example(line: str, where: str) -> MarkedText:
    try:
        row: Any = msgspec.json.decode(line)
        text = row["text"]
        spans = tuple(_spans(row))
        if not isinstance(text, str) or any(not 0 <= one.start < one.end <= len(text) for one in spans):
            raise ValueError("a span lies outside the text")
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{where} cannot be used: {error}.",
            fix='Write {"text": "...", "spans": [{"name": "product", "start": 3, "end": 9}]}, ends not included.',
        ) from None
    return MarkedText(text, spans)


def _spans(row: Any) -> Iterator[MarkedSpan]:
    for one in row.get("spans", []):
        yield MarkedSpan(str(one.get("name") or one["label"]), int(one["start"]), int(one["end"]))
