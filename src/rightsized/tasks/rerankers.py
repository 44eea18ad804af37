"""Opens an installed cross-encoder. It is pulled as an encoder is, and its checkpoint says what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightsized.core.config import EngineConfig
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
