"""The settings of a remote tier, checked once when it is opened, and what follows from them."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from yarl import URL

from rightsized.core.egress import is_loopback
from rightsized.core.errors import ConfigError
from rightsized.core.generation import Operation
from rightsized.core.tiers import TierConfig
from rightsized.engines.remote import presets
from rightsized.engines.remote.keys import Key, open_key
from rightsized.engines.remote.presets import Preset

OPTIONS = ("api_version", "ca_file", "max_event_mb", "max_response_mb", "on_premises")
MAX_RESPONSE_MB = 64.0  # 2,048 embeddings of 1,536 numbers are 40 MB
MAX_EVENT_MB = 4.0  # one event of a stream holds a few tokens; some servers send a whole tool call in one
OWN_HEADERS = frozenset(
    ("accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "host")
) | frozenset(("transfer-encoding", "te", "upgrade"))
KEY_HEADERS = frozenset(("authorization", "proxy-authorization", "api-key", "x-api-key", "cookie"))


class Settings(NamedTuple):
    """A remote tier, ready to be opened."""

    tier: TierConfig
    preset: Preset
    key: Key
    host: str
    port: int
    operations: frozenset[Operation]
    urls: dict[Operation, URL]
    tls: ssl.SSLContext | None
    on_premises: bool
    max_response: int  # bytes
    max_event: int  # bytes

    @property
    def digest(self) -> str:
        """A remote model cannot be pinned: address, kind of server and model name are all that is known."""
        named = "\n".join(("remote", self.tier.url, self.tier.preset, self.tier.model))
        return f"sha256:{hashlib.sha256(named.encode()).hexdigest()}"


def read_settings(tier: TierConfig) -> Settings:
    """Check a tier and read its key. Raises ConfigError that names the setting, never a key."""
    preset = presets.find(tier.preset)
    unknown = sorted(set(tier.options) - set(OPTIONS))
    if unknown:
        raise ConfigError(
            f"The remote engine has no option {unknown[0]!r} (tier {tier.name!r}).",
            fix=f"Options: {', '.join(OPTIONS)}.",
        )
    if preset.model_required and not tier.model:
        raise ConfigError(f"The tier {tier.name!r} names no model.", fix='Write model = "..." as its server calls it.')
    operations = frozenset(tier.operations) & preset.operations
    if not operations:
        raise ConfigError(
            f"A server of kind {tier.preset} does none of {', '.join(tier.operations)} (tier {tier.name!r}).",
            fix=f"It does: {', '.join(sorted(preset.operations))}.",
        )
    host = _host(tier)
    _check_headers(tier)
    return Settings(
        tier=tier,
        preset=preset,
        key=open_key(tier, required=preset.key_required),
        host=host,
        port=URL(tier.url).port or 0,
        operations=operations,
        urls={operation: _url(tier, preset, operation) for operation in operations},
        tls=_tls(tier),
        on_premises=_on_premises(tier, preset, host),
        max_response=_bytes(tier, "max_response_mb", MAX_RESPONSE_MB),
        max_event=_bytes(tier, "max_event_mb", MAX_EVENT_MB),
    )


def _host(tier: TierConfig) -> str:
    try:
        parts = urlsplit(tier.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"url of the tier {tier.name!r} is no address.") from None
    if "@" in parts.netloc:  # not shown: it may hold a password
        raise ConfigError(f"url of the tier {tier.name!r} holds a user or password.", fix="Name a key with key_env.")
    if not host or parts.scheme not in ("http", "https"):
        raise ConfigError(f"url = {tier.url!r} of the tier {tier.name!r} is no http address.")
    if parts.query or parts.fragment:
        raise ConfigError(f"url = {tier.url!r} of the tier {tier.name!r} must end before ? and #.")
    if parts.path.rstrip("/").endswith(tuple(presets.PATHS.values())):
        raise ConfigError(
            f"url = {tier.url!r} of the tier {tier.name!r} names one operation.",
            fix="End it before that, as in .../v1.",
        )
    return host


def _url(tier: TierConfig, preset: Preset, operation: Operation) -> URL:
    path, query, version = preset.path, "", str(tier.options.get("api_version", ""))
    if "{model}" in path and not version:
        path = "/openai/v1/{operation}"  # Azure's newer address takes the deployment as `model` in the body
    if version:
        query = "?" + urlencode({"api-version": version})
    filled = path.format(model=quote(tier.model, safe=""), operation=presets.PATHS[operation])
    return URL(tier.url.rstrip("/") + filled + query, encoded=True)


def _check_headers(tier: TierConfig) -> None:
    for name, value in tier.headers.items():
        if name.lower() in KEY_HEADERS:
            raise ConfigError(
                f"headers of the tier {tier.name!r} hold {name}: keys are not written in settings.",
                fix="Name the key with key_env or key_file.",
            )
        if name.lower() in OWN_HEADERS:
            raise ConfigError(f"headers of the tier {tier.name!r} may not set {name}.")
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or not value.isprintable():
            raise ConfigError(f"headers of the tier {tier.name!r}: {name!r} cannot be sent.")


def _tls(tier: TierConfig) -> ssl.SSLContext | None:
    file, needed = tier.options.get("ca_file"), tier.url.startswith("https://")
    if file is None and not needed:
        return None
    try:
        context = ssl.create_default_context(cafile=None if file is None else str(Path(str(file)).expanduser()))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file = {file!r} of the tier {tier.name!r} cannot be used: {error}.") from None
    context.set_alpn_protocols(["http/1.1"])
    return context if needed else None


def _on_premises(tier: TierConfig, preset: Preset, host: str) -> bool:
    stays = is_loopback(host) and not (preset.leaves and preset.leaves.search(tier.model))
    said = tier.options.get("on_premises", stays)
    if not isinstance(said, bool) or (said and not stays):
        raise ConfigError(
            f"on_premises = {said!r} of the tier {tier.name!r} cannot be: prompts leave this machine.",
            fix="Leave it out, and name what may be sent there with data_classes.",
        )
    return said


def _bytes(tier: TierConfig, option: str, default: float) -> int:
    value: Any = tier.options.get(option, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1024:
        raise ConfigError(f"{option} = {value!r} of the tier {tier.name!r} must be above 0 and at most 1024.")
    return int(value * 2**20)
