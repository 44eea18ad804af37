"""Checks of what is said: topics as a fitted classifier tells them, and claims that must not be made."""

from __future__ import annotations

import re

from rightsized.core.generation import Completion, Generation, words_of
from rightsized.guard.policy.outputs import ForbiddenClaimsRule, TopicRule
from rightsized.guard.safety.check import FINE, Check
from rightsized.guard.safety.form import plain
from rightsized.guard.safety.means import Means
from rightsized.guard.safety.written import everything


class Topic(Check[TopicRule]):
    """The request, or each text of the answer, by a task's calibrated probabilities.

    Of a conversation the last message of the user is read alone as well: what was said before must not hide it.
    """

    def needs_output(self, generation: Generation) -> bool:
        return self.rule.about == "output"

    def instruction(self, generation: Generation) -> str:
        if self.rule.about == "request":
            return ""
        word = "only about" if self.rule.mode == "allow" else "not about"
        return f"Write {word}: {', '.join(self.rule.topics)}."

    async def request(self, generation: Generation) -> str:
        if self.rule.about != "request":
            return FINE
        return await self._fault([words_of(generation), *_last_words(generation)])

    async def output(self, generation: Generation, completion: Completion) -> str:
        return await self._fault(everything(completion)) if self.rule.about == "output" else FINE

    async def _fault(self, texts: list[str]) -> str:
        for text in dict.fromkeys(text for text in texts if text.strip()):
            told = await self.means.topics(self.rule.task, text)
            named = {topic: told.get(topic, 0.0) for topic in self.rule.topics}
            topic, sure = max(named.items(), key=lambda one: one[1])
            if self.rule.mode == "deny" and not sure < self.rule.threshold:  # NaN counts
                return f"task {self.rule.task} tells {topic} with probability {sure:.2f}"
            if self.rule.mode == "allow" and not sum(named.values()) >= self.rule.threshold:
                return f"task {self.rule.task} tells an allowed topic with probability {sum(named.values()):.2f}"
        return FINE


def _last_words(generation: Generation) -> list[str]:
    messages = generation.body.get("messages") or []
    last = next((one for one in reversed(messages) if isinstance(one, dict) and one.get("role") == "user"), None)
    return [words_of(Generation("chat", {"messages": [last]}))] if last else []


class ForbiddenClaims(Check[ForbiddenClaimsRule]):
    """Patterns, matched against the text as it reads and as it stands."""

    reads_output = True

    def __init__(self, rule: ForbiddenClaimsRule, means: Means) -> None:
        super().__init__(rule, means)
        self._claims = [re.compile(claim, re.IGNORECASE) for claim in rule.claims]

    def instruction(self, generation: Generation) -> str:
        return f"Do not write this: {self.rule.reason}" if self.rule.reason else ""

    async def output(self, generation: Generation, completion: Completion) -> str:
        for text in everything(completion):
            for number, claim in enumerate(self._claims, start=1):
                if claim.search(text) or claim.search(plain(text)):
                    return f"it makes forbidden claim {number}"
        return FINE
