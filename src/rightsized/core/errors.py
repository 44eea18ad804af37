"""Every error that Rightsized raises on purpose, in one tree.

    RightsizedError
    ├── ConfigError            a setting is wrong; names the key and the file
    ├── DataError              labelled data cannot be used as given
    ├── InputError             one request cannot be answered as given
    │   ├── UnsupportedError   the model asked for cannot do this
    │   ├── ContextLengthError the prompt is longer than the model reads
    │   └── DocumentError      a document cannot be read; carries a reason code
    ├── NotFoundError          no such task, model, decision, job or file
    ├── StoreError             the model store or the home folder cannot be used
    │   ├── IntegrityError     a stored file is not what its digest says
    │   ├── DownloadError      a source did not deliver
    │   ├── HomeLockedError    another process writes to this home
    │   └── DiskFullError      no space left; nothing half-written was kept
    ├── BusyError              the bounded queue is full; try again
    │   └── RateLimitError     a key has used up what it may ask in this time, or its budget
    ├── UnauthorizedError      no key, or one that is unknown, expired or revoked
    ├── ForbiddenError         this key, or a rule, does not allow that
    ├── UpstreamError          a model server failed, refused or answered nonsense
    │   └── UpstreamTimeoutError  a model server did not answer in time
    ├── CertificateError       a certificate is absent, altered, expired or of another model
    ├── ProofError             a proof or a signed checkpoint does not show what it claims
    ├── EgressDeniedError      something would have left this machine without leave
    ├── MissingExtraError      an optional part is not installed; names the pip command
    └── JobError               a background job failed or was cancelled

An error says what was wrong (with the value), and `fix` says what to do about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rightsized.core.verdicts import Verdict


class RightsizedError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what was wrong, with which value.
        fix: the command or setting that mends it; may be empty.
    """

    status = 500  # HTTP status used by the server
    exit_code = 1  # status of the command line
    retryable = False
    decision = ""  # id under which the failed request is on record, where it is
    verdicts: tuple[Verdict, ...] = ()  # what the policy said of the failed request
    policy = ""  # digest of that policy
    sent = True  # False where the text was never handed to whoever failed
    quoted = ""  # the end of the message, where it is not ours: what a server said, which may repeat a prompt

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.fix)

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip()

    @property
    def own_words(self) -> str:
        """The message without what others said: fit for a log that must hold no prompts."""
        return self.message.removesuffix(self.quoted)

    @property
    def code(self) -> str:
        """A stable name for programs, such as `not-found` for `NotFoundError`."""
        name = type(self).__name__.removesuffix("Error")
        return "".join("-" + c.lower() if c.isupper() else c for c in name).lstrip("-") or "error"


def _rebuild(kind: type[RightsizedError], message: str, fix: str) -> RightsizedError:
    return kind(message, fix=fix)


class ConfigError(RightsizedError):
    """A setting is wrong; the message names the key and where it was set."""

    status, exit_code = 500, 2


class DataError(RightsizedError):
    """Labelled data cannot be used as given."""

    status, exit_code = 422, 2


class InputError(RightsizedError):
    """One request cannot be answered as given.

    Args:
        param: the field of the request that is to blame; empty where none is named.
    """

    status, exit_code = 422, 2

    def __init__(self, message: str, *, fix: str = "", param: str = "") -> None:
        super().__init__(message, fix=fix)
        self.param = param

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_input, (type(self), self.message, self.fix, self.param)


def _rebuild_input(kind: type[InputError], message: str, fix: str, param: str) -> InputError:
    return kind(message, fix=fix, param=param)


class UnsupportedError(InputError):
    """The model asked for cannot do this."""

    status = 400


class ContextLengthError(InputError):
    """The prompt is longer than the model reads."""

    status = 400


class DocumentError(InputError):
    """A document cannot be read.

    Args:
        reason: a code for programs: `encrypted`, `truncated`, `malformed`, `bomb`, `timeout`, `memory`, `crash`,
            `unsupported`, `empty`, `too-large`.
    """

    def __init__(self, message: str, *, reason: str = "malformed", fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_document, (self.message, self.reason, self.fix)


def _rebuild_document(message: str, reason: str, fix: str) -> DocumentError:
    return DocumentError(message, reason=reason, fix=fix)


class NotFoundError(RightsizedError):
    """No such task, model, decision, job or file."""

    status, exit_code = 404, 3


class StoreError(RightsizedError):
    """The model store or the home folder cannot be used."""


class IntegrityError(StoreError):
    """A stored file is not what its digest says: truncated, altered or replaced."""


class DownloadError(StoreError):
    """A source did not deliver what was asked for."""

    status, retryable = 502, True


class HomeLockedError(StoreError):
    """Another process writes to this home."""

    status, retryable = 409, True


class DiskFullError(StoreError):
    """No space is left on the device; what was half-written was removed."""

    status = 507


class BusyError(RightsizedError):
    """The bounded queue is full. Nothing was recorded as answered; try again."""

    status, exit_code, retryable = 503, 4, True
    sent = False


class RateLimitError(BusyError):
    """A key has used up what it may ask in this time, or its budget.

    Args:
        retry_after: seconds until it may ask again.
    """

    status = 429

    tenant = ""  # of the key

    def __init__(self, message: str, *, fix: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message, fix=fix)
        self.retry_after = retry_after


class UnauthorizedError(RightsizedError):
    """No key was sent, or one that is unknown, expired or revoked."""

    status = 401


class ForbiddenError(RightsizedError):
    """The key, or a rule, does not allow that."""

    status = 403


class UpstreamError(RightsizedError):
    """A model server failed, refused or answered nonsense.

    Args:
        upstream_status: the HTTP status it answered with; 0 where there was none.
        retryable: whether the same request may be sent again, or to another server.
        retry_after: seconds it asked to be left alone; None where it did not say.
    """

    status = 502

    def __init__(
        self,
        message: str,
        *,
        fix: str = "",
        upstream_status: int = 0,
        retryable: bool = True,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, fix=fix)
        self.upstream_status = upstream_status
        if not retryable and 400 <= upstream_status < 500:
            self.status = upstream_status  # it blames the request, and the caller can mend that
        self.retryable = retryable
        self.retry_after = retry_after


class UpstreamTimeoutError(UpstreamError):
    """A model server did not answer in time."""

    status = 504


class CertificateError(RightsizedError):
    """A certificate is absent, altered, expired, or belongs to another model."""

    status = 409


class ProofError(RightsizedError):
    """A proof or a signed checkpoint does not show what it claims."""

    status = 409


class EgressDeniedError(RightsizedError):
    """Something would have left this machine without leave."""

    status = 403
    sent = False


class MissingExtraError(RightsizedError):
    """An optional part is not installed."""

    exit_code = 2

    def __init__(self, message: str, *, fix: str = "", extra: str = "") -> None:
        super().__init__(message, fix=fix or f"Run: pip install 'rightsized[{extra}]'")


class JobError(RightsizedError):
    """A background job failed, was killed or was cancelled."""
