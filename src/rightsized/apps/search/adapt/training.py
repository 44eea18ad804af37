"""From mined pairs to other weights for the encoder: texts become token ids, and `tune.contrastive` trains on them."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.adapt.records import AdaptOptions, Mined, Trained
from rightsized.core.protocols import Encoder, Progress, no_progress
from rightsized.store.models import ModelStore
from rightsized.tasks.adapted import weights_of
from rightsized.tasks.encoders import open_encoder
from rightsized.tune.contrastive import Settings, Texts, hand_over, train
from rightsized.tune.duplicates import normalise

if TYPE_CHECKING:
    from rightsized.compress.network import FloatArray
    from rightsized.engines.onnx import OnnxEncoder

EPOCHS = 1.0
HELD_OUT, HELD_OUT_SHARE = 256, 0.1  # pairs kept back at most, and of all


class Base(NamedTuple):
    """What is trained further: an installed encoder, open, and its name in the store. `python` is one with torch, if
    layers are to be trained."""

    store: ModelStore
    name: str
    encoder: Encoder
    python: str = ""


class Made(NamedTuple):
    """Weights to install, and how they came about as JSON."""

    arrays: dict[str, FloatArray]
    trained: Trained
    facts: bytes


def trained_on(
    mined: Mined,
    base: Base,
    folder: Path,
    options: AdaptOptions,
    *,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> Made:
    """Train in `folder`, where work that was stopped goes on; the trained weights mixed with the base's.

    Raises:
        JobError: it was stopped, or failed.
    """
    began = time.monotonic()
    with closing(open_encoder(base.name, base.store)) as opened:
        texts = texts_of(mined, opened, options)
    blueprint, arrays = weights_of(base.store, base.name)
    settings = Settings(
        epochs=options.epochs or EPOCHS,
        batch=options.batch,
        rate=options.rate,
        layers=min(options.layers, blueprint.layers),
        seed=options.seed,
        threads=options.threads,
    )
    digest = _digest(texts, settings, base.encoder.digest)
    work = folder / digest[:16]
    for other in folder.glob("*"):
        if other != work and other.is_dir():  # of other pairs or settings: nothing to go on from
            shutil.rmtree(other, ignore_errors=True)
    hand_over(work, arrays, blueprint._asdict(), texts, settings)
    tuned, outcome = train(base.python, work, progress=progress, cancelled=cancelled)
    report = Trained(
        method="layers",
        pairs=counted(mined),
        negatives=sum(bool(one.body) for one in mined.negatives),
        judged_left_out=mined.judged,
        held_out=texts.held_out,
        before=outcome.before,
        after=outcome.after,
        steps=outcome.steps,
        loss=outcome.loss,
        seconds=time.monotonic() - began,
        memory_mb=outcome.memory_mb,
        chosen=f"{settings.layers} layers from the top, {options.mix:g} of the trained weights",
    )
    facts = facts_of(base, digest, options, report, torch=outcome.torch)
    return Made(mixed(arrays, tuned, options.mix), report, facts)


def facts_of(base: Base, digest: str, options: AdaptOptions, report: Trained, **more: str) -> bytes:
    """How weights came about, as JSON that is the same for the same work: no times, no memory."""
    plain = msgspec.to_builtins(report)
    facts = {
        "base": base.store.card(base.name).digest,
        "pairs_sha256": digest,
        "options": msgspec.to_builtins(options),
        "trained": {name: value for name, value in plain.items() if name not in ("seconds", "memory_mb")},
        **more,
    }
    return msgspec.json.format(msgspec.json.encode(facts), indent=2)


def counted(mined: Mined) -> dict[str, int]:
    """How many pairs there are of each kind."""
    return dict(Counter[str](pair.kind for pair in mined.pairs).most_common())


def mixed(
    base: dict[str, NDArray[np.float32]], tuned: dict[str, NDArray[np.float32]], share: float
) -> dict[str, NDArray[np.float32]]:
    """Weights between two networks (Wortsman et al. 2022): `share` of the second; those that are equal stay as is."""
    changed = {name: value for name, value in tuned.items() if not np.array_equal(value, base[name])}
    return {name: ((1 - share) * base[name] + share * value).astype(np.float32) for name, value in changed.items()}


def texts_of(mined: Mined, encoder: OnnxEncoder, options: AdaptOptions) -> Texts:
    """Pairs and negatives as numbers of texts, each text tokenised once, cut to `options.most_tokens`."""
    numbers: dict[tuple[str, str], int] = {}

    def number(text: str, document: str) -> int:
        return numbers.setdefault((text, document), len(numbers))

    pairs = [(number(one.asks, ""), number(one.body, one.document)) for one in mined.pairs]
    negatives = [[number(one.body, one.document) if one.body else -1] for one in mined.negatives]
    documents: dict[str, int] = {}
    said: dict[str, int] = {}
    most = min(options.most_tokens, encoder.max_tokens)
    return Texts(
        ids=[_cut(encoder.prepare(text).ids[0], most) for text, _ in numbers],
        pairs=np.array(pairs, np.int64),
        negatives=np.array(negatives, np.int64),
        document=np.array([documents.setdefault(document, len(documents)) for _, document in numbers], np.int64),
        same=np.array([said.setdefault(normalise(text), len(said)) for text, _ in numbers], np.int64),
        held_out=min(HELD_OUT, int(len(pairs) * HELD_OUT_SHARE)),
    )


def _cut(ids: NDArray[np.int64], most: int) -> NDArray[np.int32]:
    kept = ids if len(ids) <= most else np.append(ids[: most - 1], ids[-1])
    return kept.astype(np.int32)


def _digest(texts: Texts, settings: Settings, encoder: str) -> str:
    """Names the work: same texts, settings and encoder."""
    parts = [encoder.encode(), msgspec.json.encode(settings), *(one.tobytes() for one in texts.ids)]
    parts += [texts.pairs.tobytes(), texts.negatives.tobytes(), texts.document.tobytes(), texts.same.tobytes()]
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8))
        found.update(part)
    return found.hexdigest()
