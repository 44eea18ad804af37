"""The values that one request hides, sealed, and the keys that give them their placeholders.

Values are sealed with AES-256-GCM under a key that is drawn for the request and dropped with it; a placeholder is the
associated data of its value, so that no value can be passed off as another's. That keeps values out of what is printed,
pickled or copied by mistake. It does not protect them from whoever reads this process's memory: the prompt itself and
the key are there as long as the request runs.
"""

from __future__ import annotations

import os
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rightsized.core.errors import IntegrityError
from rightsized.guard.pseudonym.placeholders import code, label

KEY_BYTES, NONCE_BYTES = 32, 12
ATTEMPTS = 64  # codes tried for one value; each is free but for a chance of about 1 in 10^14
CONVERSATIONS = 10_000  # naming keys kept at most; the longest silent goes first
SILENCE_S = 86_400.0  # seconds without a request, after which a conversation's key is forgotten

Taken = Callable[[str], bool]


class Vault:
    """The values of one request by placeholder.

    Args:
        naming: the key that placeholders are made with; None draws one for this request alone.
    """

    def __init__(self, naming: bytes | None = None) -> None:
        self._naming = naming or os.urandom(KEY_BYTES)
        self._seal: AESGCM | None = AESGCM(os.urandom(KEY_BYTES))
        self._sealed: dict[str, bytes] = {}
        self._types: dict[str, str] = {}
        self._names: dict[str, str] = {}  # code of the first attempt -> placeholder
        self._codes: set[str] = set()

    def __len__(self) -> int:
        return len(self._sealed)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sealed)

    def __repr__(self) -> str:
        return f"<Vault of {len(self)} values>"

    def __reduce__(self) -> str:
        raise TypeError("A vault is not copied, pickled or stored.")

    @property
    def counts(self) -> dict[str, int]:
        """How many different values there are of each type."""
        return dict(sorted(Counter(self._types.values()).items()))

    def hide(self, value: str, kind: str, taken: Taken) -> str:
        """The placeholder of a value, the same each time; `taken` says whether a code may not be used.

        Raises IntegrityError where no code is free, or the vault is closed.
        """
        first = code(self._naming, value, 0)
        known = self._names.get(first)
        if known is not None and self.value(known) == value:
            return known
        codes = (code(self._naming, value, attempt) for attempt in range(ATTEMPTS))
        free = next((one for one in codes if one not in self._codes and not taken(one)), None)
        if free is None or self._seal is None:
            raise IntegrityError("No placeholder could be made for a value.")
        placeholder = f"{label(kind)}_{free}"
        nonce = os.urandom(NONCE_BYTES)
        data = value.encode("utf-8", "surrogatepass")
        self._sealed[placeholder] = nonce + self._seal.encrypt(nonce, data, placeholder.encode())
        self._names[first], self._types[placeholder] = placeholder, kind
        self._codes.add(free)
        return placeholder

    def value(self, placeholder: str) -> str:
        """What a placeholder stands for. Raises IntegrityError where the sealed value was altered, or is gone."""
        sealed = self._sealed.get(placeholder)
        if sealed is None or self._seal is None:
            raise IntegrityError("A placeholder of this request stands for nothing any more.")
        try:
            data = self._seal.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], placeholder.encode())
        except InvalidTag:
            raise IntegrityError("A value of this request was altered in memory.") from None
        return data.decode("utf-8", "surrogatepass")

    def close(self) -> None:
        """Drop the keys and what they sealed."""
        self._seal, self._naming = None, b""
        self._sealed.clear()
        self._names.clear()


class NamingKeys:
    """Keys that make placeholders the same throughout a conversation. Keys only, in memory only: never a value.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def of(self, conversation: str) -> bytes | None:
        """The key of a conversation, drawn at its first request; None where there is no conversation."""
        if not conversation:
            return None
        now = self._clock()
        seen, key = self._keys.pop(conversation, (now, b""))
        if not key or now - seen > SILENCE_S:
            key = os.urandom(KEY_BYTES)
        self._keys[conversation] = (now, key)
        while len(self._keys) > CONVERSATIONS:
            self._keys.popitem(last=False)
        return key
