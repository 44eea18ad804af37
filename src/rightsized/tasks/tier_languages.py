"""Which languages each tier is used for: those that its settings name, else those of its model's card.

A card is believed where all it lists are ISO 639-1 codes ("multilingual" says nothing) and languages can be told here
(extra `[language]`); without that, no tier is kept from a text for its language unless the settings ask for it.
"""

from __future__ import annotations

import re
from importlib.util import find_spec

from msgspec.structs import replace

from rightsized.core.config import Config
from rightsized.core.errors import RightsizedError
from rightsized.core.tiers import ANY_LANGUAGE, TierConfig
from rightsized.store.home import Home
from rightsized.store.models import ModelStore

PACKAGE = "py3langid"
_CODE = re.compile(r"[a-z]{2}")


def with_languages(config: Config) -> Config:
    """The settings with the languages of each tier filled in; `any` becomes none, which keeps no text away."""
    return replace(config, tiers=tuple(_filled(tier, config) for tier in config.tiers))


def _filled(tier: TierConfig, config: Config) -> TierConfig:
    if ANY_LANGUAGE in tier.languages:
        return replace(tier, languages=())
    if tier.languages or tier.url or find_spec(PACKAGE) is None:
        return tier
    return replace(tier, languages=_of_card(tier.model, config))


def _of_card(model: str, config: Config) -> tuple[str, ...]:
    """The languages of an installed model's card; none where there is no such card, or it lists something else."""
    name = model.partition(":")[0]
    if not name or "/" in model or model.endswith(".gguf"):
        return ()
    try:
        listed = ModelStore(Home(config.home)).card(name).languages
    except RightsizedError:  # whoever opens the tier says so
        return ()
    return listed if all(_CODE.fullmatch(code) for code in listed) else ()
