"""The part of Zammad's REST API that triage uses: tickets, articles, tags. Knows no action and no message of ours.

A token is sent with each request (`Authorization: Token token=...`) and read anew for each; it needs the permission
`ticket.agent`. Texts of refusals are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from rightsized.apps.triage.actions.http import MOST_SAID, HttpServer
from rightsized.apps.triage.actions.secrets import read_secret
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, InputError, NotFoundError, UpstreamError

SCHEME = "zammad:"
PAGE = 100
_DENIED = frozenset({401, 403})
NOT_FOUND = 404
T = TypeVar("T")


class ZammadAccess(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a Zammad is reached."""

    token_env: str = ""  # environment variable that holds an access token with the permission ticket.agent
    token_file: str = ""  # file that holds it
    ca: str = ""  # file of further certificate authorities
    timeout_s: float = 20.0


class Ticket(msgspec.Struct, frozen=True):
    """A ticket, with the names of what it refers to (`expand=true`)."""

    id: int
    updated_at: str
    number: str = ""
    title: str = ""
    group: str = ""
    state: str = ""
    owner: str = ""
    customer: str = ""


class File(msgspec.Struct, frozen=True):
    """A file of an article."""

    filename: str = ""
    size: int | str = 0
    preferences: dict[str, Any] = msgspec.field(default_factory=dict)


class Article(msgspec.Struct, frozen=True):
    """One message, note or call of a ticket."""

    id: int
    ticket_id: int
    created_at: str
    sender: str = ""  # Customer, Agent or System
    type: str = ""  # email, note, phone, web, ...
    internal: bool = False
    from_: str | None = msgspec.field(default="", name="from")
    to: str | None = ""
    subject: str | None = ""
    body: str | None = ""
    content_type: str | None = "text/html"
    message_id: str | None = ""
    attachments: tuple[File, ...] = ()


class Zammad:
    """One Zammad. `address` is `zammad:https://HOST`. Every call raises UpstreamError, ConfigError (no permission),
    NotFoundError and InputError (it refuses what was asked), EgressDeniedError."""

    def __init__(self, address: str, access: ZammadAccess, egress: Egress | None) -> None:
        url = address.removeprefix(SCHEME).rstrip("/")
        self.host = urlsplit(url).hostname or ""
        self._access = access
        self._server = HttpServer(url, egress, f"The helpdesk {self.host}", timeout_s=access.timeout_s, ca=access.ca)
        self.name = f"{SCHEME}{url}"

    def search(self, query: str, page: int = 1) -> list[Ticket]:
        """Tickets that fit, longest unchanged first; one page of them."""
        asked = {"query": query, "sort_by": "updated_at", "order_by": "asc", "page": page, "per_page": PAGE}
        found = self._get("/tickets/search", {**asked, "limit": PAGE, "expand": "true"})
        return self._read(found, list[Ticket])

    def ticket(self, number: int) -> Ticket:
        """The ticket of this id."""
        return self._read(self._get(f"/tickets/{number}", {"expand": "true"}), Ticket)

    def update(self, number: int, changes: Mapping[str, Any]) -> None:
        """Change a ticket: `group`, `owner`, `state` by name."""
        self._send("PUT", f"/tickets/{number}", changes)

    def articles(self, number: int) -> list[Article]:
        """The articles of a ticket, oldest first."""
        found = self._read(self._get(f"/ticket_articles/by_ticket/{number}", {"expand": "true"}), list[Article])
        return sorted(found, key=lambda one: one.id)

    def add_note(self, number: int, subject: str, text: str) -> None:
        """Add an internal note in plain text."""
        note = {"subject": subject, "body": text, "content_type": "text/plain", "type": "note", "internal": True}
        self._send("POST", "/ticket_articles", {"ticket_id": number, **note})

    def tags(self, number: int) -> list[str]:
        """The tags of a ticket."""
        found = self._get("/tags", {"object": "Ticket", "o_id": number})
        return self._read(found, dict[str, list[str]]).get("tags", [])

    def add_tag(self, number: int, tag: str) -> None:
        """Add a tag; nothing changes where it has it."""
        self._send("POST", "/tags/add", {"item": tag, "object": "Ticket", "o_id": number})

    def remove_tag(self, number: int, tag: str) -> None:
        """Remove a tag."""
        self._send("DELETE", "/tags/remove", {"item": tag, "object": "Ticket", "o_id": number})

    def _get(self, path: str, query: Mapping[str, Any]) -> Any:
        return self._ask("GET", f"{path}?{urlencode(query, quote_via=quote)}", None)

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        return self._ask(method, path, msgspec.json.encode(body))

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        token = read_secret(self._access.token_env, self._access.token_file, f"token of {self.host}")
        headers = {"authorization": f"Token token={token}", "content-type": "application/json"}
        answer = self._server.ask(method, f"/api/v1{path}", body, headers)
        if 200 <= answer.status < 300:
            return answer.json()
        if answer.status in _DENIED:
            raise ConfigError(
                f"The helpdesk {self.host} answered {answer.status}.",
                fix="Its token needs the permission ticket.agent, and access to the groups of these tickets.",
            )
        if answer.status == NOT_FOUND:
            raise NotFoundError(f"The helpdesk {self.host} does not have {path.partition('?')[0]}.")
        raise InputError(f"The helpdesk {self.host} refused it with {answer.status}: {_said(answer.body)}.")

    def _read(self, found: Any, kind: type[T]) -> T:
        try:
            return msgspec.convert(found, kind, strict=False)
        except msgspec.ValidationError as error:
            raise UpstreamError(f"The helpdesk {self.host} answered something else: {error}.") from None


def _said(body: bytes) -> str:
    try:
        error = msgspec.json.decode(body).get("error", "")
    except (msgspec.DecodeError, AttributeError):
        return "no reason given"
    return " ".join(str(error).split())[:MOST_SAID].rstrip(".") or "no reason given"
