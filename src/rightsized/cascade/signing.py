"""Signs what a home promises: Ed25519 (RFC 8032) by a key derived from the home's secret, one key for all promises.

What is signed begins with a line that says which kind of promise it is, so that none can pass for another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

from rightsized.core.errors import CertificateError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_USE = b"rightsized certificate v1\n"  # of the derived key
SECRET_BYTES = 32


def public_key(secret: bytes) -> str:
    """The home's public key, base64: the one its promises carry."""
    return base64.b64encode(_key(secret).public_key().public_bytes_raw()).decode()


def signature(secret: bytes, kind: bytes, content: bytes) -> str:
    """The signature over `kind` and `content`, base64."""
    return base64.b64encode(_key(secret).sign(kind + content)).decode()


def is_signed(public: str, signed: str, kind: bytes, content: bytes) -> bool:
    """Whether the owner of the public key (base64) signed just this."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signed, validate=True), kind + content)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def digest(content: bytes) -> str:
    """`sha256:...` of what is signed: the id of a promise."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _key(secret: bytes) -> Ed25519PrivateKey:
    """A key for this one use (HKDF, RFC 5869), so that the home's secret may serve others."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(secret) != SECRET_BYTES:
        raise CertificateError(f"The signing secret has {len(secret)} bytes instead of {SECRET_BYTES}.")
    return Ed25519PrivateKey.from_private_bytes(
        HKDF(SHA256(), length=SECRET_BYTES, salt=None, info=_USE).derive(secret)
    )
