"""Messages that another system sends, signed: taken in once, and answered without a word of what was made of them.

The signature is the key: the address asks for no other. Whether an inbox takes signed messages, and which inboxes there
are, is not told to whoever cannot sign.
"""

from __future__ import annotations

import asyncio
import logging
import time

import msgspec
from starlette.responses import Response

from rightsized.apps.triage.inbox.webhook import SOURCE, arrival_of, read_intake
from rightsized.apps.triage.inboxes import Inbox
from rightsized.apps.triage.service import TriageService
from rightsized.core.errors import ConfigError, InputError, NotFoundError, UnauthorizedError
from rightsized.server.endpoint import Respond
from rightsized.server.guards import API_HEADERS
from rightsized.server.reading import Receive, Scope, read_body
from rightsized.server.triage.bodies import Taken

log = logging.getLogger("rightsized.triage")


def signed_intake(triage: TriageService, limit: int) -> Respond:
    """What answers the address. `limit` is the largest body, bytes."""

    async def respond(scope: Scope, receive: Receive) -> Response:
        headers = dict(scope["headers"])
        body = await read_body(receive, headers, limit)
        name = scope["path_params"]["inbox"]
        inbox = await asyncio.to_thread(_inbox, triage, name)
        plain = {key.decode("latin-1"): value.decode("latin-1") for key, value in headers.items()}
        keys = _keys(inbox)
        most = int(inbox.settings.read.max_mb * (1 << 20))
        arrival = arrival_of(keys, plain, body, time.time(), most)
        handled = await triage.process(name, arrival, SOURCE, dry_run=False)
        return Response(msgspec.json.encode(Taken(handled is None)), 200, dict(API_HEADERS), "application/json")

    return respond


def _inbox(triage: TriageService, name: str) -> Inbox:
    try:
        return triage.inboxes.open(name)
    except (NotFoundError, InputError):
        raise _refused() from None
    except ConfigError as error:
        raise _broken(name, error) from None


def _keys(inbox: Inbox) -> tuple[bytes, ...]:
    """The keys that requests may be signed with."""
    try:
        return read_intake(_options(inbox)).keys()
    except ConfigError as error:
        raise _broken(inbox.name, error) from None


def _broken(name: str, error: ConfigError) -> UnauthorizedError:
    """Settings that cannot be used: said in the log, and to nobody who has not signed."""
    log.error("Signed messages are not taken in", extra={"inbox": name, "error": error.own_words})
    return _refused()


def _options(inbox: Inbox) -> dict[str, object]:
    for one in inbox.settings.sources:
        if one.address == SOURCE:
            return one.options
    raise _refused()


def _refused() -> UnauthorizedError:
    return UnauthorizedError("The signature of the request is not right.")
