"""Schemas and settings keep the words of the API, whatever a detector takes them for."""

from __future__ import annotations

import json

from pseudonym_parts import PLACEHOLDER, PatternDetector, ScriptedTier, chat, content, end

from rightsized.core.pii import Finding, Findings
from rightsized.core.pseudonyms import PseudonymConfig
from rightsized.guard.pseudonym import Pseudonymised


class TakesAllForNames(PatternDetector):
    """As a tagger does with single words out of context."""

    def detect(self, text: str) -> Findings:
        return Findings((Finding(0, len(text), "person", 0.9, "test"),), "personal", ())


async def test_the_language_of_the_api_is_not_taken_for_names() -> None:
    """A schema whose `enum` became a placeholder is refused by every server."""
    shape = {
        "type": "object",
        "properties": {"enum": {"type": "boolean"}, "Anna": {"type": "string", "enum": ["Zoë Müller", "low"]}},
        "required": ["enum"],
        "$defs": {"Anna": {"const": "json_object", "format": "uri"}},
    }
    tool = {"type": "function", "function": {"name": "f", "description": "Anna", "parameters": shape, "strict": True}}
    generation = chat(
        {"role": "user", "content": [{"type": "text", "text": "json_object"}]},
        response_format={"type": "json_schema", "json_schema": {"name": "Anna", "schema": shape}},
        tools=[tool],
        tool_choice="required",
        service_tier="flex",
        reasoning_effort="low",
    )
    tier = ScriptedTier(lambda _: [content("ok"), end()])
    await Pseudonymised(tier, TakesAllForNames(), PseudonymConfig(note=False)).generate(generation)
    body = tier.sent[0].body
    assert body["messages"][0]["role"] == "user"
    assert PLACEHOLDER.fullmatch(body["messages"][0]["content"][0]["text"])  # in a text it is a word like any other
    assert (body["tool_choice"], body["service_tier"], body["reasoning_effort"]) == ("required", "flex", "low")
    form, function = body["response_format"], body["tools"][0]["function"]
    assert (form["type"], form["json_schema"]["schema"]) == ("json_schema", function["parameters"])
    sent = function["parameters"]
    assert list(sent) == ["type", "properties", "required", "$defs"]
    assert sent["properties"]["enum"] == {"type": "boolean"}
    named = next(name for name in sent["properties"] if name != "enum")
    assert PLACEHOLDER.fullmatch(named)
    assert PLACEHOLDER.fullmatch(sent["properties"][named]["enum"][0])
    assert sent["$defs"][named] == {"const": "json_object", "format": "uri"}
    assert "Anna" not in json.dumps(body)
