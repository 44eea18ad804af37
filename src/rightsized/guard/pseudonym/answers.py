"""Values put back into a whole answer: its texts, the arguments of tools, log probabilities, whatever else is text.

What looks like a placeholder and is none of this request's is left as it stands and counted, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import structs

from rightsized.core.errors import UpstreamError
from rightsized.core.generation import Completion, Generation
from rightsized.guard.pseudonym.matching import Matcher, Restorer
from rightsized.guard.pseudonym.rewrite import Sent
from rightsized.guard.pseudonym.tokens import TokenRestorer, is_chat

_LIKE_A_CODE = r"[0-9A-Za-z]*[0-9]|[^aeiouAEIOU\W_]{4,}\b"  # a digit in it, or no vowel: unlike USER_NAME
JSON_FORMATS = ("json_object", "json_schema")


class Answers:
    """Reads the answers to one request."""

    def __init__(self, generation: Generation, sent: Sent) -> None:
        self._generation, self._sent = generation, sent
        self._matcher = Matcher(sent.vault)
        self.json_content = _asks_for_json(generation.body)

    def restorer(self, *, escape: bool = False) -> Restorer:
        """A restorer for one text."""
        return Restorer(self._matcher, self._sent.vault.value, escape=escape)

    def whole(self, completion: Completion) -> Completion:
        """The answer with its values. Raises IntegrityError, UpstreamError."""
        try:
            return self._whole(completion)
        except RecursionError:
            raise UpstreamError("The answer nests JSON too deep to be read.", retryable=False) from None

    def _whole(self, completion: Completion) -> Completion:
        counts = self._sent.vault.counts
        if self._generation.operation == "embeddings":
            return structs.replace(completion, replaced=counts)
        body = self.value(completion.body, "")
        text = self.restorer(escape=self.json_content).whole(completion.text)
        return structs.replace(completion, text=text, body=body, replaced=counts, warnings=self._warnings(body))

    def value(self, value: Any, place: str) -> Any:
        """A part of an answer, by the name of the field that it is in."""
        if isinstance(value, str):
            return self.restorer(escape=self.escapes(place)).whole(value)
        if isinstance(value, dict):
            return {name: self._field(name, one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.value(one, place) for one in value]
        return value

    def escapes(self, place: str) -> bool:
        """Whether text in this field is JSON."""
        return place == "arguments" or (place == "content" and self.json_content)

    def tokens(self, kind: str) -> TokenRestorer:
        """A restorer for the tokens of a field: `content` or `refusal`."""
        return TokenRestorer(self._matcher, self.restorer(escape=self.escapes(kind)))

    def _field(self, name: str, value: Any) -> Any:
        if name == "logprobs" and isinstance(value, dict):
            return {kind: self._tokens(kind, tokens) for kind, tokens in value.items()} if is_chat(value) else None
        return self.value(value, name)

    def _tokens(self, kind: str, given: Any) -> Any:
        if not isinstance(given, list):
            return None
        tokens = self.tokens(kind)
        return tokens.feed(given) + tokens.flush()

    def _warnings(self, body: Mapping[str, Any]) -> tuple[str, ...]:
        labels = "|".join(sorted({name.rpartition("_")[0] for name in self._sent.vault}, key=len, reverse=True))
        like = re.compile(rf"(?<![A-Za-z])(?:{labels})_(?={_LIKE_A_CODE})[0-9A-Za-z]{{3,}}")
        words = {word for text in _texts(body) for word in like.findall(text)}
        lost = [word for word in words if not any(word in text for text in self._sent.texts)]
        if not lost:
            return ()
        many = f"{len(lost)} words look" if len(lost) > 1 else "1 word looks"
        return (f"{many} like a placeholder that the model altered or made up; left as written.",)


def _asks_for_json(body: Mapping[str, Any]) -> bool:
    form = body.get("response_format")
    return (isinstance(form, dict) and form.get("type") in JSON_FORMATS) or bool(body.get("json_schema"))


def _texts(value: Any) -> list[str]:
    """Every text in an answer."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts(one)]
