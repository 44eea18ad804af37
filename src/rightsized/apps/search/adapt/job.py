"""The child process in which a collection is adapted: opens what is named, adapts, and closes it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from rightsized.apps.search.adapt.adapting import adapt
from rightsized.apps.search.adapt.questions import read_questions
from rightsized.apps.search.adapt.records import Adapted, AdaptOptions
from rightsized.apps.search.adapt.training import Base
from rightsized.apps.search.collections import Collections
from rightsized.apps.search.rank.judgements import Read
from rightsized.core.frozen import Frozen
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.encoders import open_encoder

ENTRY = "rightsized.apps.search.adapt.job:adapt_job"


class Context(Protocol):
    """What the job's process offers."""

    @property
    def cancelled(self) -> bool: ...

    def progress(self, stage: str, done: int, total: int) -> None: ...


class AdaptPlan(Frozen, frozen=True):
    """What to adapt: `encoder` names the one of the settings, `judged` a file or folder, `python` one with torch."""

    home: str
    collection: str
    encoder: str
    python: str
    judged: str = ""
    options: AdaptOptions = AdaptOptions()


def adapt_job(arguments: dict[str, Any], context: Context) -> Adapted:
    """Entry of the child process."""
    plan = msgspec.convert(arguments, AdaptPlan)
    home = Home(plan.home)
    store = ModelStore(home)
    opened: dict[str, OnnxEncoder] = {}

    def named(name: str) -> OnnxEncoder:
        if name not in opened:
            opened[name] = open_encoder(name, store)
        return opened[name]

    collections = Collections(home, lambda: named(plan.encoder), named)
    try:
        collection = collections.open(plan.collection)
        read = Read(())
        if plan.judged:
            read = read_questions(Path(plan.judged), collection.view(collection.all_principals()))
        base = Base(store, plan.encoder, named(plan.encoder), plan.python)
        report = adapt(
            collection,
            base,
            read.questions,
            plan.options,
            progress=context.progress,
            cancelled=lambda: context.cancelled,
        )
        return replace(report, problems=read.problems)
    finally:
        collections.close()
        for encoder in opened.values():
            encoder.close()
