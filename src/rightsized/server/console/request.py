"""What a page's handler sees of a request: parts of the path, the query, a posted form, and cookies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import NamedTuple, cast
from urllib.parse import parse_qsl

from starlette.requests import cookie_parser
from starlette.responses import Response

from rightsized.core.generation import Caller
from rightsized.core.roles import LOCAL_ADMIN, Identity, Permission, Role, holds
from rightsized.server.endpoint import Respond
from rightsized.server.keys import CALLER, IDENTITY
from rightsized.server.reading import FORM_TYPE, Receive, Scope, decode_form, read_body, require_type


class Asked(NamedTuple):
    """A request to a page. `labels` are all values of the form's field `label`; of other fields the first value counts.
    `caller` is whose key it is, where keys are asked for; `identity` the same person or program in full.

    Unknown query parameters and fields do no harm and are passed over.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    labels: tuple[str, ...]
    cookies: Mapping[str, str]
    caller: Caller
    identity: Identity = LOCAL_ADMIN


Handler = Callable[[Asked], Awaitable[Response]]
_LOOKS: ContextVar[tuple[str, ...] | None] = ContextVar("looks", default=None)  # roles of whoever this page is for


def may(permission: Permission) -> bool:
    """Whether whoever this page is for may follow a link that needs this; where that is not known, yes.

    For what is shown only: the gate decides who gets in.
    """
    roles = _LOOKS.get()
    return roles is None or holds(cast("tuple[Role, ...]", roles), permission)


def page(handler: Handler, limit: int) -> Respond:
    """Reads the request for a handler. `limit` is the largest form, bytes."""

    async def respond(scope: Scope, receive: Receive) -> Response:
        headers = dict(scope["headers"])
        form: dict[str, list[str]] = {}
        if scope["method"] == "POST":
            require_type(headers, FORM_TYPE)
            form = decode_form(await read_body(receive, headers, limit))
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        cookies = cookie_parser(headers.get(b"cookie", b"").decode("latin-1"))
        caller = scope.get(CALLER, Caller())
        _LOOKS.set(caller.roles)
        first = {name: values[0] for name, values in form.items()}
        labels, identity = tuple(form.get("label", ())), scope.get(IDENTITY, LOCAL_ADMIN)
        return await handler(Asked(scope["path_params"], query, first, labels, cookies, caller, identity))

    return respond
