"""A request of the Responses API as a request to continue a conversation.

Nothing is stored here, so what refers to stored things (`previous_response_id`, `conversation`, `prompt`, `background`,
item references, file ids) is refused. Tools that OpenAI runs itself (web search, code interpreter and such) are too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from rightsized.server.openai.bodies import ChatRequest, Metadata, Model, Share, Temperature, Tokens
from rightsized.server.openai.checks import check_chat
from rightsized.server.openai.errors import InvalidError
from rightsized.server.openai.requests import convert

MAX_ITEMS = 10_000
LOGPROBS = "message.output_text.logprobs"
Part = dict[str, Any]
Where = str  # the path of a field, for messages


class TextFormat(Struct, frozen=True):
    """The form of an answer; `name` and `schema` belong to `json_schema`."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class TextOptions(Struct, frozen=True):
    """How the answer is written."""

    format: TextFormat | None = None
    verbosity: str | None = None


class Reasoning(Struct, frozen=True):
    """How much a reasoning model may think."""

    effort: str | None = None


class ResponsesRequest(Struct, frozen=True):
    """A request of the Responses API. Further fields go on to the model server."""

    input: str | Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MAX_ITEMS)]
    model: Model = "auto"
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: Tokens | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: Annotated[list[dict[str, Any]], Meta(max_length=1024)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: Reasoning | None = None
    include: list[str] | None = None
    metadata: Metadata | None = None
    user: str | None = None
    store: bool | None = None
    background: bool | None = None
    truncation: Literal["auto", "disabled"] | None = None
    previous_response_id: str | None = None
    conversation: str | dict[str, Any] | None = None
    prompt: dict[str, Any] | None = None
    stream_options: dict[str, Any] | None = None


_STORED = ("previous_response_id", "conversation", "prompt", "background")
_NAMES = (
    ("response_format.json_schema", "text.format"),
    ("max_completion_tokens", "max_output_tokens"),
    (".function.", "."),
)
_SAME = ("temperature", "top_p", "parallel_tool_calls", "metadata", "user")


def to_chat(given: dict[str, Any], asked: ResponsesRequest) -> tuple[dict[str, Any], ChatRequest]:
    """The body of the conversation and its checked fields. Raises InvalidError, which names the field."""
    for name in _STORED:
        if given.get(name):
            raise InvalidError(f"Responses are not stored here, so {name} cannot be used. Send all items.", name)
    if asked.truncation == "auto":
        raise InvalidError("A conversation is not cut here; truncation must be disabled.", "truncation")
    chat = {key: value for key, value in given.items() if key not in ResponsesRequest.__struct_fields__}
    chat.update({name: given[name] for name in _SAME if given.get(name) is not None})
    chat["messages"] = _messages(asked)
    if asked.max_output_tokens is not None:
        chat["max_completion_tokens"] = asked.max_output_tokens
    if asked.tools:
        chat["tools"] = [_tool(tool, number) for number, tool in enumerate(asked.tools)]
    if asked.tool_choice is not None:
        chat["tool_choice"] = _choice(asked.tool_choice)
    if asked.text:
        _text_options(chat, asked.text)
    if asked.reasoning and asked.reasoning.effort:
        chat["reasoning_effort"] = asked.reasoning.effort
    if LOGPROBS in (asked.include or ()) or asked.top_logprobs:
        chat.update(logprobs=True, top_logprobs=asked.top_logprobs or 0)
    try:
        fields = convert({**chat, "model": asked.model, "stream": asked.stream}, ChatRequest)
        check_chat(fields)
    except InvalidError as error:
        raise InvalidError(error.message, _here(error.param or "input"), error.code) from None
    return chat, fields


def _here(param: str) -> str:
    """A field of the conversation by its name in the Responses API; places among messages are not those of items."""
    if param.startswith("messages"):
        return "input"
    for there, here in _NAMES:
        param = param.replace(there, here)
    return param


def _messages(asked: ResponsesRequest) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if asked.instructions:
        messages.append({"role": "system", "content": asked.instructions})
    if isinstance(asked.input, str):
        return [*messages, {"role": "user", "content": asked.input}]
    for number, item in enumerate(asked.input):
        _item(messages, item, f"input[{number}]")
    return messages


def _item(messages: list[dict[str, Any]], item: Part, where: Where) -> None:
    """Add one item to the conversation."""
    kind = item.get("type", "message")
    if kind == "message":
        content = item.get("content")
        parts = content if isinstance(content, list) else None
        content = _parts(parts, where) if parts is not None else content
        messages.append({"role": item.get("role"), "content": content, **_mark(item)})
    elif kind == "function_call":
        function = {"name": _string(item, "name", where), "arguments": _string(item, "arguments", where)}
        call = {"id": _string(item, "call_id", where), "type": "function", "function": function}
        if not messages or messages[-1]["role"] != "assistant":
            messages.append({"role": "assistant", "content": None})
        messages[-1].setdefault("tool_calls", []).append(call)
    elif kind == "function_call_output":
        output = item.get("output")
        content = _parts(output, f"{where}.output") if isinstance(output, list) else _string(item, "output", where)
        answered = _string(item, "call_id", where)
        messages.append({"role": "tool", "tool_call_id": answered, "content": content, **_mark(item)})
    elif kind != "reasoning":  # thoughts of an earlier turn are not shown to another model
        raise InvalidError(f"Items of type {str(kind)[:100]!r} cannot be used here.", f"{where}.type")


def _string(item: Part, name: str, where: Where) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise InvalidError(f"An item of type {item.get('type')} needs {name} as text.", f"{where}.{name}")
    return value


def _parts(parts: list[Any], where: Where) -> str | list[Part]:
    """Content in the shape of a conversation; a single text stands alone, since small servers know no lists."""
    found = [_part(part, f"{where}.content[{number}]") for number, part in enumerate(parts)]
    if len(found) == 1 and found[0].keys() == {"type", "text"}:
        return str(found[0]["text"])
    return found


def _part(part: Any, where: Where) -> Part:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("input_text", "output_text", "text", "refusal"):
        text = part.get("refusal" if kind == "refusal" else "text")
        if not isinstance(text, str):
            raise InvalidError(f"A part of type {kind} needs its text.", where)
        return {"type": "text", "text": text, **_mark(part)}
    if kind == "input_image":
        if not isinstance(part.get("image_url"), str):
            raise InvalidError("An image is given as image_url; nothing is stored here.", f"{where}.image_url")
        image = {"url": part["image_url"]}
        if part.get("detail") not in (None, "auto"):
            image["detail"] = part["detail"]
        return {"type": "image_url", "image_url": image}
    raise InvalidError(f"Parts of type {str(kind)[:100]!r} cannot be used here.", f"{where}.type")


def _mark(given: Part) -> Part:
    """The mark of where something comes from: lost here, untrusted content would pass for trusted."""
    return {"provenance": given["provenance"]} if "provenance" in given else {}


def _tool(tool: Part, number: int) -> Part:
    if tool.get("type") != "function":
        kind = str(tool.get("type"))[:100]
        raise InvalidError(
            f"Tools of type {kind!r} are run by OpenAI itself; here are functions.", f"tools[{number}].type"
        )
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}


def _choice(choice: str | Part) -> str | Part:
    if isinstance(choice, dict) and choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return choice


def _text_options(chat: dict[str, Any], text: TextOptions) -> None:
    if text.verbosity:
        chat["verbosity"] = text.verbosity
    form = text.format
    if form is None or form.type == "text":
        return
    chat["response_format"] = {"type": form.type}
    if form.type == "json_schema":
        named = {"name": form.name, "schema": form.schema, "strict": form.strict, "description": form.description}
        chat["response_format"]["json_schema"] = {key: value for key, value in named.items() if value is not None}
