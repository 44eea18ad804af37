"""Talking to the server that holds this home: other commands write through it. Loopback HTTP, standard library only."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from rightsized.core import errors
from rightsized.core.egress import own_machine
from rightsized.core.generation import DataClass
from rightsized.core.types import Decision, Reply
from rightsized.store.home import Home, holder
from rightsized.tasks.accesses import Access
from rightsized.tasks.gateway_protocol import GatewayStatus
from rightsized.tasks.record_views import KeyChange, Purged
from rightsized.tasks.records import PromiseStatus, QueueItem, Review

T = TypeVar("T")
TIMEOUT_S = 60.0
WRITING_S = 600.0  # for what a model writes: the server ends it earlier
LOCAL_SECRET = "local-commands"  # noqa: S105 - the name of a secret, not one


def local_key(home: Home) -> str:
    """What this machine's own commands show a server that asks for keys: whoever can read the home has it."""
    return f"local-{home.secret(LOCAL_SECRET).hex()}"


def find_server(home: Home) -> RunningServer | None:
    """The server that writes to this home, or None where nobody does. Raises HomeLockedError for another writer."""
    found = holder(home)
    if found is None:
        return None
    if not found.address:
        raise errors.HomeLockedError(
            f"Process {found.pid} ({found.purpose}) is writing to {home.path}.",
            fix="Wait for it to end, then try again.",
        )
    return RunningServer(found.address, local_key(home))


class RunningServer:
    """A client of our own server for what the command line needs."""

    def __init__(self, address: str, key: str = "") -> None:
        self.address = address.rstrip("/")
        self._key = key

    def classify(self, task: str, text: str) -> Reply:
        """Raises what the server answered, as the error it was there."""
        body = self._call("POST", "/v1/classify", {"task": task, "text": text})
        return msgspec.convert(body["replies"][0], Reply)

    def decision(self, decision_id: str) -> Decision:
        return msgspec.convert(self._call("GET", f"/v1/decisions/{quote(decision_id)}"), Decision)

    def queue(self, task: str | None, limit: int) -> list[QueueItem]:
        query = f"?limit={limit}" + (f"&task={quote(task)}" if task else "")
        body = self._call("GET", f"/v1/queue{query}")
        return msgspec.convert(body["items"], list[QueueItem])

    def gateway(self) -> GatewayStatus:
        return msgspec.convert(self._call("GET", "/v1/gateway"), GatewayStatus)

    def promises(self) -> list[PromiseStatus]:
        """What is promised of answers from documents."""
        return msgspec.convert(self._call("GET", "/v1/promises")["promises"], list[PromiseStatus])

    def label(self, decision_id: str, label: str, reviewer: str) -> Review:
        body = {"label": label, "reviewer": reviewer}
        return msgspec.convert(self._call("POST", f"/v1/queue/{quote(decision_id)}", body), Review)

    def feedback(self, decision_id: str, label: str, reviewer: str) -> Review:
        body = {"decision": decision_id, "label": label, "reviewer": reviewer}
        return msgspec.convert(self._call("POST", "/v1/feedback", body), Review)

    def unlabel(self, decision_id: str) -> None:
        self._call("DELETE", f"/v1/queue/{quote(decision_id)}")

    def note(self, one: Access) -> None:
        """Put into its log that documents of one collection are about to be shown."""
        parted = [document.partition("/") for document in one.documents]
        body = {
            "name": one.name,
            "what": one.what,
            "collection": parted[0][0],
            "documents": [document for _, _, document in parted],
        }
        self._call("POST", "/v1/record/accesses", body)

    def rerank(self, tier: str, query: str, documents: Sequence[str], data_class: DataClass) -> dict[str, Any]:
        """What a tier gives for documents of that class. Raises what the server answered."""
        body = {"model": tier, "query": query, "documents": list(documents)}
        found: dict[str, Any] = self._call("POST", "/v1/rerank", body, {"X-Rightsized-Data-Class": data_class})
        return found

    def rotate_key(self) -> KeyChange:
        """Let a new key sign the log."""
        return msgspec.convert(self._call("POST", "/v1/record/keys"), KeyChange)

    def answer(self, body: dict[str, Any]) -> Any:
        """What `/v1/answer` says, with a model that writes behind it: as long as `[gateway] timeout_s` allows."""
        return self._call("POST", "/v1/answer", body, timeout=WRITING_S)

    def summary(self, body: dict[str, Any], seconds: float) -> Any:
        """What `/v1/summary` says, where a model writes it for at most so many seconds."""
        return self._call("POST", "/v1/summary", body, timeout=seconds + WRITING_S)

    def handle_message(self, inbox: str, body: dict[str, Any]) -> Any:
        """What `/v1/triage` says of a message that a command has read from its source."""
        return self._call("POST", "/v1/triage", {"inbox": inbox, **body}, timeout=WRITING_S)

    def triage(self, method: str, path: str, body: Any = None) -> Any:
        """An address below `/v1/triage`. What is posted may have a model write."""
        wait = WRITING_S if method == "POST" else TIMEOUT_S
        return self._call(method, f"/v1/triage{path}", body, timeout=wait)

    def purge(self) -> Purged:
        """Delete the texts whose time is over, by the settings of that server."""
        return msgspec.convert(self._call("POST", "/v1/record/retention"), Purged)

    def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT_S,
    ) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the address comes from our own lock file
            self.address + path,
            method=method,
            data=None if body is None else msgspec.json.encode(body),
            headers={
                "Content-Type": "application/json",
                "Accept": "application/json",
                **({"Authorization": f"Bearer {self._key}"} if self._key else {}),
                **(headers or {}),
            },
        )
        # Never through a proxy. The certificate is for the server's public name; the address came from our lock file.
        trusting = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())  # noqa: S323 - see above
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusting)
        try:
            with own_machine(), opener.open(request, timeout=timeout) as response:
                content = response.read()
                return msgspec.json.decode(content) if content else None
        except urllib.error.HTTPError as error:
            with error:
                raise _as_raised(error.read(), error.code) from None
        except (urllib.error.URLError, TimeoutError) as error:
            raise errors.StoreError(
                f"The server at {self.address} holds this home but does not answer: {error}.",
                fix="Look at its output, or stop it and try again.",
            ) from None


def _as_raised(body: bytes, status: int) -> errors.RightsizedError:
    """A problem document (RFC 9457) as the error that made it."""
    try:
        problem = msgspec.json.decode(body)
        code, detail, fix = problem.get("code", ""), problem.get("detail", ""), problem.get("fix", "")
    except (msgspec.DecodeError, AttributeError):
        code, detail, fix = "", f"The server answered {status}.", ""
    kinds = {kind("").code: kind for kind in _tree(errors.RightsizedError)}
    return kinds.get(code, errors.RightsizedError)(detail, fix=fix)


def _tree(kind: type[errors.RightsizedError]) -> list[type[errors.RightsizedError]]:
    return [kind, *(inner for child in kind.__subclasses__() for inner in _tree(child))]
