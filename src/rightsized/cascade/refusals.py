"""Why no tier may take a request, as the error that says what to do."""

from __future__ import annotations

from collections.abc import Sequence

from rightsized.cascade.tier import Tier
from rightsized.core.errors import ContextLengthError, ForbiddenError, RightsizedError, UnsupportedError
from rightsized.core.generation import Generation

SHORTEN = (
    "Shorten it, or name a tier that reads more. For a document: rightsized search context and summary. To have long "
    'chats read in parts, uncertified: [gateway] long_inputs = "map-reduce".'
)


def none_left(generation: Generation, tiers: Sequence[Tier]) -> RightsizedError:
    """The error to raise where each of these tiers is vetoed for the request."""
    why = "; ".join(f"{tier.name}: {tier.veto(generation)}" for tier in tiers)
    if any(tier.forbidden(generation) for tier in tiers):
        return ForbiddenError(f"No tier may take this request. {why}.", fix=_let_in(generation, tiers))
    if any("tokens are needed" in tier.unfit(generation) for tier in tiers):
        return ContextLengthError(f"The prompt is too long for every tier. {why}.", fix=SHORTEN)
    return UnsupportedError(f"No tier can take this request. {why}.")


def _let_in(generation: Generation, tiers: Sequence[Tier]) -> str:
    """What would let a request pass that the rules about data keep from every tier."""
    held = generation.data_class
    if all(tier.name in generation.vetoes for tier in tiers):
        return "The policy file keeps it from every tier that could take it."
    if any(tier.config.allows(held, on_premises=tier.generator.on_premises) for tier in tiers):
        return "Leave out the header X-Rightsized-Region, or name a tier that runs there: region."
    if generation.least == held:
        return (
            f"This API key counts every request as {held} data, whatever the request declares. Use a key made for less "
            "(rightsized keys create NAME --data-class CLASS), or let a tier take it: data_classes."
        )
    return "Declare its class with the header X-Rightsized-Data-Class, or let a tier take it: data_classes."
