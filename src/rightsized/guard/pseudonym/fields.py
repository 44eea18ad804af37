"""Where in the body of a request text stands: every place that a model or its provider will read.

Fields are known by name. A field that is not known and holds text is refused: it could say anything. Images, audio and
files are refused, and so are prompts given as numbers of tokens, since nothing here can read them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rightsized.core.errors import EgressDeniedError, UnsupportedError
from rightsized.core.generation import Generation, Operation
from rightsized.guard.pseudonym import json_text

# Words of the OpenAI API and of JSON Schema (2020-12). An exact match in a place that only knows such words says
# nothing of anybody, and replaced it would be refused by the server.
_WORDS = """system developer user assistant tool function text refusal ephemeral
    auto none required low medium high minimal xhigh default flex priority scale float base64 concise detailed disabled
    type name description parameters strict schema json_schema json_object function_call tool_choice allowed_tools mode
    tools custom grammar syntax definition format
    string number integer boolean object array null true false
    properties required items prefixItems contains enum const title examples default deprecated readOnly writeOnly
    anyOf oneOf allOf not if then else dependentRequired dependentSchemas propertyNames patternProperties
    additionalProperties unevaluatedProperties unevaluatedItems additionalItems minimum maximum exclusiveMinimum
    exclusiveMaximum multipleOf minLength maxLength pattern minItems maxItems uniqueItems minContains maxContains
    minProperties maxProperties contentEncoding contentMediaType contentSchema definitions nullable discriminator
    $schema $id $ref $defs $anchor $dynamicRef $dynamicAnchor $comment $vocabulary
    date-time date time duration email hostname ipv4 ipv6 uri uri-reference uuid regex json-pointer"""
VOCABULARY = frozenset(_WORDS.split())
LARGEST_SETTING = 1_000_000  # a number in an unknown field above this could name somebody


class Visit(NamedTuple):
    """What is done with a text (`text`), and with what names a person by its very place (`person`)."""

    text: Callable[[str], str]
    person: Callable[[str], str]


Handler = Callable[[Any, Visit], Any]


def rewritten(generation: Generation, visit: Visit) -> dict[str, Any]:
    """The body with every text in it visited. Raises EgressDeniedError, UnsupportedError."""
    return _object(generation.body, _BODIES[generation.operation], visit, "the request")


def _object(given: Mapping[str, Any], handlers: Mapping[str, Handler], visit: Visit, where: str) -> dict[str, Any]:
    found = {}
    for name, value in given.items():
        if name not in handlers:
            _check_unknown(name, value, where)
            found[name] = value
        else:
            found[name] = None if value is None else handlers[name](value, visit)
    return found


def _check_unknown(name: str, value: Any, where: str) -> None:
    if not _says_nothing(value):
        shown = name if name.isascii() and name.isidentifier() and len(name) <= 40 else "with a name of its own"
        raise EgressDeniedError(
            f"The field {shown} of {where} is not known here and holds text, so it could not be pseudonymised.",
            fix="Leave the field out, or send the request to a tier without pseudonymise.",
        )


def _says_nothing(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_says_nothing, value))
    if isinstance(value, dict):
        return not value
    return value is None or (isinstance(value, int | float) and abs(value) <= LARGEST_SETTING)


def _text(value: Any, visit: Visit) -> Any:
    """Plain text. One that is JSON with escapes is read through, since values are not written there as they are."""
    if not isinstance(value, str):
        return _deep(value, visit)
    return json_text.through(value, visit.text) if "\\" in value else visit.text(value)


def _deep(value: Any, visit: Visit) -> Any:
    return json_text.deep(value, visit.text)


def _setting(value: Any, visit: Visit) -> Any:
    """A number, a switch or a word; a word is visited like any text, unless the API itself knows it."""
    known = _known(visit)
    if isinstance(value, dict):
        return {known(name): _setting(one, visit) for name, one in value.items()}
    if isinstance(value, list):
        return [_setting(one, visit) for one in value]
    return known(value) if isinstance(value, str) else value


def _schema(value: Any, visit: Visit) -> Any:
    """Tools and JSON Schemas: as deep as they are, but for the words of their own language."""
    return json_text.deep(value, _known(visit))


def _known(visit: Visit) -> Callable[[str], str]:
    """Visits a text unless it is a word of the API or of JSON Schema, which a detector may take for a name."""
    return lambda text: text if text in VOCABULARY else visit.text(text)


def _bias(value: Any, visit: Visit) -> Any:
    """Weights by number of token."""
    if not isinstance(value, dict) or not all(name.isdigit() and len(name) < 8 for name in value):
        return _deep(value, visit)
    return value


def _person(value: Any, visit: Visit) -> Any:
    return visit.person(value) if isinstance(value, str) else _deep(value, visit)


def _texts(value: Any, visit: Visit) -> Any:
    """A text or several. Raises UnsupportedError for numbers of tokens."""
    if isinstance(value, str):
        return _text(value, visit)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise UnsupportedError(
            "A prompt given as numbers of tokens cannot be pseudonymised, so it may not be sent there.",
            fix="Send the text itself.",
        )
    return [_text(one, visit) for one in value]


def _documents(value: Any, visit: Visit) -> Any:
    return [_text(one, visit) for one in value] if isinstance(value, list) else _deep(value, visit)


def _content(value: Any, visit: Visit) -> Any:
    if isinstance(value, str):
        return _text(value, visit)
    if not isinstance(value, list):
        return _deep(value, visit)
    return [_part(part, visit) for part in value]


def _part(part: Any, visit: Visit) -> Any:
    if isinstance(part, str):
        return _text(part, visit)
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in ("text", "refusal"):
        shown = kind if isinstance(kind, str) and kind.isidentifier() and len(kind) <= 40 else "of another kind"
        raise UnsupportedError(
            f"A part {shown} cannot be pseudonymised: only text is sent to this tier.",
            fix="Leave it out, or send the request to a tier on the premises.",
        )
    return _object(part, _PART, visit, "a part")


def _messages(value: Any, visit: Visit) -> Any:
    return [_message(message, visit) for message in value]


def _message(message: Any, visit: Visit) -> Any:
    if not isinstance(message, dict):
        return _deep(message, visit)
    if message.get("role") in ("tool", "function"):
        return _object(message, _TOOL_MESSAGE, visit, "a message")
    return _object(message, _MESSAGE, visit, "a message")


def _calls(value: Any, visit: Visit) -> Any:
    return [_object(call, _CALL, visit, "a tool call") if isinstance(call, dict) else call for call in value]


def _function(value: Any, visit: Visit) -> Any:
    return _object(value, _FUNCTION, visit, "a call") if isinstance(value, dict) else _deep(value, visit)


def _arguments(value: Any, visit: Visit) -> Any:
    return json_text.through(value, visit.text) if isinstance(value, str) else _deep(value, visit)


def _refused(value: Any, visit: Visit) -> Any:
    raise UnsupportedError(
        "Sound cannot be pseudonymised: only text is sent to this tier and taken from it.",
        fix="Ask for text, or send the request to a tier on the premises.",
    )


def _modalities(value: Any, visit: Visit) -> Any:
    return value if value == ["text"] else _refused(value, visit)


_FUNCTION: dict[str, Handler] = {"name": _text, "arguments": _arguments}
_CALL: dict[str, Handler] = {"id": _text, "type": _setting, "index": _setting, "function": _function}
_PART: dict[str, Handler] = {"type": _setting, "text": _text, "refusal": _text, "cache_control": _setting}
_MESSAGE: dict[str, Handler] = {
    "role": _setting,
    "content": _content,
    "name": _person,
    "tool_calls": _calls,
    "function_call": _function,
    "refusal": _text,
    "reasoning_content": _text,
    "reasoning": _text,
    "cache_control": _setting,
}
_TOOL_MESSAGE: dict[str, Handler] = {
    "role": _setting,
    "content": lambda value, visit: _arguments(value, visit) if isinstance(value, str) else _content(value, visit),
    "name": _text,  # the function's
    "tool_call_id": _text,
    "cache_control": _setting,
}
_SETTINGS = frozenset(
    (
        "model",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "typical_p",
        "n",
        "best_of",
        "echo",
        "seed",
        "max_tokens",
        "min_tokens",
        "max_completion_tokens",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
        "repeat_penalty",
        "repeat_last_n",
        "logprobs",
        "top_logprobs",
        "parallel_tool_calls",
        "reasoning_effort",
        "reasoning",
        "service_tier",
        "store",
        "verbosity",
        "truncation",
        "keep_alive",
        "ignore_eos",
        "encoding_format",
        "dimensions",
        "top_n",
        "return_documents",
        "adapter",
        "length_penalty",
        "use_beam_search",
        "skip_special_tokens",
        "include_stop_str_in_output",
        "stop_token_ids",
        "add_generation_prompt",
        "continue_final_message",
        "chat_template_kwargs",
        "thinking",
        "priority",
    )
)
_SHARED: dict[str, Handler] = {
    **dict.fromkeys(_SETTINGS, _setting),
    "logit_bias": _bias,
    "stop": _deep,
    "user": _person,
    "safety_identifier": _person,
    "prompt_cache_key": _person,
    "metadata": _deep,
    "response_format": _schema,
    "json_schema": _schema,
    "grammar": _text,
    "guided_json": _schema,
    "guided_choice": _deep,
    "guided_regex": _text,
    "guided_grammar": _text,
}
_BODIES: dict[Operation, dict[str, Handler]] = {
    "chat": {
        **_SHARED,
        "messages": _messages,
        "tools": _schema,
        "tool_choice": _schema,
        "functions": _schema,
        "function_call": _schema,
        "prediction": _deep,
        "audio": _refused,
        "modalities": _modalities,
    },
    "completions": {**_SHARED, "prompt": _texts, "suffix": _text},
    "embeddings": {**_SHARED, "input": _texts},
    "rerank": {**_SHARED, "query": _text, "documents": _documents},
}
