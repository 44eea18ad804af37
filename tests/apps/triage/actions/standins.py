"""A helpdesk and a receiver of web hooks on loopback. The helpdesk is written from Zammad's own pages of its REST API.

What it answers has the form that these pages show (tickets with `expand=true`, articles, tags, 401, 404, 422); it keeps
its tickets in memory, and can be away.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from rightsized.apps.triage.actions.signing import verify

TOKEN = "desk-token"
Answer = tuple[int, Any]


class _Server:
    """Answers each request by `answer(method, path, query, headers, body)`."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.away = False  # answers nothing but 503
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                url = urlsplit(self.path)
                outer.requests.append((self.command, url.path))
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, said = (503, {}) if outer.away else outer.answer(self.command, url.path, query, headers, body)
                data = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = do  # noqa: N815 - names of http.server

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def answer(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class HookReceiver(_Server):
    """Takes signed requests; one with an id that it has is known as a repeat, as the specification asks."""

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        super().__init__()
        self._key, self._now = key, now
        self.received: dict[str, dict[str, Any]] = {}
        self.repeats = 0
        self.status = 204

    def answer(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
        identity = verify([self._key], headers, body, self._now())
        if self.status < 300:
            self.repeats += identity in self.received
            self.received[identity] = json.loads(body)
        return self.status, {}


class ZammadStandIn(_Server):
    """Tickets, articles and tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tickets: dict[int, dict[str, Any]] = {}
        self.posted: list[dict[str, Any]] = []  # articles, in order
        self.groups, self.owners = {"Sales", "Orders"}, {"-", "chris@example.com", "dana@example.com"}
        self.states = {"new", "open", "closed"}
        self.tagged: dict[int, list[str]] = {}
        self._ticks = 1_796_000_000

    def add_ticket(self, title: str, sender: str, body: str, **more: Any) -> int:
        number = len(self.tickets) + 1
        self.tickets[number] = {
            "id": number,
            "number": str(22000 + number),
            "title": title,
            "group": "Sales",
            "state": "new",
            "owner": "-",
            "customer": sender,
        }
        self.tagged[number] = []
        self.add_article(number, sender, body, **more)
        return number

    def add_article(self, ticket: int, writer: str, body: str, **more: Any) -> int:
        given = {"sender": "Customer", "type": "email", "internal": False, "to": "help@example.com", "subject": ""}
        given |= {"content_type": "text/plain", "message_id": "", "attachments": []}
        article = {"id": len(self.posted) + 1, "ticket_id": ticket, "from": writer, "body": body, **given, **more}
        self.posted.append(article | {"created_at": self._touch(ticket)})
        return int(article["id"])

    def answer(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Token token={TOKEN}":
            return 401, {"error": "Invalid token!"}
        given = json.loads(body) if body else {}
        for pattern, step in (
            (r"GET /api/v1/tickets/search", self._search),
            (r"GET /api/v1/tickets/(\d+)", self._show),
            (r"PUT /api/v1/tickets/(\d+)", self._update),
            (r"GET /api/v1/ticket_articles/by_ticket/(\d+)", self._articles),
            (r"POST /api/v1/ticket_articles", self._post),
            (r"(GET) /api/v1/tags", self._tags),
            (r"(POST) /api/v1/tags/add", self._tags),
            (r"(DELETE) /api/v1/tags/remove", self._tags),
        ):
            found = re.fullmatch(pattern, f"{method} {path}")
            if found:
                try:
                    return step(query | given, *found.groups())
                except KeyError:
                    return 404, {"error": "Couldn't find it"}
        return 404, {"error": "No route matches"}

    def _search(self, given: dict[str, Any]) -> Answer:
        query, page, size = given["query"], int(given.get("page", 1)), int(given["per_page"])
        found = sorted(self.tickets.values(), key=lambda one: one["updated_at"])
        since = re.match(r"updated_at:\[(\S+) TO \*\]", query)
        named = re.fullmatch(r'article\.message_id:"(.+)"', query)
        if since:
            found = [one for one in found if one["updated_at"] >= since[1]]
        elif named:  # as an index of words does: it finds more than what was meant
            ids = {one["ticket_id"] for one in self.posted if one["message_id"].strip("<>")[:4] == named[1][:4]}
            found = [one for one in found if one["id"] in ids]
        else:
            return 422, {"error": f"Can't parse {query}"}
        return 200, found[(page - 1) * size : page * size]

    def _show(self, given: dict[str, Any], number: str) -> Answer:
        return 200, self.tickets[int(number)]

    def _update(self, given: dict[str, Any], number: str) -> Answer:
        ticket = self.tickets[int(number)]
        if given.pop("owner_id", 0) == 1:
            given["owner"] = "-"
        known = {"group": self.groups, "owner": self.owners, "state": self.states}
        for name, values in known.items():
            if name in given and given[name] not in values:
                return 422, {"error": f"No lookup value found for '{name}': {given[name]!r}"}
        ticket |= {name: given[name] for name in known if name in given}
        self._touch(int(number))
        return 200, ticket

    def _articles(self, given: dict[str, Any], ticket: str) -> Answer:
        self.tickets[int(ticket)]
        return 200, [one for one in self.posted if one["ticket_id"] == int(ticket)]

    def _post(self, given: dict[str, Any]) -> Answer:
        self.tickets[given["ticket_id"]]
        number = self.add_article(
            given.pop("ticket_id"), "Rightsized", given.pop("body"), **{"sender": "Agent", **given}
        )
        return 201, self.posted[number - 1]

    def _tags(self, given: dict[str, Any], method: str) -> Answer:
        tags = self.tagged[int(given["o_id"])]
        if method == "GET":
            return 200, {"tags": tags}
        if method == "POST" and given["item"] not in tags:
            tags.append(given["item"])
        if method == "DELETE":
            tags.remove(given["item"])
        return 201, True

    def _touch(self, ticket: int) -> str:
        self._ticks += 1
        stamp = datetime.fromtimestamp(self._ticks, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        self.tickets[ticket]["updated_at"] = stamp
        return stamp
