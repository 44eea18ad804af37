"""Finds the reranker of the settings: a tier that reranks, asked through the gateway, or a cross-encoder here."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rightsized.apps.search.protocols import Reranker
from rightsized.apps.search.rank.reranking import Budget
from rightsized.apps.search.rank.tier_reranker import TierReranker
from rightsized.core.config import Config
from rightsized.core.errors import ConfigError
from rightsized.core.generation import Caller, DataClass
from rightsized.tasks.gateway_protocol import Gateway
from rightsized.tasks.rerankers import configured_reranker


class Reranking(NamedTuple):
    """`of` gives the reranker of a collection (its name) for whoever asks, or none; `budget` is of one question."""

    of: Callable[[str, Caller], Reranker | None]
    budget: Budget = Budget()


NOTHING = Reranking(lambda collection, caller: None)  # results stand as they were ordered


def by_a_tier(config: Config) -> bool:
    """Whether `[search] reranker` names a tier. Raises ConfigError for a tier that does not rerank."""
    tier = next((one for one in config.tiers if one.name == config.search.reranker), None)
    if tier is not None and "rerank" not in tier.operations:
        raise ConfigError(
            f"[search] reranker names tier {tier.name!r}, which does not rerank.",
            fix='Give it operations = ["rerank"] and a model for it.',
        )
    return tier is not None


def reranking_of(config: Config, gateway: Callable[[], Gateway | None]) -> Reranking:
    """The reranking that the settings ask for; a tier of the name that `[search] reranker` gives comes before a model.

    Args:
        gateway: gives the one that is running when somebody asks.
    Raises:
        ConfigError: the tier does not rerank. NotFoundError: no tier and no installed model has that name.
    """
    if by_a_tier(config):

        def tier(collection: str, caller: Caller) -> TierReranker:
            held = data_class_of(config, collection)
            return TierReranker(gateway, config.search.reranker, caller, data_class=held, collection=collection)

        return Reranking(tier, budget_of(config))
    reranker = configured_reranker(config)
    return Reranking(lambda collection, caller: reranker, budget_of(config))


def budget_of(config: Config) -> Budget:
    """How many passages of one question are read, and how long that may take. Raises ConfigError."""
    passages, seconds = config.search.reranker_passages, config.search.reranker_seconds
    if passages < 1 or not seconds > 0:
        raise ConfigError(
            f"[search] reranker_passages = {passages} and reranker_seconds = {seconds:g} leave nothing to read.",
            fix="Both are above 0; an empty reranker reads nothing.",
        )
    return Budget(passages, seconds)


def data_class_of(config: Config, collection: str) -> DataClass:
    """What the documents of a collection hold, by the settings."""
    return config.search.data_classes.get(collection, config.search.data_class)
