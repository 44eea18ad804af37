"""Lists and reads objects of one bucket over HTTP. Each connection asks the egress first; there are no redirects.

Failures that pass by themselves are tried again: what was received of an object is kept, and the rest asked for. Speaks
the part of the protocol that all servers have: ListObjectsV2 and GetObject.
"""

from __future__ import annotations

import http.client
import random
import ssl
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote_plus, urlsplit
from xml.etree import ElementTree

from rightsized.apps.search.connectors.sigv4 import Credentials, encoded, query_string, signed
from rightsized.core.egress import Egress
from rightsized.core.errors import DownloadError, NotFoundError, StoreError
from rightsized.core.frozen import Frozen

TIMEOUT_S = 30.0
KEPT_S = 4.0  # servers close idle connections after five seconds or more
ATTEMPTS = 5
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 20.0
MOST_ANSWER_BYTES = 16 << 20  # of a listing's page: 1,000 keys of 1,024 bytes, encoded
BLOCK = 1 << 18
PAGE = 1000
OK, PARTIAL, NOT_FOUND, CHANGED, TOO_MANY, FORBIDDEN = 200, 206, 404, 412, 429, 403
_AGAIN = frozenset({TOO_MANY, 500, 502, 503, 504})
_FIXES = {
    "InvalidAccessKeyId": "The server does not know this access key. See AWS_ACCESS_KEY_ID or the file of keys.",
    "SignatureDoesNotMatch": "The secret key is another one, or the region is: s3://bucket?region=...",
    "ExpiredToken": "The session token has expired; get a new one.",
    "NoSuchBucket": "See the name of the bucket, and the endpoint.",
    "AccessDenied": "Grant this key s3:ListBucket on the bucket and s3:GetObject on what is in it.",
    "AuthorizationHeaderMalformed": "The region is another one: s3://bucket?region=...",
    "InvalidObjectState": "The object lies in an archive; restore it first.",
}

_T = TypeVar("_T")


class Bucket(Frozen, frozen=True):
    """Where a bucket is. `hosted`: its name is part of the host, not of the path. `certificates`: a file of more."""

    name: str
    endpoint: str
    region: str
    hosted: bool = False
    certificates: str = ""


class Stored(Frozen, frozen=True):
    """An object as a listing has it. `modified` in seconds since 1970."""

    key: str
    etag: str
    size: int
    modified: float


