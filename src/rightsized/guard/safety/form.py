"""Checks of form: JSON by a schema, citations of what the request holds, length, language, words that must be there."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from rightsized.core.generation import Completion, Generation, words_of
from rightsized.guard.policy.outputs import CitationRule, DisclaimerRule, LanguageRule, LengthRule, SchemaRule
from rightsized.guard.safety.check import FINE, Check
from rightsized.guard.safety.means import Means
from rightsized.guard.safety.written import final, with_texts

MAX_SHOWN = 120  # characters of a finding that stem from the answer
_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_CITED = re.compile(r"\[([^\[\]\s]{1,80})\]|(https?://[^\s<>\"')\]]+)")
_NUMBER = re.compile(r"\d{1,4}")


class Schema(Check[SchemaRule]):
    """JSON that a schema accepts: asked for as `response_format`, so that engines hold the model to it, then checked.

    JSON Schema 2020-12 unless the schema names another draft. References to other documents are never fetched.
    """

    reads_output = True

    def __init__(self, rule: SchemaRule, means: Means) -> None:
        super().__init__(rule, means)
        from jsonschema.validators import validator_for
        from referencing import Registry

        kind = validator_for(rule.schema)
        kind.check_schema(rule.schema)
        self._validator: Any = kind(rule.schema, registry=Registry())

    def prepared(self, body: dict[str, Any], generation: Generation) -> dict[str, Any]:
        asked = body.get("response_format")
        if generation.operation != "chat" or (isinstance(asked, dict) and asked.get("type") == "json_schema"):
            return body  # a schema of the client's own stands; this one is checked all the same
        named = {"name": _NAME.sub("-", self.rule.id)[:64], "schema": self.rule.schema}
        return {**body, "response_format": {"type": "json_schema", "json_schema": named}}

    async def output(self, generation: Generation, completion: Completion) -> str:
        for text in final(completion):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                return "it is no JSON"
            fault = next(self._validator.iter_errors(value), None)
            if fault is not None:
                where = "/".join(map(str, fault.absolute_path))[:MAX_SHOWN] or "the whole"
                return f"{where} breaks the schema's {fault.validator}"
        return FINE


class Citation(Check[CitationRule]):
    """Citations that lead somewhere: marks and addresses that stand in the request too."""

    reads_output = True

    def instruction(self, generation: Generation) -> str:
        least = f"at least {self.rule.least} sources" if self.rule.least > 1 else "at least one source"
        return f"Cite {least} from the texts you were given, by the mark in brackets or the address that they carry."

    async def output(self, generation: Generation, completion: Completion) -> str:
        held = _cited(words_of(generation))
        for text in final(completion):
            cited = _cited(text)
            if len(good := cited & held) < self.rule.least:
                return f"it cites {len(good)} sources of the request; {self.rule.least} are required"
            invented = sorted(mark for mark in cited - held if _NUMBER.fullmatch(mark) or mark.startswith("http"))
            if invented:
                return f"it cites {len(invented)} sources that the request does not hold"
        return FINE


def _cited(text: str) -> set[str]:
    return {mark or address.rstrip(".,;:!?") for mark, address in _CITED.findall(text)}


class Length(Check[LengthRule]):
    """Characters of each answer."""

    reads_output = True

    def instruction(self, generation: Generation) -> str:
        low, high = self.rule.least, self.rule.most
        if low and high:
            return f"Answer in {low} to {high} characters."
        if high:
            return f"Answer in at most {high} characters."
        return f"Answer in at least {low} characters." if low else ""

    async def output(self, generation: Generation, completion: Completion) -> str:
        for text in final(completion):
            if len(text) < self.rule.least:
                return f"it has {len(text):,} characters; at least {self.rule.least:,} are required"
            if self.rule.most and len(text) > self.rule.most:
                return f"it has {len(text):,} characters; at most {self.rule.most:,} are allowed"
        return FINE


class Language(Check[LanguageRule]):
    """The language of each answer, where the text is long enough to tell."""

    reads_output = True

    def instruction(self, generation: Generation) -> str:
        return f"Answer in this language (ISO 639-1): {' or '.join(self.rule.languages)}."

    async def output(self, generation: Generation, completion: Completion) -> str:
        for text in final(completion):
            found = self.means.language(text)
            if found and found not in self.rule.languages:
                return f"it is in {found!r}; allowed is {', '.join(self.rule.languages)}"
        return FINE


class Disclaimer(Check[DisclaimerRule]):
    """Words that stand in every answer, whatever the line breaks and capitals; appended where the rule says so."""

    reads_output = True

    def instruction(self, generation: Generation) -> str:
        return "" if self.rule.on_fail == "change" else f"End your answer with these words: {self.rule.text}"

    async def output(self, generation: Generation, completion: Completion) -> str:
        wanted = plain(self.rule.text)
        return FINE if all(wanted in plain(text) for text in final(completion)) else "the words are not in it"

    def mended(self, generation: Generation, completion: Completion) -> Completion | None:
        """The answer with the words behind it. JSON cannot take them."""
        wanted = plain(self.rule.text)
        asked = generation.body.get("response_format")
        if isinstance(asked, dict) and asked.get("type") not in (None, "text"):
            return None

        def appended(text: str) -> str:
            return text if wanted in plain(text) else f"{text.rstrip()}\n\n{self.rule.text}"

        return with_texts(completion, appended)


def plain(text: str) -> str:
    """Text as it reads: compatibility forms made one, nothing invisible, single spaces, no capitals."""
    shown = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return " ".join(shown.split()).casefold()
