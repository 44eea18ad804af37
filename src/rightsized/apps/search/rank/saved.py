"""A learned ordering on disk, in its collection's folder: weights and report as JSON, examples as safetensors.

It belongs to one encoder: with another the examples would mean nothing, and the weights were fitted on other cosines.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rightsized.apps.search.rank.examples import Examples, none
from rightsized.apps.search.rank.ordering import Ordering
from rightsized.apps.search.rank.tuning import Tuned
from rightsized.core.errors import IntegrityError
from rightsized.core.frozen import Frozen
from rightsized.store import atomic

FILE, EXAMPLES_FILE = "ordering.json", "ordering.safetensors"
DEFAULT_ORDERING = Ordering()
_FIX = "Run: rightsized search tune, or remove the file to go back to the default ordering."


class FusionModel(Frozen, frozen=True):
    """What stands in `ordering.json`."""

    encoder: str
    weights: dict[str, float]
    documents: tuple[tuple[str, ...], ...]
    sha256: str
    created: float
    report: Tuned


def save_ordering(folder: Path, ordering: Ordering, report: Tuned, *, encoder: str, created: float) -> FusionModel:
    """Write an ordering; the JSON goes last, and names the digest of the other file."""
    questions, centres, documents = ordering.examples
    content = save({"questions": questions, "centres": centres})
    digest = hashlib.sha256(content).hexdigest()
    model = FusionModel(encoder, ordering.weights, documents, digest, created, report)
    atomic.write(folder / EXAMPLES_FILE, content)
    atomic.write(folder / FILE, msgspec.json.encode(model))
    return model


def open_ordering(folder: Path, encoder: str) -> Ordering:
    """The collection's learned ordering; the default where it has none, or one for another encoder.

    Raises:
        IntegrityError: a file is missing or altered.
    """
    model = saved_model(folder)
    if model is None or model.encoder != encoder:
        return Ordering()
    try:
        content = (folder / EXAMPLES_FILE).read_bytes()
        if hashlib.sha256(content).hexdigest() != model.sha256:
            raise IntegrityError(f"{folder / EXAMPLES_FILE} is not what {FILE} says.", fix=_FIX)
        arrays = load(content)
        questions, centres = (arrays[name].astype(np.float32) for name in ("questions", "centres"))
    except (OSError, SafetensorError, KeyError) as error:
        raise IntegrityError(f"{folder / EXAMPLES_FILE} cannot be read: {error}.", fix=_FIX) from None
    if not len(questions) == len(centres) == len(model.documents):
        raise IntegrityError(f"The examples of {folder / EXAMPLES_FILE} do not fit together.", fix=_FIX)
    return Ordering(model.weights, Examples(questions, centres, model.documents) if len(questions) else none())


def saved_model(folder: Path) -> FusionModel | None:
    """What is saved of an ordering; None where there is none. Raises IntegrityError where it cannot be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=FusionModel)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise IntegrityError(f"{folder / FILE} cannot be read: {error}.", fix=_FIX) from None


def forget_ordering(folder: Path) -> None:
    """Go back to the default ordering."""
    (folder / FILE).unlink(missing_ok=True)
    (folder / EXAMPLES_FILE).unlink(missing_ok=True)


class Orderings:
    """Learned orderings of collections, read again when their file changes. May be called by several threads."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int, str], Ordering]] = {}

    def of(self, folder: Path, encoder: str) -> Ordering:
        """The ordering of the collection in a folder, as `open_ordering` gives it."""
        try:
            found = (folder / FILE).stat()
        except OSError:
            return DEFAULT_ORDERING
        version = (found.st_mtime_ns, found.st_ino, encoder)
        known = self._known.get(folder)
        if known is None or known[0] != version:
            known = self._known[folder] = (version, open_ordering(folder, encoder))
        return known[1]
