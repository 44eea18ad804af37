"""Compares a GGUF model with what it was made from, and keeps the proof on its card.

Both sides run in processes of their own; what is compared is `compress/gguf/verify`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import msgspec

from rightsized import data
from rightsized.compress.gguf.child import Peer, score_command, training_python
from rightsized.compress.gguf.verify import Comparison, compare
from rightsized.core.errors import InputError, NotFoundError
from rightsized.store.cards import Card, LanguageModel
from rightsized.store.gguf import read_header
from rightsized.store.models import ModelStore
from rightsized.tasks.language_models import gguf_file, store_model

CONTEXT = 2048  # tokens in which both sides are compared, or fewer where the model has less
TEXTS = 12  # messages of the sample data that are compared where the user gives none
_ORIGIN = re.compile(r"(?:converted|quantised):(.+)")


def verify_export(
    name: str, *, store: ModelStore, original: str = "", python: str = "", texts: Sequence[str] = ()
) -> tuple[Card, Comparison]:
    """Compare an installed GGUF model with what it was made from and keep the proof with its card.

    Args:
        original: the checkpoint's folder, or the name of an installed GGUF model; empty: what the card says.
        texts: prompts; messages of the sample data where there are none.
    Raises:
        NotFoundError: what it was made from is not here. MissingExtraError: torch, transformers or xllamacpp.
        JobError: one side cannot open or run its model; says why. InputError: it is an adapter.
    """
    card, path = gguf_file(name, store)
    facts = card.language_model
    if facts is not None and facts.adapter_of:
        raise InputError(
            f"{name!r} is an adapter of {facts.adapter_of}; it is compared when it is converted.",
            fix="Run: rightsized models convert ADAPTER --lora BASE --name NEW",
        )
    made_from = original or _made_from(card)
    context = min(CONTEXT, card.context or CONTEXT)
    python = python if store_model(made_from, store) else training_python(python)
    command, against = _other_side(made_from, store, python, context)
    found = compare_sides((command, score_command(path, context)), name, against=against, texts=texts)
    return store.annotate(with_proof(card, found)), found


def compare_sides(
    sides: tuple[list[str], list[str]], name: str, *, against: str, texts: Sequence[str] = ()
) -> Comparison:
    """Run both sides, the original first, and compare them. Raises JobError where one ends."""
    with Peer(sides[0], against) as other, Peer(sides[1], name) as converted:
        return compare(other, converted, texts or _sample(), against=against)


def with_proof(card: Card, found: Comparison) -> Card:
    """The card with a proof in the place of an older one against the same."""
    facts = card.language_model
    assert facts is not None
    proofs = [proof for proof in facts.proofs if proof.against != found.proof.against]
    facts = msgspec.structs.replace(facts, proofs=(*proofs, found.proof))
    return msgspec.structs.replace(card, language_model=facts)


def reference_command(python: str, folder: Path) -> list[str]:
    """What the original implementation answers for a checkpoint (`tune/reference`)."""
    reference = find_spec("rightsized.tune.reference")
    assert reference is not None
    assert reference.origin is not None
    return [python, reference.origin, str(folder), "1"]


def against_of(called: str) -> str:
    """A checkpoint as proofs name it."""
    return f"transformers, float32 ({called})"


def context_of(file: Path) -> int:
    """Tokens in which a file is compared."""
    return min(CONTEXT, read_header(file).integer("context_length") or CONTEXT)


def checkpoint_folder(folder: str) -> Path:
    """The folder of a checkpoint or an adapter. Raises NotFoundError."""
    path = Path(folder).expanduser().resolve()
    if not (path / "config.json").exists() and not (path / "adapter_config.json").exists():
        raise NotFoundError(f"{path} holds no config.json: it is no checkpoint's folder.")
    return path


def _made_from(card: Card) -> str:
    match = _ORIGIN.fullmatch(card.source)
    if match is None:
        raise InputError(
            f"The card of {card.name!r} does not say what it was made from ({card.source}).",
            fix="Name the original: --original FOLDER or --original MODEL.",
        )
    return match[1]


def _other_side(made_from: str, store: ModelStore, python: str, context: int) -> tuple[list[str], str]:
    if store_model(made_from, store):
        card, path = gguf_file(made_from, store)
        facts: LanguageModel | None = card.language_model
        return score_command(path, context), f"{made_from} ({facts.quantisation if facts else ''})"
    folder = checkpoint_folder(made_from)
    return reference_command(python, folder), against_of(folder.name)


def _sample() -> list[str]:
    with data.path("support_train.csv").open(encoding="utf-8") as file:
        return [row["text"] for row, _ in zip(csv.DictReader(file), range(TEXTS), strict=False)]