class _DroppedError(Exception):
    """The connection ended, or the server asked to come back; the text says why, `after` in how many seconds."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after


class S3Client:
    """Asks one bucket.

    Args:
        wait: sleeps; tests hand in something faster.
        now: the time in UTC that requests are signed with.
    """

    def __init__(
        self,
        bucket: Bucket,
        credentials: Credentials,
        egress: Egress,
        *,
        wait: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        url = urlsplit(bucket.endpoint)
        self._bucket, self._credentials, self._egress = bucket, credentials, egress
        self._wait, self._now = wait, now
        self._tls = ssl.create_default_context(cafile=bucket.certificates or None) if url.scheme == "https" else None
        self._host = f"{bucket.name}.{url.hostname}" if bucket.hosted else url.hostname or ""
        self._port = url.port
        self._base = url.path.rstrip("/") + ("" if bucket.hosted else f"/{bucket.name}")
        self._purpose = f"The bucket {bucket.name!r}"
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []
        weakref.finalize(self, _close, self._idle)

    def listed(self, prefix: str) -> Iterator[Stored]:
        """Every object whose key begins so, in the order of keys. Raises StoreError, EgressDeniedError."""
        token = ""
        while True:
            page = self._again(partial(self._page, prefix, token))
            for entry in page.iter("Contents"):
                yield _stored(entry, page.findtext("EncodingType") == "url")
            if page.findtext("IsTruncated") != "true":
                return
            following = page.findtext("NextContinuationToken") or ""
            if not following or following == token:
                raise DownloadError(f"{self._purpose} said that more follows, and not how to ask for it.")
            token = following

    def read(self, key: str, into: Path, *, etag: str = "", most: int = 0) -> int:
        """Write an object to a file; its bytes.

        Args:
            etag: of the version meant; another one is an error.
            most: bytes that are too many; 0 takes any number.
        Raises NotFoundError, StoreError, EgressDeniedError.
        """
        with into.open("wb") as file:
            progress = _Progress(etag)

            def receive() -> None:
                headers = {"if-match": f'"{progress.etag}"'} if progress.etag else {}
                if progress.received:
                    headers["range"] = f"bytes={progress.received}-"
                with self._answer(f"{self._base}/{encoded(key)}", {}, headers) as answer:
                    self._check(answer, key)
                    if progress.received and answer.status != PARTIAL:
                        progress.received = 0  # a server that knows no ranges begins anew
                        file.seek(0)
                        file.truncate()
                    progress.etag = progress.etag or (answer.headers.get("etag") or "").strip('"')
                    while block := answer.read(BLOCK):
                        file.write(block)
                        progress.received += len(block)
                        if most and progress.received > most:
                            raise StoreError(f"{key} has more than {most:,} bytes.")
                    if answer.length:
                        raise _DroppedError(f"{answer.length:,} bytes are missing")

            self._again(receive, progress)
        return progress.received

    def _page(self, prefix: str, token: str) -> ElementTree.Element:
        query = {"list-type": "2", "prefix": prefix, "max-keys": str(PAGE), "encoding-type": "url"}
        if token:
            query["continuation-token"] = token
        with self._answer(self._base or "/", query, {}) as answer:
            self._check(answer, "")
            return _xml(answer.read(MOST_ANSWER_BYTES + 1), self._purpose)

    def _again(self, step: Callable[[], _T], progress: _Progress | None = None) -> _T:
        """Take a step until it works; only steps without any progress are counted."""
        failed, reached = 0, 0
        while True:
            try:
                return step()
            except _DroppedError as error:
                if progress is not None and progress.received > reached:
                    failed, reached = 0, progress.received
                failed += 1
                if failed >= ATTEMPTS:
                    raise DownloadError(
                        f"{self._purpose} at {self._host} did not answer {ATTEMPTS} times in a row: {error}.",
                        fix="See whether it can be reached from here; then sync again.",
                    ) from None
                backoff = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (failed - 1))
                backoff *= random.uniform(0.5, 1.0)  # noqa: S311 - apart from other clients, not a secret
                self._wait(min(LONGEST_WAIT_S, max(error.after, backoff)))

    @contextmanager
    def _answer(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to one request. Whatever goes wrong on the way raises _DroppedError."""
        self._egress.require(self._host, self._purpose)
        host = self._host if self._port is None else f"{self._host}:{self._port}"
        sent = signed(self._credentials, self._bucket.region, self._now(), path, query, {"host": host, **headers})
        connection, whole = None, False
        try:
            connection = self._kept() or self._connected()
            connection.request("GET", f"{path}?{query_string(query)}" if query else path, headers=sent)
            answer = connection.getresponse()
            yield answer
            whole = answer.isclosed() and not answer.will_close
        except ssl.SSLCertVerificationError as error:
            raise StoreError(
                f"{self._purpose}: the certificate of {self._host} is not trusted: {error.verify_message}.",
                fix="Name the file of your certificate authority: s3://bucket?ca=/etc/ssl/own.pem",
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise _DroppedError(str(error) or type(error).__name__) from None
        finally:
            if whole and connection is not None:
                self._idle.append((time.monotonic(), connection))
            elif connection is not None:
                connection.close()

    def _kept(self) -> http.client.HTTPConnection | None:
        """A connection of before that the server has surely not closed yet."""
        while self._idle:
            since, connection = self._idle.pop()
            if time.monotonic() - since < KEPT_S:
                return connection
            connection.close()
        return None

    def _connected(self) -> http.client.HTTPConnection:
        with self._egress.connecting(self._host, self._purpose):
            if self._tls is None:
                connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
            else:
                connection = http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_S, context=self._tls)
            connection.connect()
        return connection

    def _check(self, answer: http.client.HTTPResponse, key: str) -> None:
        """Raise what an answer other than 200 or 206 means."""
        if answer.status in (OK, PARTIAL):
            return
        body = answer.read(1 << 16)
        code, message = _error(body)
        if answer.status in _AGAIN or code in ("SlowDown", "RequestTimeout"):
            raise _DroppedError(f"{answer.status} {code}".strip(), _seconds(answer.headers.get("retry-after")))
        what = f"{key} in the bucket {self._bucket.name!r}" if key else self._purpose
        if answer.status == NOT_FOUND and key:
            raise NotFoundError(f"{what} is gone.")
        if answer.status == CHANGED:
            raise StoreError(f"{what} was changed since it was listed.", fix="It is read at the next sync.")
        if code == "RequestTimeTooSkewed" or (answer.status == FORBIDDEN and self._skew(answer) > 600):
            raise StoreError(
                f"{what}: the clocks of this machine and of {self._host} are {self._skew(answer):.0f} seconds apart.",
                fix="Set this machine's clock (NTP): the server refuses signatures that are 15 minutes off.",
            )
        elsewhere = answer.headers.get("x-amz-bucket-region", "")
        fix = f"It is in the region {elsewhere}: s3://{self._bucket.name}?region={elsewhere}" if elsewhere else ""
        raise StoreError(
            f"{what}: {self._host} answered {answer.status} {code}{f' ({message})' if message else ''}.",
            fix=(fix if 300 <= answer.status < 400 else "") or _FIXES.get(code, fix),
        )

    def _skew(self, answer: http.client.HTTPResponse) -> float:
        try:
            there = parsedate_to_datetime(answer.headers.get("date", ""))
        except (TypeError, ValueError):
            return 0.0
        return abs((there - self._now()).total_seconds()) if there.tzinfo else 0.0


def _close(idle: list[tuple[float, http.client.HTTPConnection]]) -> None:
    """Close the connections that were kept for another request."""
    while idle:
        idle.pop()[1].close()


class _Progress:
    """How far an object has been received, and of which version."""

    def __init__(self, etag: str) -> None:
        self.received, self.etag = 0, etag


def _xml(body: bytes, purpose: str) -> ElementTree.Element:
    """An answer without its namespaces. Raises DownloadError; document types are refused, and so are entities."""
    if len(body) > MOST_ANSWER_BYTES or b"<!" in body:
        raise DownloadError(f"{purpose} answered with what is no list of objects.")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - without <! there are no entities to expand
    except ElementTree.ParseError as error:
        raise _DroppedError(f"the list of objects was cut off or malformed ({error})") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _stored(entry: ElementTree.Element, url_encoded: bool) -> Stored:
    key = entry.findtext("Key") or ""
    stamp = entry.findtext("LastModified") or "1970-01-01T00:00:00Z"
    try:
        size, modified = int(entry.findtext("Size") or 0), datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        raise DownloadError(f"The listing has no size and date of {key!r}.") from None
    return Stored(unquote_plus(key) if url_encoded else key, (entry.findtext("ETag") or "").strip('"'), size, modified)


def _error(body: bytes) -> tuple[str, str]:
    try:
        root = _xml(body, "")
    except (_DroppedError, DownloadError):
        return "", ""
    return root.findtext("Code") or "", (root.findtext("Message") or "")[:200].rstrip(". ")


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdecimal() else 0.0
