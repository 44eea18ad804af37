"""Signs requests to S3 (AWS Signature Version 4, header form), and holds the keys for it. Opens nothing.

Source: "Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference.
"""

from __future__ import annotations

import configparser
import hashlib
import hmac
import os
import stat
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from rightsized.core.errors import ConfigError

EMPTY = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"
_SAFE = "-_.~"
MOST_KEY_BYTES = 1 << 16


class Credentials:
    """An access key. Shows its id and nothing else."""

    def __init__(self, access: str, secret: str, token: str = "") -> None:
        self.access, self._secret, self.token = access, secret, token

    def __repr__(self) -> str:
        return f"Credentials({self.access!r}, hidden)"

    def hmac_key(self, date: str, region: str) -> bytes:
        """The key that signs requests of one day (`20261128`) to S3 in one region."""
        key = ("AWS4" + self._secret).encode()
        for part in (date, region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


def signed(
    credentials: Credentials,
    region: str,
    now: datetime,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
) -> dict[str, str]:
    """The headers of a GET without a body, with those that sign it.

    Args:
        now: in UTC.
        path: as it is sent, percent-encoded.
        headers: with `host`.
    """
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    sent = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    sent |= {"x-amz-content-sha256": EMPTY, "x-amz-date": stamp}
    if credentials.token:
        sent["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
    request = "\n".join(("GET", path, query_string(query), lines, names, EMPTY))
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    signature = hmac.digest(credentials.hmac_key(stamp[:8], region), text.encode(), "sha256").hex()
    credential = f"Credential={credentials.access}/{scope}"
    return {**sent, "authorization": f"{_ALGORITHM} {credential},SignedHeaders={names},Signature={signature}"}


def encoded(path: str) -> str:
    """A bucket or key as it stands in a URL: each byte but letters, digits, `-_.~` and slashes percent-encoded."""
    return quote(path, safe=_SAFE + "/")


def query_string(query: Mapping[str, str]) -> str:
    """Parameters in the order that is signed, which is also the one sent."""
    return "&".join(f"{quote(name, safe=_SAFE)}={quote(value, safe=_SAFE)}" for name, value in sorted(query.items()))


def find_credentials(file: str, profile: str, environment: Mapping[str, str]) -> Credentials:
    """Keys from a file in the form of ~/.aws/credentials, or, without one, from AWS_ACCESS_KEY_ID and its like.

    Raises ConfigError, which never quotes what was read.
    """
    if file:
        return _from_file(Path(file).expanduser(), profile or "default")
    access, secret = environment.get("AWS_ACCESS_KEY_ID", ""), environment.get("AWS_SECRET_ACCESS_KEY", "")
    if not access or not secret:
        raise ConfigError(
            "No keys to the bucket: AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set.",
            fix="Set both, or name a file of mode 0600: s3://bucket?keys=/etc/rightsized/s3-keys",
        )
    return Credentials(access, secret, environment.get("AWS_SESSION_TOKEN", ""))


def _from_file(path: Path, profile: str) -> Credentials:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with path.open("rb") as file:
            shared = os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
            text = file.read(MOST_KEY_BYTES).decode("utf-8")
        parser.read_string(text)
    except OSError as error:
        raise ConfigError(f"The keys in {path} cannot be read: {error.strerror}.") from None
    except (configparser.Error, UnicodeDecodeError):
        raise ConfigError(
            f"{path} is no file of keys.", fix="Write [default], aws_access_key_id = ..., aws_secret_access_key = ..."
        ) from None
    if shared:
        raise ConfigError(f"{path} holds keys, and others than its owner have access.", fix=f"Run: chmod 600 {path}")
    section = parser[profile] if parser.has_section(profile) else {}
    access, secret = section.get("aws_access_key_id", ""), section.get("aws_secret_access_key", "")
    if not access or not secret:
        raise ConfigError(f"{path} has no aws_access_key_id and aws_secret_access_key under [{profile}].")
    return Credentials(access, secret, section.get("aws_session_token", ""))
