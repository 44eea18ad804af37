"""Seals what a decision holds of its subject under the subject's key, before it is hashed into the log.

Sealed are the texts, the conversation, the subject's name, its tenant where the tenant is the subject, and the words of
an error, which may quote a text. In the clear stay time, task, model, scores, labels, verdicts and cost: the evidence
that answers were within their promise must outlive an erasure, and without the key nobody knows whose they were.

A digest of a short text can be guessed, so a sealed text has a keyed one: HMAC-SHA256 under a key of the subject and
the decision. Ciphertext is AES-256-GCM with a random nonce, bound to where it stands. All keys of a subject derive from
the one that erasing destroys.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import msgspec

from rightsized.core.errors import IntegrityError
from rightsized.core.frozen import Frozen
from rightsized.core.generation import Completion
from rightsized.core.types import Attempt, Decision, Reply
from rightsized.ledger.schema import End
from rightsized.ledger.subjects import SubjectKey

SEALED_DIGEST = "hmac-sha256:"  # before the digest of a sealed text: then the subject's reference, and the digest
NONCE_BYTES = 12
Text = tuple[str, str]  # digest, text


class Private(Frozen, frozen=True):
    """What of a record is sealed."""

    subject: str = ""
    conversation: str = ""
    tenant: str = ""
    error: str = ""


_decode = msgspec.json.Decoder(Private).decode


class Sealer:
    """Seals and opens under the key of one subject."""

    def __init__(self, subject: SubjectKey) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.reference = subject.reference
        self._digests = _derived(subject.key, b"digests")
        self._cipher = AESGCM(_derived(subject.key, b"sealing"))

    def text_key(self, decision: str) -> bytes:
        """The key of the digests of this decision's texts: 32 bytes, good for no other decision and opening nothing."""
        return hmac.new(self._digests, decision.encode(), hashlib.sha256).digest()

    def digest(self, decision: str, text: str) -> str:
        """The keyed digest of a text of this decision."""
        made = hmac.new(self.text_key(decision), text.encode(), hashlib.sha256).hexdigest()
        return f"{SEALED_DIGEST}{self.reference}:{made}"

    def seal(self, plain: str, place: str) -> str:
        """Ciphertext in base64, bound to `place`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, plain.encode(), place.encode())).decode()

    def open(self, sealed: str, place: str) -> str:
        """What was sealed there. Raises IntegrityError where it was altered."""
        from cryptography.exceptions import InvalidTag

        try:
            data = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, ValueError):
            raise IntegrityError(f"What is sealed at {place} was altered.") from None

    def start(self, decision: Decision, text: str, *, tenant: bool) -> tuple[Decision, Text]:
        """A started decision and its text, sealed. `tenant`: the tenant is the subject."""
        private = Private(decision.subject, decision.conversation, decision.tenant if tenant else "")
        digest = self.digest(decision.id, text)
        sealed = msgspec.structs.replace(
            decision,
            subject=self.reference,
            conversation="",
            tenant="" if tenant else decision.tenant,
            text_sha256=digest,
            sealed=self.seal(msgspec.json.encode(private).decode(), f"start:{decision.id}"),
        )
        return sealed, (digest, self.seal(text, digest))

    def end(self, end: End, texts: list[Text]) -> tuple[End, list[Text]]:
        """An end and what was written, sealed."""
        keyed = {plain: self.digest(end.id, text) for plain, text in texts}
        kept = [(keyed[plain], self.seal(text, keyed[plain])) for plain, text in texts]
        attempts = None if end.attempts is None else tuple(_keyed(a, keyed) for a in end.attempts)
        reply = _keyed_reply(end.reply, keyed) if end.reply else None
        sealed = self.seal(msgspec.json.encode(Private(error=end.error)).decode(), f"end:{end.id}") if end.error else ""
        return msgspec.structs.replace(end, attempts=attempts, reply=reply, error="", sealed=sealed), kept


def opened_start(decision: Decision, sealer: Sealer | None) -> Decision:
    """A started decision with what was sealed in its place; without the key it stays as it is."""
    if sealer is None or not decision.sealed:
        return decision
    private = _decode(sealer.open(decision.sealed, f"start:{decision.id}"))
    return msgspec.structs.replace(
        decision,
        subject=private.subject,
        conversation=private.conversation,
        tenant=private.tenant or decision.tenant,
        sealed="",
    )


def opened_end(end: End, sealer: Sealer | None) -> End:
    """An end with the words of its error; without the key they are left out."""
    if sealer is None or not end.sealed:
        return end
    return msgspec.structs.replace(end, error=_decode(sealer.open(end.sealed, f"end:{end.id}")).error, sealed="")


def reference_of(digest: str) -> str:
    """The subject under whose key a text is sealed; empty where it is not sealed."""
    return digest.removeprefix(SEALED_DIGEST).partition(":")[0] if digest.startswith(SEALED_DIGEST) else ""


def within(reference: str) -> tuple[str, str]:
    """The digests of a subject's texts: from the first to before the second."""
    return f"{SEALED_DIGEST}{reference}:", f"{SEALED_DIGEST}{reference};"


def _derived(key: bytes, use: bytes) -> bytes:
    return hmac.new(key, b"rightsized ledger v1: " + use, hashlib.sha256).digest()


def _keyed_reply(reply: Reply, keyed: dict[str, str]) -> Reply:
    attempts = tuple(_keyed(attempt, keyed) for attempt in reply.attempts)
    return msgspec.structs.replace(reply, attempts=attempts, completion=_renamed(reply.completion, keyed))


def _keyed(attempt: Attempt, keyed: dict[str, str]) -> Attempt:
    return msgspec.structs.replace(attempt, completion=_renamed(attempt.completion, keyed))


def _renamed(completion: Completion | None, keyed: dict[str, str]) -> Completion | None:
    if completion is None or not completion.sha256:
        return completion
    return msgspec.structs.replace(completion, sha256=keyed.get(completion.sha256, ""))
