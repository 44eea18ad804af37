"""What the types of a body cannot say: fields that need one another, and messages that must hold something."""

from __future__ import annotations

from typing import Any

from rightsized.server.openai.bodies import ChatRequest, CompletionRequest, ContentPart, Message, ResponseFormat, Tool
from rightsized.server.openai.errors import InvalidError

CHOICES = ("none", "auto", "required")
IMAGES = ("data:", "http://", "https://")


def check_chat(asked: ChatRequest) -> None:
    """Raises InvalidError, which names the field."""
    for number, message in enumerate(asked.messages):
        _message(message, f"messages[{number}]")
    _tools(asked.tools or [])
    _tool_choice(asked.tool_choice, asked.tools or [])
    if asked.response_format:
        _response_format(asked.response_format)
    if asked.top_logprobs is not None and not asked.logprobs:
        raise InvalidError("top_logprobs needs logprobs = true.", "top_logprobs")
    if asked.max_tokens and asked.max_completion_tokens and asked.max_tokens != asked.max_completion_tokens:
        raise InvalidError("max_tokens and max_completion_tokens differ; send one of them.", "max_tokens")
    _stream(asked)


def check_completion(asked: CompletionRequest) -> None:
    """Raises InvalidError, which names the field."""
    if isinstance(asked.prompt, list) and len({type(part) for part in asked.prompt}) > 1:
        raise InvalidError("prompt mixes texts and token numbers; send one kind.", "prompt")
    if isinstance(asked.prompt, list) and asked.suffix and len(asked.prompt) > 1:
        raise InvalidError("suffix needs a single prompt.", "suffix")
    if asked.best_of is not None and asked.best_of < (asked.n or 1):
        raise InvalidError(f"best_of = {asked.best_of} is below n = {asked.n}.", "best_of")
    if asked.best_of is not None and asked.best_of > 1 and asked.stream:
        raise InvalidError("best_of cannot be streamed: the best is known at the end only.", "best_of")
    _stream(asked)


def _stream(asked: ChatRequest | CompletionRequest) -> None:
    if asked.stream_options and not asked.stream:
        raise InvalidError("stream_options needs stream = true.", "stream_options")


def _message(message: Message, where: str) -> None:
    if isinstance(message.content, list):
        for number, part in enumerate(message.content):
            _part(part, f"{where}.content[{number}]")
    if message.role == "assistant":
        for number, call in enumerate(message.tool_calls or ()):
            if call.type == "function" and call.function is None:
                raise InvalidError("A tool call of type function needs `function`.", f"{where}.tool_calls[{number}]")
        return  # an assistant's message may hold calls or a refusal alone
    if message.content is None or message.content == []:
        raise InvalidError(f"A {message.role} message needs content.", f"{where}.content")
    if message.tool_calls:
        raise InvalidError("Only an assistant message has tool_calls.", f"{where}.tool_calls")
    if message.role == "tool" and not message.tool_call_id:
        raise InvalidError("A tool message needs tool_call_id.", f"{where}.tool_call_id")


def _part(part: ContentPart, where: str) -> None:
    if part.type == "text" and part.text is None:
        raise InvalidError("A text part needs `text`.", f"{where}.text")
    if part.type == "image_url":
        if part.image_url is None:
            raise InvalidError("An image_url part needs `image_url` with its `url`.", f"{where}.image_url")
        if not part.image_url.url.startswith(IMAGES):
            raise InvalidError("An image is given as a data: URL or an http address.", f"{where}.image_url.url")


def _tools(tools: list[Tool]) -> None:
    names: set[str] = set()
    for number, tool in enumerate(tools):
        if tool.type != "function":
            continue  # a kind that a model server may know
        where = f"tools[{number}].function"
        if tool.function is None:
            raise InvalidError("A tool of type function needs `function`.", where)
        if tool.function.name in names:
            raise InvalidError(f"Two tools are called {tool.function.name!r}.", f"{where}.name")
        names.add(tool.function.name)
        if (tool.function.parameters or {}).get("type", "object") != "object":
            raise InvalidError("The parameters of a function must be an object.", f"{where}.parameters.type")


def _tool_choice(choice: str | dict[str, Any] | None, tools: list[Tool]) -> None:
    if isinstance(choice, str) and choice not in CHOICES:
        raise InvalidError(f"tool_choice = {choice!r} is none of {', '.join(CHOICES)}.", "tool_choice")
    if choice in (None, "none", "auto"):
        return
    if not tools:
        raise InvalidError("tool_choice needs tools.", "tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "function":
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if name not in [tool.function.name for tool in tools if tool.function]:
            raise InvalidError(f"tool_choice names {name!r}, which is none of the tools.", "tool_choice.function.name")


def _response_format(form: ResponseFormat) -> None:
    if form.type != "json_schema":
        return
    if form.json_schema is None:
        raise InvalidError("A json_schema format needs `json_schema`.", "response_format.json_schema")
    if form.json_schema.schema is None:
        raise InvalidError("A json_schema format needs the schema.", "response_format.json_schema.schema")
