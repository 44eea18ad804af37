"""Keyed digests in place of what names a message: they say that it was here, and nobody can read a name out of them.

A Message-ID, an address in it or the name of a file can be personal. Once a message's text is deleted its names go too,
and their digests under a key of the inbox stay, so that the message is known again where a source hands it over anew.
Who has the inbox's folder has the key, and can ask whether a name that they know already was here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from functools import cached_property
from pathlib import Path

from rightsized.core.errors import IntegrityError
from rightsized.store.secrets import SecretFolder

KEY = "names.key"  # in the inbox's folder
KEY_BYTES = 32
MARK = "~"  # begins every digest
DIGITS = 40  # hexadecimal; 160 bits
_DIGEST = re.compile(rf"{MARK}[0-9a-f]{{{DIGITS}}}")


class Names:
    """The digests of one inbox. The key is made when it is first needed; lost, forgotten messages would be new again.

    >>> import tempfile
    >>> names = Names(Path(tempfile.mkdtemp()))
    >>> len(names.of("m1@example.com")), names.of(names.of("m1@example.com")) == names.of("m1@example.com")
    (41, True)
    """

    def __init__(self, folder: Path) -> None:
        self._secrets = SecretFolder(folder)

    def of(self, name: str) -> str:
        """The digest of a name; what is one already stays, and so does an empty name."""
        if not name or _DIGEST.fullmatch(name):
            return name
        made = hmac.digest(self._key, name.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"{MARK}{made.hex()[:DIGITS]}"

    def both(self, name: str) -> tuple[str, str]:
        """Under which a message of this name may stand: its name, or the digest of it once it was forgotten."""
        return name, self.of(name)

    @cached_property
    def _key(self) -> bytes:
        if (found := self._secrets.read(KEY)) is None:
            self._secrets.create(KEY, secrets.token_bytes(KEY_BYTES))  # another process may be first
            found = self._secrets.read(KEY) or b""
        if len(found) != KEY_BYTES:
            raise IntegrityError(f"{self._secrets.folder / KEY} was altered.", fix="Put back a copy of it.")
        return found
