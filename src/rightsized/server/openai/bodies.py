"""The request bodies of chat, completions, embeddings and rerank: the fields that are checked here, with their ranges.

A field that is not named is no error: it goes on to the model server as it came. What types cannot say is in
`checks.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

MAX_CHOICES = 128
MAX_STOPS = 16
MAX_INPUTS = 2048  # texts or documents of one request
MAX_MESSAGES = 10_000

Choices = Annotated[int, Meta(ge=1, le=MAX_CHOICES)]
Tokens = Annotated[int, Meta(ge=1, le=2**31)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Share = Annotated[float, Meta(ge=0, le=1)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Stop = Annotated[str, Meta(min_length=1)]
Stops = Stop | Annotated[list[Stop], Meta(max_length=MAX_STOPS)]
Bias = dict[str, Annotated[float, Meta(ge=-100, le=100)]]
FunctionName = Annotated[str, Meta(pattern="^[a-zA-Z0-9_.-]{1,128}$")]
Model = Annotated[str, Meta(min_length=1, max_length=300)]
Metadata = dict[str, str]


class ImageUrl(Struct, frozen=True):
    """Where an image is: an address, or the image itself as a `data:` URL."""

    url: str
    detail: str | None = None


class ContentPart(Struct, frozen=True):
    """A part of a message. `text` and `image_url` parts are checked; others go on as they came."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None


class FunctionCall(Struct, frozen=True):
    """A call that a model made: the name, and the arguments as JSON text."""

    name: str
    arguments: str


class ToolCall(Struct, frozen=True):
    """A call of a tool in a message of the assistant."""

    id: str
    type: str = "function"
    function: FunctionCall | None = None


class Message(Struct, frozen=True):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


class Function(Struct, frozen=True):
    """A function that the model may call; `parameters` is a JSON Schema."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Struct, frozen=True):
    """A tool that the model may call."""

    type: str
    function: Function | None = None


class JsonSchema(Struct, frozen=True):
    """The shape that an answer must have; `schema` is a JSON Schema."""

    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(Struct, frozen=True):
    """The form of an answer: any text, any JSON object, or JSON of a given shape."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Struct, frozen=True):
    """`include_usage` puts the usage into an event of its own at the end, as OpenAI does."""

    include_usage: bool | None = None


class AnswerTests(Struct, frozen=True):
    """Tests to be run against the code of the answer."""

    code: Annotated[str, Meta(min_length=1)]
    language: Literal["python"] = "python"


class Extension(Struct, frozen=True, forbid_unknown_fields=True):
    """What Rightsized itself does with the answer. It never goes on to a model server."""

    tests: AnswerTests | None = None


class ChatRequest(Struct, frozen=True):
    """A conversation to continue. Further fields go on to the model server."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_MESSAGES)]
    model: Model = "auto"
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Choices | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Seed | None = None
    stop: Stops | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    logit_bias: Bias | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Meta(max_length=1024)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    user: str | None = None
    metadata: Metadata | None = None
    rightsized: Extension | None = None


class CompletionRequest(Struct, frozen=True):
    """Text to continue; with `suffix`, the gap between prompt and suffix to fill. Further fields go on."""

    prompt: str | Annotated[list[str | int | list[int]], Meta(min_length=1, max_length=MAX_INPUTS * 64)]
    model: Model = "auto"
    suffix: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Choices | None = None
    best_of: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    max_tokens: Annotated[int, Meta(ge=0, le=2**31)] | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Seed | None = None
    stop: Stops | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    echo: bool | None = None
    logit_bias: Bias | None = None
    user: str | None = None
    rightsized: Extension | None = None


class EmbeddingsRequest(Struct, frozen=True):
    """Texts to turn into vectors by a named model: those of two models cannot be compared. Further fields go on."""

    model: Model
    input: str | Annotated[list[str | int | list[int]], Meta(min_length=1, max_length=MAX_INPUTS)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    user: str | None = None


class RerankRequest(Struct, frozen=True):
    """Documents to sort by how well they answer a query. Further fields go on."""

    model: Model
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str | dict[str, Any]], Meta(min_length=1, max_length=MAX_INPUTS)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None
