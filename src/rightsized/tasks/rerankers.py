"""Opens an installed cross-encoder. It is pulled as an encoder is, and its checkpoint says what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightsized.core.config import Config, EngineConfig
from rightsized.core.errors import NotFoundError
from rightsized.store.home import Home
from rightsized.store.models import ModelStore

if TYPE_CHECKING:
    from rightsized.engines.reranker import OnnxReranker


def open_reranker(
    name: str, store: ModelStore, config: EngineConfig | None = None, *, variant: str = ""
) -> OnnxReranker:
    """Open an installed reranker; `variant` is `int8` or `fp32`, the card's default where empty.

    Raises:
        NotFoundError: not installed, or another kind of model.
        IntegrityError: a file is missing or altered.
    """
    from rightsized.engines.reranker import OnnxReranker

    card = store.card(name)
    return OnnxReranker(store.folder(name), card, variant=variant, config=config)


def configured_reranker(config: Config) -> OnnxReranker | None:
    """The cross-encoder that `[search] reranker` names, open; None where it names none.

    Raises:
        NotFoundError: it is not installed, or another kind of model.
        IntegrityError: a file is missing or altered.
    """
    name, store = config.search.reranker, ModelStore(Home(config.home))
    if not name:
        return None
    if not store.has(name):
        raise NotFoundError(
            f"[search] reranker names {name!r}, which is not installed.",
            fix=f"Run: rightsized models pull hub:ORG/NAME --name {name}, a cross-encoder with one label.",
        )
    return open_reranker(name, store, config.engine)
