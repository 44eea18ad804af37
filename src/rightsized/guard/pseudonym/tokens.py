"""Log probabilities of a chat's tokens, in an answer or as they come: those that made up a placeholder become one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rightsized.guard.pseudonym.matching import Match, Matcher, Restorer

Token = dict[str, Any]


def is_chat(logprobs: Any) -> bool:
    """Whether these are a chat's; those of completions name places in the text, which change."""
    return isinstance(logprobs, dict) and set(logprobs) <= {"content", "refusal"}


class TokenRestorer:
    """The tokens of one growing text.

    Args:
        restorer: puts values into the tokens' texts.
    """

    def __init__(self, matcher: Matcher, restorer: Restorer) -> None:
        self._matcher, self._restorer = matcher, restorer
        self._held: list[Token] = []

    def feed(self, tokens: Iterable[Any]) -> list[Token]:
        """The tokens that can be given out now; those that cannot be read are left out."""
        self._held += [token for token in tokens if isinstance(token, dict) and isinstance(token.get("token"), str)]
        return self._decide(final=False)

    def flush(self) -> list[Token]:
        """Those held back, now that the text is over."""
        return self._decide(final=True)

    def _decide(self, *, final: bool) -> list[Token]:
        found, decided = self._matcher.scan("".join(token["token"] for token in self._held), final=final)
        made: list[Token] = []
        start, at = 0, 0
        for index, token in enumerate(self._held):
            at += len(token["token"])
            if at > decided:
                break
            if not _within(found, at):
                made.append(self._one(self._held[start : index + 1]))
                start = index + 1
        self._held = self._held[start:]
        return made

    def _one(self, group: list[Token]) -> Token:
        """A token, or several as one: as likely as all of them; what else might have stood there is not told."""
        text = self._restorer.whole("".join(token["token"] for token in group))
        if len(group) == 1 and text == group[0]["token"]:
            return group[0]
        known = [token["logprob"] for token in group if isinstance(token.get("logprob"), int | float)]
        raw = {"bytes": list(text.encode("utf-8", "replace"))} if group[0].get("bytes") is not None else {}
        return {**group[0], "token": text, "logprob": sum(known), "top_logprobs": [], **raw}


def _within(found: list[Match], place: int) -> bool:
    """Whether a place is inside a placeholder."""
    return any(match.start < place < match.end for match in found)
