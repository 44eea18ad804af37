"""The request that one server understands, from the body that the client sent."""

from __future__ import annotations

from typing import Any

from multidict import CIMultiDict

from rightsized.core.errors import InputError, UnsupportedError
from rightsized.core.generation import Generation, Operation
from rightsized.engines.remote.settings import Settings

_STREAMS = ("chat", "completions")


def wire_body(generation: Generation, settings: Settings) -> dict[str, Any]:
    """What is sent: the client's fields, in this server's words. Raises UnsupportedError, InputError."""
    tier, preset = settings.tier, settings.preset
    if generation.operation not in settings.operations:
        raise UnsupportedError(
            f"The tier {tier.name!r} does not do {generation.operation}.",
            fix=f"It does: {', '.join(sorted(settings.operations))}.",
        )
    body = {**generation.body}
    if tier.model:
        body["model"] = tier.model
    for renamed in preset.renamed:
        if renamed.field in body and renamed.models.search(tier.model):
            value = body.pop(renamed.field)
            body.setdefault(renamed.to, value)
    for field, same in preset.refused.items():
        if body.get(field) is not None and body[field] not in same:
            raise UnsupportedError(
                f"{field} cannot be used with the tier {tier.name!r}: a server of kind {tier.preset} does not heed it.",
                fix=f"Leave {field} out, or name another tier.",
                param=field,
            )
    _format(body, settings)
    if generation.stream and generation.operation in _STREAMS:
        _stream(body, settings)
    return body


def request_head(settings: Settings, operation: Operation, key: str, *, stream: bool) -> bytes:
    """Request line and header fields, ending behind `Content-Length: `."""
    url, preset = settings.urls[operation], settings.preset
    fields = CIMultiDict({"User-Agent": "rightsized", **settings.tier.headers})
    fields["Host"] = url.host_port_subcomponent or ""
    fields["Content-Type"] = "application/json"
    fields["Accept"] = "text/event-stream" if stream else "application/json"
    fields["Accept-Encoding"] = "identity"
    if key:
        fields[preset.key_header] = preset.key_prefix + key
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
    return f"POST {url.raw_path_qs} HTTP/1.1\r\n{lines}Content-Length: ".encode()


def _format(body: dict[str, Any], settings: Settings) -> None:
    given = body.get("response_format")
    kind = given.get("type") if isinstance(given, dict) else None
    if not isinstance(kind, str) or kind not in settings.preset.formats:
        return
    written = settings.preset.formats[kind]
    if written == "":
        raise UnsupportedError(
            f"response_format {kind} cannot be used with the tier {settings.tier.name!r}: a server of kind "
            f"{settings.tier.preset} does not heed it.",
            fix="Name another tier, or ask for a tool call with the schema.",
            param="response_format",
        )
    if written is None:
        del body["response_format"]
    else:
        body["response_format"] = written


def _stream(body: dict[str, Any], settings: Settings) -> None:
    body["stream"] = True
    options = body.pop("stream_options", None)
    if options is not None and not isinstance(options, dict):
        raise InputError("stream_options must be an object.")
    if settings.preset.usage_in_streams:
        body["stream_options"] = {**(options or {}), "include_usage": True}
