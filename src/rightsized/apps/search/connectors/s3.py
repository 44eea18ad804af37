"""Documents in a bucket of an S3-compatible store (AWS, MinIO, Ceph, Garage, ...).

A bucket has no owners that mean anything here: `allow` in the address says who may see what is in it, sidecar objects
say it more finely, and with neither nobody does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from rightsized.apps.search.access.sidecar import MOST_BYTES, Sidecar, parse_sidecar
from rightsized.apps.search.access.sidecar import NAME as SIDECAR
from rightsized.apps.search.connectors.ignore import Ignored
from rightsized.apps.search.connectors.s3_client import Bucket, S3Client, Stored
from rightsized.apps.search.connectors.sigv4 import find_credentials
from rightsized.apps.search.types import Item
from rightsized.core.egress import Egress
from rightsized.core.errors import ConfigError, StoreError
from rightsized.core.principals import checked

OPTIONS = ("allow", "ca", "endpoint", "keys", "profile", "region", "style")
_PATHS = ("ca", "keys")
_ENVIRONMENT_REGION, _DEFAULT_REGION = "AWS_REGION", "us-east-1"


class S3Connector:
    """Objects of a bucket beneath a prefix.

    Args:
        prefix: keys that begin so; empty, or with a slash at its end.
        allow: who may see what no sidecar object is above.
        address: what it was opened by, with all options; they are no part of its name.
    """

    def __init__(
        self, client: S3Client, bucket: Bucket, prefix: str, allow: tuple[str, ...], address: str = ""
    ) -> None:
        self._client, self._bucket, self._prefix, self._allow = client, bucket, prefix, tuple(sorted(allow))
        self._address = address
        self._problems: list[str] = []

    @property
    def source(self) -> str:
        return f"s3://{self._bucket.name}/{quote(self._prefix)}?endpoint={self._bucket.endpoint}"

    @property
    def address(self) -> str:
        return self._address or self.source

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with sidecar objects; what is beneath them is listed as visible to nobody."""
        return tuple(self._problems)

    def items(self) -> Iterator[Item]:
        """Every object in the order of keys. Raises StoreError where the bucket cannot be listed whole.

        The listing is kept in a temporary file until its sidecars are known: they may come after what they rule.
        """
        self._problems = []
        with tempfile.TemporaryFile(prefix="rightsized-listing-") as spool:
            sidecars = self._spooled(spool)
            spool.seek(0)
            for line in spool:
                stored = msgspec.json.decode(line, type=Stored)
                key = stored.key.removeprefix(self._prefix)
                principals = self._principals(key, sidecars)
                yield Item(key, f"{stored.etag}-{stored.size}", stored.size, stored.modified, principals)

    def read(self, item: Item, into: Path) -> None:
        """Write the object in the version that was listed. Raises NotFoundError, StoreError."""
        etag = item.version.rpartition("-")[0]
        received = self._client.read(self._prefix + item.key, into, etag=etag)
        if received != item.size:
            raise StoreError(f"{item.key} has {received:,} bytes where {item.size:,} were listed.")

    def _spooled(self, spool: IO[bytes]) -> dict[str, Sidecar | None]:
        """Write the documents of the listing to a file; the sidecars by their folders, None for a broken one."""
        ignored, found = Ignored(), {}
        for stored in self._client.listed(self._prefix):
            folder, _, name = stored.key.removeprefix(self._prefix).rpartition("/")
            if name == SIDECAR:
                found[f"{folder}/" if folder else ""] = self._sidecar(stored)
            elif name and not _left_out(f"{folder}/{name}" if folder else name, ignored):
                spool.write(msgspec.json.encode(stored) + b"\n")
        return found

    def _sidecar(self, stored: Stored) -> Sidecar | None:
        with tempfile.TemporaryDirectory(prefix="rightsized-sidecar-") as folder:
            path = Path(folder) / SIDECAR
            try:
                self._client.read(stored.key, path, etag=stored.etag, most=MOST_BYTES)
                return parse_sidecar(path.read_bytes(), f"s3://{self._bucket.name}/{stored.key}")
            except (ConfigError, StoreError) as error:
                self._problems.append(str(error))
                return None

    def _principals(self, key: str, sidecars: Mapping[str, Sidecar | None]) -> tuple[str, ...]:
        folders = [key[: at + 1] for at, letter in enumerate(key) if letter == "/"]
        above = [folder for folder in ("", *folders) if folder in sidecars]
        if not above:
            return self._allow
        if any(sidecars[folder] is None for folder in above):
            return ()
        nearest = sidecars[above[-1]]
        return nearest.principals(key.removeprefix(above[-1])) if nearest else ()


def _left_out(key: str, ignored: Ignored) -> bool:
    parts = key.split("/")
    return any(
        ignored.leaves_out(part, "/".join(parts[: at + 1]), folder=at < len(parts) - 1) for at, part in enumerate(parts)
    )


def open_s3(address: str, egress: Egress) -> S3Connector:
    """`s3://bucket/prefix?endpoint=https://store.example:9000&region=...&keys=FILE&profile=...&ca=FILE&allow=group:legal`.

    `allow` may be repeated. `style=path` (the default with an endpoint) or `style=host` says where the bucket's name
    stands. Without an endpoint it is Amazon's. Raises ConfigError.
    """
    url = urlsplit(address)
    given = parse_qsl(url.query, keep_blank_values=True)
    if unknown := {name for name, _ in given} - set(OPTIONS):
        raise ConfigError(f"{sorted(unknown)[0]!r} is no option of a bucket.", fix=f"There are: {', '.join(OPTIONS)}.")
    options = dict(given)
    bucket = _bucket(url.netloc, options)
    credentials = find_credentials(options.get("keys", ""), options.get("profile", ""), os.environ)
    prefix = unquote(url.path).lstrip("/")
    prefix = f"{prefix.rstrip('/')}/" if prefix else ""
    allow = checked(value for name, value in given if name == "allow")
    kept = [(name, str(Path(value).expanduser().absolute()) if name in _PATHS else value) for name, value in given]
    again = f"s3://{bucket.name}/{quote(prefix)}" + (f"?{urlencode(kept, quote_via=quote)}" if kept else "")
    return S3Connector(S3Client(bucket, credentials, egress), bucket, prefix, allow, again)


def _bucket(name: str, options: Mapping[str, str]) -> Bucket:
    region = options.get("region") or os.environ.get(_ENVIRONMENT_REGION) or _DEFAULT_REGION
    endpoint = options.get("endpoint", "").rstrip("/") or f"https://s3.{region}.amazonaws.com"
    style = options.get("style") or ("path" if options.get("endpoint") else "host")
    where = urlsplit(endpoint)
    if not name or "@" in name or where.scheme not in ("http", "https") or not where.hostname:
        raise ConfigError(
            f"s3://{name.rpartition('@')[2]} with the endpoint {endpoint!r} names no bucket.",
            fix="Write s3://bucket/prefix?endpoint=https://store.example:9000",
        )
    if style not in ("path", "host"):
        raise ConfigError(f"style={style!r} is neither path nor host.")
    return Bucket(name, endpoint, region, style == "host", options.get("ca", ""))
