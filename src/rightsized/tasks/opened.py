"""A version of a task read from disk, with its rungs open: nothing judged, nothing composed yet."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from rightsized.cascade.reference import Reference
from rightsized.core import registry
from rightsized.core.config import Config
from rightsized.core.protocols import Rung
from rightsized.core.types import Certificate, Task
from rightsized.engines.classifier import Classifier, open_rungs
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.encoders import open_encoder
from rightsized.tasks.versions import TaskStore


class Encoders:
    """Open encoders by name: tasks on the same encoder share one."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store = ModelStore(Home(config.home))
        self._open: dict[str, OnnxEncoder] = {}
        self._opening = threading.Lock()

    def names(self) -> list[str]:
        """Encoders installed here. Raises IntegrityError (a card cannot be read)."""
        engines = registry.names("rightsized.encoders")
        return [card.name for card in self._store.list() if card.engine in engines]

    def get(self, name: str) -> OnnxEncoder:
        """The encoder, opened at its first use, from any thread. Raises NotFoundError, IntegrityError."""
        with self._opening:
            if name not in self._open:
                self._open[name] = open_encoder(name, self._store, self._config.engine)
            return self._open[name]

    def close(self) -> None:
        """Close them all."""
        for encoder in self._open.values():
            encoder.close()
        self._open.clear()


class OpenedTask(Struct):
    """What a version consists of."""

    task: Task
    folder: Path
    certificate: Certificate
    reference: Reference
    classifier: Classifier
    encoder: OnnxEncoder
    rungs: Sequence[Rung]


def open_task(store: TaskStore, encoders: Encoders, name: str) -> OpenedTask:
    """Read the version in force. Raises NotFoundError, IntegrityError, CertificateError."""
    version = store.current(name)
    folder = store.folder(name, version)
    task = store.read(name, "task.json", Task, version)
    encoder = encoders.get(task.encoder)
    classifier = Classifier.open(folder)
    return OpenedTask(
        task=task,
        folder=folder,
        certificate=store.read(name, "certificate.json", Certificate, version),
        reference=store.read(name, "reference.json", Reference, version),
        classifier=classifier,
        encoder=encoder,
        rungs=open_rungs(classifier, encoder),
    )


async def rescore(rungs: Sequence[Rung], texts: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """Scores of texts by every rung, one text at a time."""
    return tuple([tuple([(await rung.score(text)).score for rung in rungs]) for text in texts])
