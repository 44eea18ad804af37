"""Fits a model of tokens from examples whose fields are marked, and puts it where the inbox opens it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import onnx

from rightsized.apps.triage.fields.model import FOLDER
from rightsized.compress.tagger_graph import frozen_part
from rightsized.core.errors import DataError
from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.onnx import TOKENIZER_FILE, checked_file
from rightsized.engines.token_fields import States, TokenFieldSettings
from rightsized.store.cards import Card
from rightsized.tune.token_fields import MarkedSpan, MarkedText, fit_head, tags_of, write

LAYERS = 3  # of the encoder: deeper ones know less of the single word (dev/LOG.md)
LEAST = 0.5  # mean probability below which a field is not given


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
