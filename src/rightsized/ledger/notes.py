"""Signed notes and checkpoints as C2SP writes them (c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature).

A note is text, an empty line, and signature lines `— NAME BASE64(key id, signature)`. A checkpoint is a note whose text
says how many entries a log has and what the root of their tree is; ours adds the line `time SECONDS` (Unix time).
Signatures are Ed25519 (RFC 8032). Knows nothing of files, nor of which key ought to be trusted.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rightsized.core.errors import ProofError
from rightsized.core.frozen import Frozen
from rightsized.ledger.merkle import HASH_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519 = 1  # signature type of a log
COSIGNATURE = 4  # signature type of a witness: a time and a signature
KEY_BYTES, SIGNATURE_BYTES, ID_BYTES, TIME_BYTES = 32, 64, 4, 8
MOST_SIGNATURES = 64  # lines looked at in one note
MOST_CHARS = 1 << 16  # of one note
_DASH = "\N{EM DASH} "
_NAME = re.compile(r"[^\s+]+")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


class VerifierKey(Frozen, frozen=True):
    """A name and a public key. `str` gives the verifier key (vkey): `NAME+ID+BASE64(type, public key)`."""

    name: str
    public: bytes
    kind: int = ED25519

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.public) != KEY_BYTES:
            raise ProofError(f"{self.name!r} with {len(self.public)} bytes is no Ed25519 key of a log.")

    @property
    def id(self) -> bytes:
        """Four bytes that, with the name, say which key signed."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(bytes([self.kind]) + self.public)}"

    def check(self, text: bytes, signature: bytes) -> bool:
        """Whether this key made `signature` (and, of a witness, its time) over the note's text."""
        from cryptography.exceptions import InvalidSignature

        if self.kind == COSIGNATURE:
            if len(signature) != TIME_BYTES + SIGNATURE_BYTES:
                return False
            text = b"cosignature/v1\ntime %d\n" % int.from_bytes(signature[:TIME_BYTES]) + text
            signature = signature[TIME_BYTES:]
        try:
            _public(self.public).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


@functools.lru_cache(maxsize=64)
def _public(key: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(key)


def parse_key(vkey: str) -> VerifierKey:
    """Read a verifier key. Raises ProofError."""
    name, _, rest = vkey.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    data = _bytes(encoded)
    if not data or data[0] not in (ED25519, COSIGNATURE):
        raise ProofError(f"{vkey!r} is no Ed25519 verifier key.", fix="It reads NAME+8 HEX DIGITS+BASE64.")
    key = VerifierKey(name, data[1:], data[0])
    if key.id.hex() != key_id:
        raise ProofError(f"{vkey!r} says key {key_id!r} and holds {key.id.hex()}: it was mistyped or altered.")
    return key


class Signer:
    """Signs notes under a name.

    Args:
        name: of the log: its origin.
        seed: 32 secret bytes (RFC 8032).
    """

    def __init__(self, name: str, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = VerifierKey(name, self._private.public_key().public_bytes_raw())
        self._before = f"{_DASH}{name} "
        self._id = self.key.id

    def sign(self, content: bytes) -> bytes:
        """The 64 bytes of a signature."""
        return self._private.sign(content)

    def line(self, text: str) -> str:
        """The signature line over a note's text."""
        return f"{self._before}{_base64(self._id + self._private.sign(text.encode()))}\n"


class Signature(Frozen, frozen=True):
    """One signature line: who, and what was signed with (of a witness, the time included)."""

    name: str
    id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {_base64(self.id + self.signature)}\n"


class Note(Frozen, frozen=True):
    """A text, its last newline included, and who signed it."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(map(str, self.signatures))

    def signed_by(self, keys: Sequence[VerifierKey]) -> list[VerifierKey]:
        """Which of `keys` signed; lines of other keys are passed over. Raises ProofError where one is wrong."""
        known: Mapping[tuple[str, bytes], VerifierKey] = {(key.name, key.id): key for key in keys}
        found = []
        for line in self.signatures:
            key = known.get((line.name, line.id))
            if key is None:
                continue
            if not key.check(self.text.encode(), line.signature):
                raise ProofError(f"The signature of {key.name}, key {key.id.hex()}, is not over this text.")
            found.append(key)
        return found


class Checkpoint(Frozen, frozen=True):
    """A checkpoint: `size` entries under `root`, said at `time` (seconds since the epoch; 0 where it does not say)."""

    origin: str
    size: int
    root: bytes
    time: int
    note: Note


def checkpoint_text(origin: str, size: int, root: bytes, time: int) -> str:
    """The text of a checkpoint, to be signed."""
    return f"{origin}\n{size}\n{_base64(root)}\ntime {time}\n"


def parse_note(note: str) -> Note:
    """Read a signed note; its signatures are not checked. Raises ProofError."""
    text, gap, lines = note.rpartition("\n\n")
    if not gap or not lines.endswith("\n") or len(note) > MOST_CHARS or any(c < " " and c != "\n" for c in note):
        raise ProofError("This is no signed note.", fix="A note is text, an empty line, and lines of signatures.")
    return Note(text + "\n", tuple(parse_signature(line) for line in lines[:-1].split("\n")[:MOST_SIGNATURES]))


def parse_checkpoint(note: str) -> Checkpoint:
    """Read a checkpoint; its signatures are not checked. Raises ProofError."""
    signed = parse_note(note)
    origin, _, rest = signed.text[:-1].partition("\n")
    size, _, rest = rest.partition("\n")
    root, *extensions = rest.split("\n")
    digest = _bytes(root)
    time = next((line[5:] for line in extensions if line.startswith("time ")), "0")
    numbers = _NUMBER.fullmatch(size) and _NUMBER.fullmatch(time)
    if not origin or not numbers or len(digest) != HASH_BYTES or not all(extensions):
        raise ProofError("This note is no checkpoint.", fix="One has an origin, a size and a root, each on a line.")
    return Checkpoint(origin, int(size), digest, int(time), signed)


def parse_checkpoints(content: str) -> list[Checkpoint]:
    """Every checkpoint in a text that holds one after the other, each begun by its origin. Raises ProofError."""
    notes, lines = list[str](), list[str]()
    in_signatures = False
    for line in content.splitlines(keepends=True):
        if in_signatures and not line.startswith(_DASH):
            notes.append("".join(lines))
            lines = []
        in_signatures = line.startswith(_DASH)
        if lines or line.strip():
            lines.append(line)
    if lines:
        notes.append("".join(lines))
    if not notes:
        raise ProofError("This holds no checkpoint.")
    return [parse_checkpoint(note) for note in notes]


def parse_signature(line: str) -> Signature:
    """Read one signature line. Raises ProofError."""
    name, _, encoded = line.removeprefix(_DASH).rstrip("\n").partition(" ")
    data = _bytes(encoded)
    if not line.startswith(_DASH) or not _NAME.fullmatch(name) or len(data) <= ID_BYTES:
        raise ProofError(f"{line[:80]!r} is no signature line.")
    return Signature(name, data[:ID_BYTES], data[ID_BYTES:])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(encoded: str) -> bytes:
    """The bytes of canonical base64; empty where it is none."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if _base64(data) == encoded else b""
