"""What a fit leaves behind so that the next one, with a few more examples, takes seconds.

Out-of-fold scores of rows that stay are kept, under another label too; new rows are scored by the classifier before,
which never saw them. Only the final models are fitted again. Where more than a few rows are new since everything was
scored, or anything else differs, nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rightsized.core.errors import IntegrityError, NotFoundError
from rightsized.engines.classifier import Classifier
from rightsized.tune.crossfit import Choices, RawScores
from rightsized.tune.heads import HeadChoice
from rightsized.tune.ngrams import suited
from rightsized.tune.training import FitOptions, Numbered, TrainingData

FILE = "crossfit.safetensors"
NEW_SHARE = 0.1  # more new rows than this share of those of the last full fit call for another ...
NEW_SHARE_RECHECKED = 0.3  # ... or than this where some of the rows are scored anew each time


@dataclass(frozen=True)
class Previous:
    """A classifier, its choices, and the out-of-fold scores of its rows.

    `keys` uint8 (n, 32) name the rows, `texts` uint8 (n, 32) their texts; `since` rows are new since a full fit.
    """

    classifier: Classifier
    choices: Choices
    keys: NDArray[np.uint8]
    scores: RawScores
    folds: NDArray[np.intp]
    texts: NDArray[np.uint8]
    since: int = 0

    def save(self, folder: Path) -> None:
        """Write the classifier's files and `crossfit.safetensors`."""
        self.classifier.save(folder)
        names = {"keys": self.keys, "texts": self.texts, "folds": self.folds.astype(np.int64)}
        arrays = {**asdict(self.scores), **names}
        chosen, since = json.dumps(asdict(self.choices)), str(self.since)
        note = {"choices": chosen, "classifier": self.classifier.digest, "since": since}
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / FILE, metadata=note)

    @classmethod
    def open(cls, folder: Path) -> Previous:
        """Read what `save` wrote.

        Raises:
            NotFoundError: no fit left anything here.
            IntegrityError: a file is damaged, or belongs to another classifier.
        """
        classifier = Classifier.open(folder)
        if not (folder / FILE).exists():
            raise NotFoundError(f"There is no {FILE} in {folder}.", fix="Fit the task again in full.")
        try:
            with safe_open(folder / FILE, framework="numpy") as file:
                note = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            if note["classifier"] != classifier.digest:
                raise IntegrityError(f"{folder / FILE} belongs to another classifier.", fix="Fit the task again.")
            chosen = json.loads(note["choices"])
            choices = Choices(HeadChoice(**chosen["head"]), chosen["ngram_strength"], chosen["label_names"])
            keys, texts, folds = arrays.pop("keys"), arrays.pop("texts"), arrays.pop("folds").astype(np.intp)
            return cls(classifier, choices, keys, RawScores(**arrays), folds, texts, int(note["since"]))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise IntegrityError(f"{folder / FILE} cannot be read: {error}.", fix="Fit the task again.") from None


def keys_of(numbered: Numbered) -> NDArray[np.uint8]:
    """A digest of each row's text and labels, uint8 (n, 32)."""
    found = np.empty((numbered.size, 32), dtype=np.uint8)
    for row, text in enumerate(numbered.texts):
        own = "\n".join(label for label, has in zip(numbered.labels, numbered.targets[row], strict=True) if has)
        digest = hashlib.sha256(f"{len(text)}\n{text}\n{own}".encode("utf-8", "surrogatepass")).digest()
        found[row] = np.frombuffer(digest, dtype=np.uint8)
    return found


def texts_of(numbered: Numbered) -> NDArray[np.uint8]:
    """A digest of each row's text, uint8 (n, 32)."""
    digests = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in numbered.texts)
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(numbered.size, 32)


class Carried(NamedTuple):
    """Out-of-fold scores and folds of rows, `new` ones among them; `since` a full fit that many were.

    `same`: the rows are those of before, in their order.
    """

    scores: RawScores
    folds: NDArray[np.intp]
    new: int
    since: int
    same: bool


def carried_over(
    previous: Previous | None, numbered: Numbered, data: TrainingData, options: FitOptions
) -> Carried | None:
    """Out-of-fold scores and folds of these rows, from those kept; None where a full fit is due."""
    if previous is None or not _same_kind(previous.classifier, numbered, data, options):
        return None
    keys = keys_of(numbered)
    count = int((_sources(previous.keys, keys) < 0).sum())
    most = NEW_SHARE_RECHECKED if options.recheck else NEW_SHARE
    if previous.since + count > most * (len(previous.keys) - previous.since):
        return None
    source = _sources(previous.texts, texts_of(numbered))  # its models did not see the row, whatever its label was
    new = np.flatnonzero(source < 0)
    twins = {int(numbered.groups[row]): int(source[row]) for row in np.flatnonzero(source >= 0).tolist()}
    for row in new.tolist():  # a new row that repeats an old one: the old one's models never saw either
        source[row] = twins.get(int(numbered.groups[row]), -1)
    kept = np.flatnonzero(source >= 0)
    scores = RawScores.empty(numbered.size, len(numbered.labels))
    folds = numbered.groups % (int(previous.folds.max()) + 1)
    folds[kept] = previous.folds[source[kept]]
    for name, values in asdict(previous.scores).items():
        getattr(scores, name)[kept] = values[source[kept]]
    for row in np.flatnonzero(source < 0).tolist():
        raw = previous.classifier.raw(numbered.texts[row], numbered.vectors[row])
        if raw.margins is not None and raw.logits is not None:
            scores.margins[row], scores.unknown[row], scores.truncated[row] = raw.margins
            scores.logits[row], scores.nearest[row] = raw.logits, raw.nearest
    return Carried(scores, folds, count, previous.since + count, np.array_equal(keys, previous.keys))


def _sources(known: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Where each wanted digest stands among the known ones, int (n,); -1 where it does not."""
    position = {key.tobytes(): row for row, key in enumerate(known)}
    return np.array([position.get(key.tobytes(), -1) for key in wanted], dtype=np.intp)


def _same_kind(classifier: Classifier, numbered: Numbered, data: TrainingData, options: FitOptions) -> bool:
    settings = classifier.settings
    return (
        settings.labels == numbered.labels
        and settings.multi_label == numbered.multi_label
        and settings.encoder == data.encoder
        and settings.spec == suited(options.spec, numbered.texts)
        and classifier.head.dimension == data.vectors.shape[1]
    )
