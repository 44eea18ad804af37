"""Keys to other services: read from the environment or a file, sent in one header, shown nowhere.

A file is read again when it changes, so that a key can be replaced while the server runs.
"""

from __future__ import annotations

import os
from pathlib import Path

from rightsized.core.errors import ConfigError
from rightsized.core.tiers import TierConfig

MAX_KEY_BYTES = 8192
HIDDEN = "[key]"


class Key:
    """A key, or the absence of one. Its text is given by `current` only."""

    def __init__(self, text: str = "", file: Path | None = None) -> None:
        self._text, self._file = text, file
        self._seen = _stamp(file) if file else None
        self._past: tuple[str, ...] = ()
        self.problem = ""

    def __repr__(self) -> str:
        return "Key(hidden)" if self._text else "Key(none)"

    def current(self) -> str:
        """The key as it is now; empty where there is none. A file that cannot be read leaves the last one in force."""
        if self._file is None or (stamp := _stamp(self._file)) == self._seen:
            return self._text
        self._seen = stamp
        try:
            text = _read(self._file)
        except ConfigError as error:
            self.problem = error.message
            return self._text
        self._past = (*self._past[-2:], self._text)  # requests under way may still be answered about it
        self._text, self.problem = text, ""
        return text

    def redact(self, text: str) -> str:
        """`text` without the key, should a server repeat it."""
        for key in (self._text, *self._past):
            text = text.replace(key, HIDDEN) if key else text
        return text


def open_key(tier: TierConfig, *, required: bool) -> Key:
    """The key that a tier names. Raises ConfigError where it is absent or cannot be sent."""
    if tier.key_env and tier.key_file:
        raise ConfigError(f"The tier {tier.name!r} names both key_env and key_file.", fix="Keep one of them.")
    if tier.key_file:
        file = Path(tier.key_file).expanduser()
        return Key(_read(file), file)
    if tier.key_env:
        text = os.environ.get(tier.key_env, "").strip()
        if not text:
            raise ConfigError(
                f"The environment variable {tier.key_env} (key_env of the tier {tier.name!r}) is not set.",
                fix=f"Set {tier.key_env}, or name a file with key_file.",
            )
        return Key(_checked(text, f"the environment variable {tier.key_env}"))
    if required:
        raise ConfigError(
            f"The tier {tier.name!r} needs a key: a server of kind {tier.preset} answers nobody without.",
            fix="Name it with key_env or key_file.",
        )
    return Key()


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"The key file {file} cannot be read: {error.strerror}.") from None
    text = raw.decode("utf-8", "replace").strip()
    if not text or len(raw) > MAX_KEY_BYTES:
        raise ConfigError(f"The key file {file} holds no key.", fix="Put the key alone on one line.")
    return _checked(text, f"the key file {file}")


def _checked(text: str, where: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(f"What {where} holds cannot be sent as a key.", fix="A key is one line of ASCII, no spaces.")
    return text


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
