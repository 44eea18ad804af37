"""Web hooks as a system that takes actions: what became of a message is sent to an address, signed.

A hook answers with any status from 200 to 299. The `webhook-id` of a request is the action's token: it stays the same
when a request is sent again after an outage or a crash, and a receiver keeps those that it has done with.

[actions.options.webhook.hooks.orders]
url = "https://erp.example.com/hooks/mail"
secret_env = "ORDERS_HOOK_SECRET"
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from rightsized.apps.triage.actions.http import HttpServer
from rightsized.apps.triage.actions.secrets import read_secret
from rightsized.apps.triage.actions.signing import key_of, signed
from rightsized.apps.triage.protocols import Done
from rightsized.apps.triage.records import Action, Handled, Mail
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, InputError
from rightsized.core.tables import meant, read_table

GONE = 410
_SETUP = frozenset({401, 403, 404, 405})  # nothing is wrong with the message
TYPE = "triage.message.routed"


class Hook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a hook is, and with what it is signed."""

    url: str
    secret_env: str = ""  # environment variable that holds the secret, whsec_ and base64
    secret_file: str = ""  # file that holds it
    text: bool = False  # also send the message's own words; else only what was found out about it
    timeout_s: float = 20.0
    ca: str = ""  # file of further certificate authorities


class WebhookOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What this desk takes."""

    hooks: dict[str, Any]  # a table a hook: url, secret_env or secret_file, text, timeout_s, ca


class WebhookDesk:
    """Implements `Desk`. What was sent cannot be taken back."""

    name = "webhook"

    def __init__(
        self, hooks: Mapping[str, Hook], egress: Egress | None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._hooks, self._clock = dict(hooks), clock
        self._servers = {
            name: HttpServer(hook.url, egress, f"The web hook {name!r}", timeout_s=hook.timeout_s, ca=hook.ca)
            for name, hook in hooks.items()
        }

    def takes(self, action: Action) -> bool:
        """See `Desk`."""
        return action.kind == "webhook"

    async def carry_out(self, action: Action, mail: Mail, handled: Handled, token: str) -> Done:
        """See `Desk`. Raises InputError (no such hook, or it refuses), UpstreamError, ConfigError."""
        if action.value not in self._hooks:
            raise InputError(f"There is no web hook {action.value!r}.", fix=meant(action.value, tuple(self._hooks)))
        return await asyncio.to_thread(self._send, action.value, mail, handled, token)

    def _send(self, name: str, mail: Mail, handled: Handled, token: str) -> Done:
        hook, now = self._hooks[name], self._clock()
        key = key_of(read_secret(hook.secret_env, hook.secret_file, f"secret of the web hook {name!r}"))
        body = body_of(mail, handled, now, with_text=hook.text)
        headers = {**signed(key, token, int(now), body), "content-type": "application/json"}
        status = self._servers[name].ask("POST", "", body, headers).status
        if 200 <= status < 300:
            return Done(f"sent to the web hook {name!r}: {status}")
        if status in _SETUP:
            raise ConfigError(f"The web hook {name!r} answered {status}.", fix="See its url and its secret.")
        said = "is gone" if status == GONE else f"refused it with {status}"
        raise InputError(f"The web hook {name!r} {said}.")


def body_of(mail: Mail, handled: Handled, now: float, *, with_text: bool) -> bytes:
    """What a hook is sent: JSON with `type`, `timestamp` and `data`."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    data: dict[str, Any] = {"handled": msgspec.to_builtins(handled)}
    if with_text:
        data["text"] = mail.text
    return msgspec.json.encode({"type": TYPE, "timestamp": stamp, "data": data})


def open_webhook(options: Mapping[str, Any], egress: Egress | None) -> WebhookDesk:
    """The desk of web hooks. Raises ConfigError."""
    given = read_table(WebhookOptions, dict(options), "the options of the desk webhook")
    hooks = {name: read_table(Hook, one, f"the web hook {name!r}") for name, one in given.hooks.items()}
    if not hooks:
        raise ConfigError("The desk webhook has no hook.", fix="Write [actions.options.webhook.hooks.NAME].")
    for name, one in hooks.items():
        if urlsplit(one.url).query:
            raise ConfigError(
                f"The url of the web hook {name!r} has a query, which logs may show.", fix="Leave it out."
            )
    return WebhookDesk(hooks, egress)
