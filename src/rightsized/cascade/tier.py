"""One tier of the gateway's ladder: a model that writes, what it costs, and the rules that veto it for a request.

Vetoes come before any score and hold on every path, fallbacks included: a tier that may not take a request is never
asked, whatever else fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from rightsized.core.generation import Completion, Generation, Generator, Usage, words_of
from rightsized.core.tiers import TierConfig

CHARS_A_TOKEN = 4.0  # high for most languages: only what is surely too long is vetoed here
MILLION = 1e6

Language = Callable[[str], str]


def unknown_language(text: str) -> str:
    """Says nothing of any text's language."""
    return ""


@dataclass(frozen=True)
class Tier:
    """A model in the ladder.

    Args:
        language: text -> ISO 639-1 code, or empty where it cannot tell.
        failures: attempts that came to nothing since the start, by the error's code.
    """

    config: TierConfig
    generator: Generator
    language: Language = unknown_language
    failures: Counter[str] = field(default_factory=Counter, kw_only=True)

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def model(self) -> str:
        return self.generator.digest

    @property
    def destination(self) -> str:
        """The host that a text goes to; empty where it stays on this machine."""
        return "" if self.generator.on_premises else urlsplit(self.config.url).hostname or self.name

    def cost(self, usage: Usage) -> float:
        """US dollars."""
        config = self.config
        return (usage.prompt_tokens * config.price_in + usage.completion_tokens * config.price_out) / MILLION

    def veto(self, generation: Generation) -> str:
        """Why this tier may not be asked, in words; empty where it may."""
        return self.forbidden(generation) or self.unfit(generation)

    def forbidden(self, generation: Generation) -> str:
        """Rules about where data may go: policy, class and residency. Empty where none stands against it."""
        config = self.config
        if why := generation.vetoes.get(self.name):
            return why
        if not config.allows(generation.data_class, on_premises=self.generator.on_premises):
            return f"{generation.data_class} data may not be sent there"
        if generation.region and not self._stays_in(generation.region):
            where = config.region or "no region that is named"
            return f"the data must stay in {generation.region}; this tier is in {where}"
        return ""

    def _stays_in(self, region: str) -> bool:
        """Whether it runs there. This machine is where the data is, unless the tier says that it runs elsewhere."""
        return region == self.config.region or (self.generator.on_premises and not self.config.region)

    def unfit(self, generation: Generation) -> str:
        """What it cannot do: the operation, a prompt of this length, this language. Empty where it can."""
        config = self.config
        if generation.operation not in config.operations or generation.operation not in self.generator.operations:
            return f"it does not do {generation.operation}"
        reads = config.context or self.generator.context
        if reads:
            needed = estimated_tokens(generation)
            if needed > reads:
                return f"about {needed:,} tokens are needed; it reads {reads:,}"
        if config.languages:
            language = self.language(words_of(generation))
            if language and language not in config.languages:
                return f"the text is in {language!r}; it is used for {', '.join(config.languages)}"
        return ""


def estimated_tokens(generation: Generation) -> int:
    """Tokens of the prompt by its length, and of the answer where a limit was asked for."""
    return prompt_tokens(generation) + (asked_tokens(generation) or 0)


def prompt_tokens(generation: Generation) -> int:
    """Tokens of the prompt by its length."""
    return int(len(words_of(generation)) / CHARS_A_TOKEN) + 1


def asked_tokens(generation: Generation) -> int | None:
    """The most tokens the request wants written, all its choices together; None where it does not say."""
    body = generation.body
    if generation.operation not in ("chat", "completions"):
        return 0
    asked, choices = body.get("max_completion_tokens") or body.get("max_tokens"), body.get("n") or 1
    return asked * choices if isinstance(asked, int) and isinstance(choices, int) else None


def text_of(completion: Completion) -> str:
    """The text a check reads: what was written, or the arguments of the tools that were called."""
    if completion.text:
        return completion.text
    choices = completion.body.get("choices") or [{}]
    calls = (choices[0].get("message") or {}).get("tool_calls") or ()
    return "\n".join(str((call.get("function") or {}).get("arguments", "")) for call in calls)
